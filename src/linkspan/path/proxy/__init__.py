"""The userland proxy: one process for the host sockets of all published ports, and the daemon's handle."""
