"""What is said by the IPAM driver dhcp: the network is the LAN itself, its server gives addresses. Pure."""

from __future__ import annotations

from linkspan.model.network import Network

DHCP = "dhcp"


def is_dhcp(network: Network) -> bool:
    """Tell whether a server on the LAN gives the network's endpoints their addresses."""
    return network.ipam_driver == DHCP
