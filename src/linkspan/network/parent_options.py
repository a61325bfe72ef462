"""The options of macvlan and ipvlan networks: the parent link, the mode, and an address for the host itself.

Docker's keys are bare words (`parent`, `macvlan_mode`, `ipvlan_mode`, `ipvlan_flag`). `HOST_ADDRESS` is ours:
the kernel keeps a host from its own macvlan containers, and a macvlan link of the host's own leads around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from linkspan.model.errors import InvalidParameter
from linkspan.model.network import Network

PARENT = "parent"
HOST_ADDRESS = "com.linkspan.macvlan.host_address"
HOST = "host"
"""The name under which the host's own address stands among a pool's auxiliary addresses."""

DRIVERS = ("macvlan", "ipvlan")
MODES = {"macvlan": ("bridge", "private", "vepa", "passthru"), "ipvlan": ("l2", "l3", "l3s")}
FLAGS = ("bridge", "private", "vepa")
_VLAN = re.compile(r"([^\s/.]{1,14})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class ParentOptions:
    """What the options say. `parent` "" asks for a segment that is on no wire: it leads nowhere.

    `lower` and `vlan` are what a name like eth0.50 stands for ("" and 0 for other names).
    """

    parent: str
    mode: str
    flag: str = ""
    lower: str = ""
    vlan: int = 0
    host_address: str = ""

    @property
    def routed(self) -> bool:
        """Tell whether containers send what leaves the subnet to the link itself, without a gateway."""
        return self.mode in ("l3", "l3s")


def parent_options(network: Network) -> ParentOptions:
    """Read the options of a macvlan or ipvlan network; raises InvalidParameter with Docker's texts."""
    kind = network.driver
    mode = network.option(f"{kind}_mode") or MODES[kind][0]
    if mode not in MODES[kind]:
        raise InvalidParameter(
            f"requested {kind} mode '{mode}' is not valid, '{MODES[kind][0]}' mode is the"
            f" {kind} driver default"
        )
    flag = network.option("ipvlan_flag") if kind == "ipvlan" else ""
    if flag and flag not in FLAGS:
        raise InvalidParameter(f"unknown ipvlan flag type: {flag}")
    parent = network.option(PARENT)
    found = _VLAN.fullmatch(parent)
    lower, vlan = (found[1], int(found[2])) if found else ("", 0)
    host = network.option(HOST_ADDRESS)
    if host and (kind, mode) != ("macvlan", "bridge"):
        raise InvalidParameter(f"{HOST_ADDRESS} needs the driver macvlan in bridge mode")
    return ParentOptions(parent, mode, flag, lower, vlan, host)


def parent_link(network: Network) -> str:
    """Return the name of the link that the network's endpoints are made on."""
    return network.option(PARENT) or f"dm-{network.id[:12]}"


def adopted_link(network: Network) -> str:
    """Return the link that a network needs and that others made: its bridge or its parent, "" if none."""
    if not network.adopted:
        return ""
    return parent_link(network) if network.driver in DRIVERS else network.bridge


def shim_link(network: Network) -> str:
    """Return the name of the host's own link on the network."""
    return f"mv-{network.id[:12]}"
