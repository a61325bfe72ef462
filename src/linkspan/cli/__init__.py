"""The linkspan command."""
