"""Bind the host sockets of published ports so that nothing is accepted before the firewall's rules stand."""

from __future__ import annotations

import array
import contextlib
import errno
import logging
import resource
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from linkspan.blueprint.listeners import Listener
from linkspan.model.addresses import Address
from linkspan.model.errors import LinkspanError
from linkspan.path.proxy.limits import raise_descriptor_limit

log = logging.getLogger(__name__)

IPPROTO_SCTP = 132
SO_ATTACH_FILTER = 26  # include/uapi/asm-generic/socket.h
SO_DETACH_FILTER = 27
SO_RCVBUFFORCE = 33
IP_FREEBIND = 15  # include/uapi/linux/in.h
IP_PKTINFO = 8  # include/uapi/linux/in.h; the socket module has no name for it
BACKLOG = 4096
QUEUE = 1 << 20  # bytes of datagrams that may wait while others are served
KEEPALIVE_IDLE = 30  # seconds; Go's net package, and so docker-proxy, probes its peers too
KEEPALIVE_INTERVAL = 15

STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
DATAGRAMS = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
KINDS = {
    "tcp": (STREAM, socket.IPPROTO_TCP),
    "udp": (DATAGRAMS, socket.IPPROTO_UDP),
    "sctp": (STREAM, IPPROTO_SCTP),
}

_DROP_ALL = array.array("B", struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, 0 bytes
_DROP_ALL_PROGRAM = struct.pack("@HP", 1, _DROP_ALL.buffer_info()[0])  # struct sock_fprog


class AddressInUse(LinkspanError):
    """A host port is taken by another program; `listener` and `port` say which (Docker's text)."""

    def __init__(self, listener: Listener, port: int) -> None:
        super().__init__(f"failed to bind host port {described(listener, port)}: address already in use")
        self.listener = listener
        self.port = port


def described(listener: Listener, port: int) -> str:
    """Return `0.0.0.0:80/tcp` or `[::]:80/tcp`, as Docker's messages name a host port."""
    host = f"[{listener.host_address}]" if listener.host_address.version == 6 else str(listener.host_address)
    return f"{host}:{port}/{listener.protocol}"


@dataclass(slots=True)
class Reservation:
    """Bound sockets that let nothing in until opened; `listeners` say what they are for, in order.

    Streams do not listen yet, so the kernel refuses every connect; datagrams meet a filter that drops them.
    """

    listeners: tuple[Listener, ...]
    hold_only: bool = False
    sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Let packets through to the sockets; those that only hold a port stay closed to all.

        Raises AddressInUse when another program has begun to listen on a port in the meantime.
        """
        if self.hold_only:
            return
        for (listener, port), held in zip(_ports(self.listeners), self.sockets, strict=True):
            if listener.protocol == "udp":
                held.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
                continue
            try:
                held.listen(BACKLOG)
            except OSError as error:
                raise _explained(listener, port, error) from error

    def close(self) -> None:
        """Close this process's copies of the sockets."""
        for held in self.sockets:
            held.close()
        self.sockets = []


def reserve(listeners: Sequence[Listener], hold_only: bool = False, absent: bool = False) -> Reservation:
    """Bind every port of `listeners` in the calling thread's network namespace, or none.

    With `hold_only` the sockets only keep others off the ports (see `_hold`). With `absent` an address that
    the host does not have is bound all the same, logged, and works once it is there (IP_FREEBIND).

    Raises AddressInUse, or OSError that names the port (no such address, no permission, no SCTP in this
    kernel, too many open files).
    """
    reservation = Reservation(tuple(listeners), hold_only)
    try:
        for listener, port in _ports(listeners):
            reservation.sockets.append(_bound(listener, port, hold_only, absent))
    except BaseException:
        reservation.close()
        raise
    return reservation


def _ports(listeners: Sequence[Listener]) -> Iterator[tuple[Listener, int]]:
    for listener in listeners:
        for port in range(listener.host_port, listener.host_port + listener.count):
            yield listener, port


def _bound(listener: Listener, port: int, hold_only: bool, absent: bool) -> socket.socket:
    try:
        return _bind(listener, port, hold_only, absent)
    except OSError as error:
        # The limit is raised only when it is met: what this process starts inherits it.
        before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if error.errno != errno.EMFILE or raise_descriptor_limit() <= before:
            raise _explained(listener, port, error) from error
    try:
        return _bind(listener, port, hold_only, absent)
    except OSError as error:
        raise _explained(listener, port, error) from error


def _explained(listener: Listener, port: int, error: OSError) -> Exception:
    """Return the error that names the host port."""
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(listener, port)
    return OSError(error.errno, _refusal(listener, port, error))


def _refusal(listener: Listener, port: int, error: OSError) -> str:
    text = f"failed to bind host port {described(listener, port)}: {(error.strerror or '').lower()}"
    if error.errno == errno.EMFILE:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"{text} (limit of open files: {limit}; raise it with ulimit -n or LimitNOFILE=)"
    if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
        return f"{text} (this kernel has no {listener.protocol.upper()})"
    return text


def _bind(listener: Listener, port: int, hold_only: bool, absent: bool) -> socket.socket:
    family = socket.AF_INET6 if listener.host_address.version == 6 else socket.AF_INET
    kind, protocol = KINDS[listener.protocol]
    made = socket.socket(family, kind, protocol)
    try:
        if hold_only or kind == DATAGRAMS:
            made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _DROP_ALL_PROGRAM)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _prepare(made, listener)
        try:
            made.bind((_text(listener.host_address), port))
        except OSError as error:
            if not absent or error.errno != errno.EADDRNOTAVAIL:
                raise
            _bind_ahead(made, listener, port)
        if hold_only and kind == STREAM:
            made.listen(BACKLOG)
            _hold(made)
    except BaseException:
        made.close()
        raise
    return made


def _bind_ahead(made: socket.socket, listener: Listener, port: int) -> None:
    """Bind to an address that the host has not got; it works from the moment when it has."""
    made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)  # IPv6 sockets obey it, too
    made.bind((_text(listener.host_address), port))
    log.warning(
        "this host has no address %s: %s is published as soon as it has",
        listener.host_address,
        described(listener, port),
    )


@lru_cache(256)
def _text(address: Address) -> str:
    """A thousand ports have a few addresses, and writing one takes longer than finding it."""
    return str(address)


def _prepare(made: socket.socket, listener: Listener) -> None:
    if listener.protocol == "tcp":  # accepted sockets inherit these: no system call per connection
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    elif listener.protocol == "udp":
        _prepare_datagrams(made, listener)


def _prepare_datagrams(made: socket.socket, listener: Listener) -> None:
    with contextlib.suppress(PermissionError):
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE)
    if listener.host_address.is_unspecified:  # the reply must leave from the address that the client wrote to
        if listener.host_address.version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _hold(made: socket.socket) -> None:
    """Stop listening but stay bound, so that a connect is refused while nobody else can take the port.

    Having listened makes the kernel forget that the port was shared (fastreuse of the bind bucket), and
    without SO_REUSEADDR on our socket no later bind passes the conflict check (inet_csk_get_port).
    """
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    made.shutdown(socket.SHUT_RDWR)
