"""Tools that explain the network: they read the model, the blueprint and the kernel, and change nothing."""
