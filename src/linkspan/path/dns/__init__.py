"""The embedded DNS server at 127.0.0.11."""
