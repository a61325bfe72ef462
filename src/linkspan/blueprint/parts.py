"""Parts: the links, addresses, routes and sysctls that one network or endpoint needs in the kernel.

`sandbox` is the path of a bind-mounted network namespace; "" is the host's own namespace. `owner` is written
on the link (IFLA_IFALIAS), so that a link found after a crash can be matched to its network or endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.addresses import Address as IpAddress
from linkspan.model.addresses import Interface, Subnet


@dataclass(frozen=True, slots=True)
class Bridge:
    """A Linux bridge in the host namespace; an `adopted` one is never created or deleted, only used."""

    name: str
    mtu: int = 1500
    mac: str = ""
    adopted: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class VethPair:
    """A veth pair: `host_name` on the host, plugged into `bridge`; `name` inside `sandbox`. Both come up.

    `bridge` "" plugs it into nothing; `sandbox` "" leaves the other end on the host.
    """

    host_name: str
    name: str
    sandbox: str
    bridge: str
    mac: str = ""
    mtu: int = 1500
    hairpin: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class SubLink:
    """A link on top of `parent`, a link of the host: `kind` is macvlan, ipvlan or vlan. It comes up.

    It is made in `sandbox` ("" the host). `mode` is bridge, private, vepa or passthru for macvlan, l2, l3 or
    l3s for ipvlan, the number for vlan; `flag` is bridge, private or vepa for ipvlan. `mtu` 0 and `mac` ""
    leave it to the kernel.
    """

    kind: str
    name: str
    parent: str
    sandbox: str = ""
    mode: str = ""
    flag: str = ""
    mac: str = ""
    mtu: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class MovedLink:
    """The link `source` of the host, made by somebody else, moved into `sandbox` as `name`, and set up there.

    Removing the part moves it back. `mac` "" leaves its MAC address as it is.
    """

    source: str
    name: str
    sandbox: str
    mac: str = ""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """An existing link set up (lo of a sandbox, say)."""

    link: str
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """An address with prefix length on a link. IPv6 addresses are added nodad."""

    link: str
    interface: Interface
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A route; `destination` None is the default route of `gateway`'s family."""

    link: str
    gateway: IpAddress | None = None
    destination: Subnet | None = None
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A /proc/sys key in dotted form with "/" allowed inside a link's name, as sysctl(8) takes it.

    `needed` false: a kernel without the key is no error (IPv6 switched off, say).
    """

    key: str
    value: str
    sandbox: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Shaper:
    """What leaves by `link` keeps to `rate` bits per second (a token bucket, tc's tbf)."""

    link: str
    rate: int
    sandbox: str = ""


Part = Bridge | VethPair | SubLink | MovedLink | LinkUp | Address | Route | Sysctl | Shaper
