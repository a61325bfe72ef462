"""Network and IPAM drivers outside of the daemon, over Docker's plugin protocol."""
