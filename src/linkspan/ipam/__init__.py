"""Address pools and leases, decided without touching the host."""
