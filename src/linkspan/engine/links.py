"""Links between containers: lines in /etc/hosts on the default bridge, aliases on other networks.

The other's addresses and variables go into the environment too. Source: Docker's "Legacy container links";
moby daemon/links.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from linkspan.engine.registry import Registry
from linkspan.model.addresses import Address, Pairs
from linkspan.model.container import Container
from linkspan.model.errors import InvalidParameter, LinkspanError, NotFound
from linkspan.model.network import Endpoint
from linkspan.network.controller import Controller

DEFAULT_BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class Link:
    """The other container of a legacy link, and what `owner` calls it.

    `ports` are its exposed ports ("5432/tcp"), `env` its environment ("KEY=value").
    """

    owner: str
    id: str
    name: str
    alias: str
    address: Address
    ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


def parse_link(text: str) -> tuple[str, str]:
    """Return (container, alias) of "db", "db:alias" or the API's "/db:/web/alias"; InvalidParameter else."""
    name, colon, alias = text.partition(":")
    if not name or (colon and not alias) or ":" in alias:
        raise InvalidParameter(f"bad format for links: {text}")
    return name.removeprefix("/"), (alias or name).rsplit("/", 1)[-1]


def network_links(endpoints: Iterable[Endpoint]) -> Pairs:
    """Return (alias, container) of the links that `endpoints` ask for on their own networks."""
    found = (parse_link(link) for endpoint in endpoints for link in endpoint.config.links)
    return tuple((alias.lower(), name.lower()) for name, alias in found)


def legacy_links(container: Container, registry: Registry, network: Controller) -> tuple[Link, ...]:
    """Return the links of a container on the default bridge; LinkspanError when the other does not run.

    A link to a container that was removed is none any more.
    """
    found = _others(container, registry)
    return tuple(_resolve(container, other, alias, network) for other, alias in found)


def bound_links(container: Container, registry: Registry) -> list[str]:
    """Return HostConfig.Links of a container to be created, others by their ids: they may be renamed.

    Raises InvalidParameter when one is not there, or is in the host's network.
    """
    bound = []
    for text in _asked(container):
        name, alias = parse_link(text)
        try:
            other = registry.find(name).container
            while other.network_mode.startswith("container:"):
                other = registry.find(other.network_mode.partition(":")[2]).container
        except NotFound as error:
            raise InvalidParameter(f"could not get container for {name}: {error}") from None
        if other.network_mode == "host":
            raise InvalidParameter(
                "conflicting options: host type networking can't be used with links. "
                "This would result in undefined behavior"
            )
        bound.append(f"{other.id}:{alias}")
    return bound


def shown_links(container: Container, registry: Registry) -> list[str]:
    """Return HostConfig.Links as `docker inspect` shows them: "/db:/web/alias", by the present names."""
    found = _others(container, registry)
    return [f"/{other.name}:/{container.name}/{alias}" for other, alias in found]


def _asked(container: Container) -> Sequence[str]:
    on_bridge = container.network_mode in ("default", DEFAULT_BRIDGE)
    return container.host_config.get("Links") or () if on_bridge else ()


def _others(container: Container, registry: Registry) -> list[tuple[Container, str]]:
    found = []
    for text in _asked(container):
        reference, alias = parse_link(text)
        if (managed := registry.get(reference)) is not None:
            found.append((managed.container, alias))
    return found


def _resolve(container: Container, other: Container, alias: str, network: Controller) -> Link:
    address = bridge_address(other.id, network)
    if not other.state.running:
        raise LinkspanError(
            f"Cannot link to a non running container: /{other.name} AS /{container.name}/{alias}"
        )
    if address is None:
        raise LinkspanError(f"Cannot link to /{other.name}, as it does not belong to the default network")
    ports, env = other.config.get("ExposedPorts") or (), other.config.get("Env") or ()
    return Link(container.name, other.id, other.name, alias, address, tuple(ports), tuple(env))


def bridge_address(container_id: str, network: Controller) -> Address | None:
    """Return a running container's address on the default bridge, None when it has none there."""
    sandbox = network.sandbox(container_id)
    for endpoint in sandbox.endpoints if sandbox else ():
        if endpoint.network_name == DEFAULT_BRIDGE and endpoint.ipv4 is not None:
            return endpoint.ipv4.ip
    return None


def link_environment(link: Link) -> tuple[str, ...]:
    """Return the variables that a linking container gets: address, every exposed port, the other's own."""
    prefix = link.alias.upper().replace("-", "_")
    ports = sorted(link.ports, key=_port_order)
    found = [f"{prefix}_NAME=/{link.owner}/{link.alias}"]
    if ports:
        found.append(f"{prefix}_PORT={_url(link, ports[0])}")
    for run in _runs(ports):
        found += _run_variables(prefix, link, run) if len(run) > 1 else ()
        for port in run:
            found += _port_variables(prefix, link, port)
    for entry in link.env:
        key, equals, _ = entry.partition("=")
        if equals and key not in ("HOME", "PATH"):
            found.append(f"{prefix}_ENV_{entry}")
    return tuple(found)


def _port_order(port: str) -> tuple[bool, str, int]:
    number, _, protocol = port.partition("/")
    return protocol != "tcp", protocol, int(number)


def _url(link: Link, port: str) -> str:
    number, _, protocol = port.partition("/")
    return f"{protocol}://{link.address}:{number}"


def _runs(ports: Iterable[str]) -> list[list[str]]:
    """Return the ports, those that follow each other in one list."""
    runs: list[list[str]] = []
    for port in ports:
        _, protocol, number = _port_order(port)
        if runs and _port_order(runs[-1][-1])[1:] == (protocol, number - 1):
            runs[-1].append(port)
        else:
            runs.append([port])
    return runs


def _port_variables(prefix: str, link: Link, port: str) -> list[str]:
    number, _, protocol = port.partition("/")
    name = f"{prefix}_PORT_{number}_{protocol.upper()}"
    return [
        f"{name}={_url(link, port)}",
        f"{name}_ADDR={link.address}",
        f"{name}_PORT={number}",
        f"{name}_PROTO={protocol}",
    ]


def _run_variables(prefix: str, link: Link, run: Sequence[str]) -> list[str]:
    first, _, protocol = run[0].partition("/")
    last = run[-1].partition("/")[0]
    name = f"{prefix}_PORT_{first}_{protocol.upper()}"
    return [
        f"{name}_START={_url(link, run[0])}",
        f"{name}_PORT_START={first}",
        f"{name}_END={_url(link, run[-1])}",
        f"{name}_PORT_END={last}",
    ]
