"""The embedded resolver at 127.0.0.11: names of containers, and what upstream servers say of others."""
