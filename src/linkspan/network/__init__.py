"""Decides networks, endpoints, addresses, ports and names; hands out blueprints."""
