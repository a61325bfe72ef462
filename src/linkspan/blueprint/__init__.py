"""What the kernel should look like: frozen parts and firewall facts, no I/O."""
