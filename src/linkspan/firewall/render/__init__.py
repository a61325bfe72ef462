"""Firewall facts rendered as rule text: pure."""
