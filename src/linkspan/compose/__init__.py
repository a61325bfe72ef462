"""Compose files: read, checked, turned into an ordered list of API calls, and carried out by the daemon."""
