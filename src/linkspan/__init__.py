"""Linkspan: Docker's network architecture as a container engine in Python you can read."""

__version__ = "0.1.0"
