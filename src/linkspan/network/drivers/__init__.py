"""Drivers: pure functions from a network and an endpoint to blueprint parts."""
