"""Steps: one part to be added to the kernel or removed from it, what that is called, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.blueprint.parts import (
    Address,
    Bridge,
    LinkUp,
    MovedLink,
    Part,
    Route,
    Shaper,
    SubLink,
    Sysctl,
    VethPair,
)


@dataclass(frozen=True, slots=True)
class Add:
    """Make `part`."""

    part: Part

    @property
    def inverse(self) -> Remove:
        """The step that takes this one back."""
        return Remove(self.part)

    def __str__(self) -> str:
        """Return what the step does, for errors and lists: "adding 172.17.0.2/16 to eth0"."""
        match self.part:
            case Bridge(name=name):
                return f"making the bridge {name}"
            case VethPair(host_name=host_name, name=name, bridge=bridge):
                return f"making the veth pair {host_name} and {name}" + (f" on {bridge}" if bridge else "")
            case SubLink(kind=kind, name=name, parent=parent):
                return f"making the {kind} link {name} on {parent}"
            case MovedLink(source=source, name=name):
                return f"moving {source} into the sandbox as {name}"
            case LinkUp(link=link):
                return f"setting {link} up"
            case Address(link=link, interface=interface):
                return f"adding {interface} to {link}"
            case Route(link=link) as route:
                return f"adding the route {_way(route)} on {link}"
            case Sysctl(key=key, value=value):
                return f"setting {key} to {value}"
            case Shaper(link=link, rate=rate):
                return f"holding {link} to {rate} bit/s"


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove `part`; a link that was set up stays up, and a kernel parameter keeps its value."""

    part: Part

    @property
    def inverse(self) -> Add:
        """The step that takes this one back."""
        return Add(self.part)

    def __str__(self) -> str:
        """Return what the step does, for errors and lists: "removing 172.17.0.2/16 from eth0"."""
        match self.part:
            case Bridge(name=name):
                return f"removing the bridge {name}"
            case VethPair(host_name=host_name):
                return f"removing the veth pair {host_name}"
            case SubLink(kind=kind, name=name):
                return f"removing the {kind} link {name}"
            case MovedLink(source=source, name=name):
                return f"moving {name} back to the host as {source}"
            case LinkUp(link=link):
                return f"leaving {link} up"
            case Address(link=link, interface=interface):
                return f"removing {interface} from {link}"
            case Route(link=link) as route:
                return f"removing the route {_way(route)} on {link}"
            case Sysctl(key=key):
                return f"leaving {key} as it is"
            case Shaper(link=link):
                return f"no longer holding {link} to a rate"


Step = Add | Remove


def _way(route: Route) -> str:
    destination = "default" if route.destination is None else str(route.destination)
    return destination if route.gateway is None else f"{destination} via {route.gateway}"


def links_of(part: Part) -> frozenset[tuple[str, str]]:
    """Return (sandbox, name) of the links that `part` makes and that vanish with it; none for the others."""
    match part:
        case Bridge(name=name, adopted=False):
            return frozenset({("", name)})
        case VethPair(host_name=host_name, name=name, sandbox=sandbox):
            return frozenset({("", host_name), (sandbox, name)})
        case SubLink(name=name, sandbox=sandbox) | MovedLink(name=name, sandbox=sandbox):
            return frozenset({(sandbox, name)})
    return frozenset()


def needs(part: Part) -> frozenset[tuple[str, str]]:
    """Return (sandbox, name) of the links that must be there for `part`; it vanishes with any of them."""
    match part:
        case SubLink(parent=parent):
            return frozenset({("", parent)})
        case MovedLink(source=source):
            return frozenset({("", source)})
        case LinkUp(link=link, sandbox=sandbox) | Address(link=link, sandbox=sandbox):
            return frozenset({(sandbox, link)})
        case Route(link=link, sandbox=sandbox) | Shaper(link=link, sandbox=sandbox):
            return frozenset({(sandbox, link)})
        case Sysctl(sandbox=sandbox):
            named = part.key.split(".")
            tree = named[1:3] in (["ipv4", "conf"], ["ipv6", "conf"], ["ipv4", "neigh"], ["ipv6", "neigh"])
            return frozenset({(sandbox, named[3].replace("/", "."))} if tree and len(named) > 4 else ())
    return frozenset()
