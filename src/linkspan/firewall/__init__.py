"""Firewall facts become rules in the kernel."""
