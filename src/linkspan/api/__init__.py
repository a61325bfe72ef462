"""The Docker Engine API: translates HTTP to use cases and errors to status codes."""
