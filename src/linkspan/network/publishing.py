"""Publishing: from what `-p` asks to host ports that are free, held in the allocator and bound."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from linkspan.blueprint.listeners import Listener
from linkspan.model.addresses import Address
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.network import Network
from linkspan.model.ports import PortBinding, PublishRequest
from linkspan.model.sandbox import Sandbox
from linkspan.network.adapters import Proxy
from linkspan.network.bindings import collapse, face_listeners
from linkspan.network.faces import Faces
from linkspan.network.options import bridge_options
from linkspan.network.ports import NOBODY, Owner, PortAllocator, PortRange, PortTaken
from linkspan.network.predefined import BRIDGE_NETWORK
from linkspan.network.settings import NetworkSettings
from linkspan.network.undo import Undo
from linkspan.path.proxy.client import AddressInUse

ANY4 = IPv4Address("0.0.0.0")
ANY6 = IPv6Address("::")
ATTEMPTS = 10
UNPROTECTED = (
    "network {} is in gateway mode nat-unprotected, where every port is open to whoever routes to it, so an"
    " allow-list of port {} would not hold: use mode nat or routed"
)


@dataclass(slots=True)
class Claim:
    """One publish request with the host port it got; `busy` are ports that other programs hold.

    The port is bound on `addresses`; for `routed` ones it is only opened in the packet filter.
    """

    request: PublishRequest
    addresses: tuple[Address, ...]
    routed: tuple[Address, ...] = ()
    owner: Owner = NOBODY
    port: int = 0
    busy: set[int] = field(default_factory=set)

    @property
    def wanted(self) -> PortRange:
        """Return the host ports to choose from."""
        return PortRange(self.request.first, self.request.last)

    def bindings(self) -> Iterable[PortBinding]:
        """Yield a binding for each address; what is only opened has host port 0."""
        request = self.request
        ports = [(address, self.port) for address in self.addresses]
        for address, port in (*ports, *((address, 0) for address in self.routed)):
            yield PortBinding(
                request.protocol, address, port, request.container_port, sources=request.sources
            )


@dataclass(frozen=True, slots=True)
class Publication:
    """Ports that are bound and let nothing in yet; `reservation` is the proxy's."""

    bindings: tuple[PortBinding, ...]
    listeners: tuple[Listener, ...]
    reservation: Any


class Publisher:
    """Claims and binds the host ports of one sandbox after the other; thread-safe."""

    def __init__(
        self,
        ports: PortAllocator,
        proxy: Proxy,
        settings: NetworkSettings,
        name: Callable[[Owner], str] = lambda owner: owner.name,
        program: Callable[[str, Address, int], object] = lambda _protocol, _address, _port: None,
    ) -> None:
        """`name` is what a container is called now; `program` finds the process that has a port."""
        self._ports = ports
        self._proxy = proxy
        self._settings = settings
        self._name = name
        self._program = program

    def serve(self, publication: Publication, undo: Undo) -> None:
        """Let the proxy serve what `open` has bound; raises LinkspanError, OSError."""
        if publication.listeners:
            self._proxy.serve(publication.reservation)
            undo.push(self._proxy.close, publication.listeners)

    def withdraw(self, listeners: Sequence[Listener], undo: Undo) -> None:
        """Close host sockets; undone, they are bound and served again."""
        if listeners:
            self._proxy.close(listeners)
            undo.push(lambda: self._proxy.serve(self._proxy.reserve(listeners, absent=True)))

    def open(
        self,
        faces: Faces,
        requests: Sequence[PublishRequest],
        undo: Undo,
        former: Sequence[PortBinding] = (),
        absent: bool = False,
    ) -> Publication:
        """Bind the host ports of `requests` so that they let nothing in; all or nothing.

        `former` are bindings that the sandbox had before: a port that was chosen stays what it was. With
        `absent` host addresses may be ones that the host does not have yet. Raises
        LinkspanError with Docker's texts, followed by who has the port; what was claimed is given back by
        `undo`. Without `faces` there is nothing to publish on.
        """
        if not faces:
            return Publication((), (), None)
        claims = self._claims(faces, requests)
        keep = _former_ports([claim.request for claim in claims], former)
        for claim, port in sorted(zip(claims, keep, strict=True), key=lambda pair: not pair[0].wanted.fixed):
            self._take(claim, port)
            undo.push(self._release, claim)
        while True:
            bindings = collapse(binding for claim in claims for binding in claim.bindings())
            wanted = face_listeners(faces, bindings)
            try:
                reservation = self._proxy.reserve(wanted, absent)
            except AddressInUse as error:
                self._choose_again(claims, error)
            else:
                undo.push(self._proxy.release, reservation)
                return Publication(bindings, wanted, reservation)

    def _claims(self, faces: Faces, requests: Iterable[PublishRequest]) -> list[Claim]:
        families = (4, 6) if ipv6_available() else (4,)
        first = next(iter(faces.values()))
        owner = Owner(first.endpoint.container_id, first.endpoint.container_name)
        modes = {version: bridge_options(face.network).mode(version) for version, face in faces.items()}
        default = self._default_address(first.network)
        claims = []
        for request in dict.fromkeys(requests):
            if request.sources and "nat-unprotected" in modes.values():
                raise InvalidParameter(UNPROTECTED.format(first.network.name, request.container_port))
            chosen = request.host_address or default
            addresses = [
                address
                for address in ((ANY4, ANY6) if chosen is None else (chosen,))
                if address.version in families and self._reachable(faces, address)
            ]
            routed = tuple(a for a in addresses if modes[a.version] == "routed")
            bound = tuple(a for a in addresses if a not in routed)
            claims.append(Claim(request, bound, routed, owner))
        return claims

    def _default_address(self, network: Network) -> Address | None:
        """Return where a publish without an address goes: the network's address, or the daemon's."""
        own = bridge_options(network).host_binding
        if own is not None and not (own.is_unspecified and network.name == BRIDGE_NETWORK):
            return own
        return self._settings.default_bind_address

    def _reachable(self, faces: Faces, address: Address) -> bool:
        """Tell whether a host address can lead to the endpoint: by its own family, or through the proxy.

        A family that is routed has no NAT, and no proxy in its place.
        """
        if (face := faces.get(address.version)) is None:
            return False
        endpoint, options = face.endpoint, bridge_options(face.network)
        if (endpoint.ipv4 if address.version == 4 else endpoint.ipv6) is not None:
            return True
        modes = {options.mode(version) for version in (4, 6)}
        return self._settings.userland_proxy and "routed" not in modes

    def _take(self, claim: Claim, former: int = 0) -> None:
        if not claim.addresses:
            return
        wanted = PortRange(former, former) if former else claim.wanted
        try:
            claim.port = self._ports.claim(
                claim.request.protocol, claim.addresses, wanted, claim.busy, claim.owner
            )
        except PortTaken as error:
            name = self._name(error.owner)
            raise LinkspanError(f"{error} (by container {name})" if name else str(error)) from error

    def _release(self, claim: Claim) -> None:
        if claim.port:
            self._ports.release(claim.request.protocol, claim.addresses, claim.port)
            claim.port = 0

    def _choose_again(self, claims: list[Claim], error: AddressInUse) -> None:
        """Give the claim that met a busy port another one; raises for a fixed port or after ten tries."""
        claim = next((c for c in claims if _holds(c, error)), None)
        if claim is None or claim.wanted.fixed:
            raise self._explained(error) from error
        claim.busy.add(claim.port)
        self._release(claim)
        if claim.wanted.first == 0 and len(claim.busy) >= ATTEMPTS:
            raise error
        self._take(claim)

    def _explained(self, error: AddressInUse) -> LinkspanError:
        listener = error.listener
        holder = self._program(listener.protocol, listener.host_address, error.port)
        return error if holder is None else LinkspanError(f"{error} (by {holder})")

    def hold(self, sandbox: Sandbox) -> None:
        """Hold the ports of a sandbox that stands already (restart of the daemon)."""
        owner = Owner(sandbox.container.id, sandbox.container.name)
        for binding in sandbox.bindings:
            for port in _host_ports(binding):
                self._ports.hold(binding.protocol, binding.host_address, port, owner)

    def free(self, bindings: Iterable[PortBinding]) -> None:
        """Give the ports of bindings back to the allocator."""
        for binding in bindings:
            for port in _host_ports(binding):
                self._ports.release(binding.protocol, (binding.host_address,), port)


def _holds(claim: Claim, error: AddressInUse) -> bool:
    return (
        claim.port == error.port
        and claim.request.protocol == error.listener.protocol
        and error.listener.host_address in claim.addresses
    )


def _host_ports(binding: PortBinding) -> range:
    return range(binding.host_port, binding.host_port + binding.count) if binding.host_port else range(0)


def _former_ports(requests: Sequence[PublishRequest], former: Iterable[PortBinding]) -> list[int]:
    """Return for each request the host port that it had, 0 for one that is fixed or had none."""
    had: dict[tuple[str, int], list[int]] = {}
    for binding in single(former):
        ports = had.setdefault((binding.protocol, binding.container_port), [])
        if binding.host_port and binding.host_port not in ports:
            ports.append(binding.host_port)
    return [_pick(request, had.get((request.protocol, request.container_port), [])) for request in requests]


def _pick(request: PublishRequest, ports: list[int]) -> int:
    """Take the port of `request` out of those that its container port had."""
    for port in ports:
        if request.first == 0 or request.first <= port <= request.last:
            ports.remove(port)
            return 0 if request.first == request.last != 0 else port
    return 0


def single(bindings: Iterable[PortBinding]) -> Iterable[PortBinding]:
    """Yield a binding of one port for each port of the ranges."""
    for binding in bindings:
        for offset in range(binding.count):
            host = binding.host_port + offset if binding.host_port else 0
            yield replace(binding, host_port=host, container_port=binding.container_port + offset, count=1)


def udp_ports(bindings: Iterable[PortBinding]) -> list[tuple[Address, int]]:
    """Return the UDP host ports of bindings, one by one, for flushing conntrack."""
    return [
        (binding.host_address, port)
        for binding in bindings
        if binding.protocol == "udp"
        for port in _host_ports(binding)
    ]


def ipv6_available() -> bool:
    """Tell whether IPv6 sockets can be bound in this thread's namespace."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
