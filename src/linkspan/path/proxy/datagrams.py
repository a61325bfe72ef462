"""Relay UDP: a connected socket to the target for each client, kept while it is in use and 90 s longer."""

from __future__ import annotations

import _socket
from collections.abc import Callable

from linkspan.path.proxy.loop import Loop
from linkspan.path.proxy.sources import Sources

IDLE = 90.0  # seconds, as docker-proxy's UDPConnTrackTimeout
SWEEP_INTERVAL = 1.0  # seconds at least between two looks at all sessions
DATAGRAMS_PER_TURN = 64
LARGEST = 65536
IP_PKTINFO = 8  # include/uapi/linux/in.h
ANCILLARY_SPACE = 64  # cmsghdr (16) + in6_pktinfo (20), padded
FLAGS = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC

Ancillary = list[tuple[int, int, bytes]]
Peer = tuple[object, ...]  # a socket address as the kernel gives it: IPv6's carries the link
Key = tuple[Peer, bytes]


class Client:
    """One client's way to the target and back."""

    __slots__ = ("last", "peer", "reply_from", "target")

    def __init__(self, peer: Peer, reply_from: Ancillary, target: _socket.socket, now: float) -> None:
        self.peer = peer
        self.reply_from = reply_from
        self.target = target
        self.last = now


class DatagramDoor:
    """A published UDP port: gives each client (and each of our addresses it writes to) a session."""

    def __init__(self, loop: Loop, sock: _socket.socket, target: tuple[str, int], sources: Sources) -> None:
        self._loop = loop
        self._sources = sources
        self._sock = sock
        self._target = target
        self._family = _socket.AF_INET6 if ":" in target[0] else _socket.AF_INET
        self._clients: dict[Key, Client] = {}
        self._short_of_descriptors = False
        self._buffer = bytearray(LARGEST)
        self._view = memoryview(self._buffer)
        loop.watch(sock.fileno(), self._on_clients)

    def _on_clients(self, _mask: int) -> None:
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                size, ancillary, _flags, peer = self._sock.recvmsg_into([self._buffer], ANCILLARY_SPACE)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP answer to an earlier reply
            client = self._client(peer, ancillary)
            if client:
                client.last = self._loop.now
                _send(client.target.send, self._view[:size])

    def _client(self, peer: Peer, ancillary: Ancillary) -> Client | None:
        arrival = ancillary[0][2] if ancillary else b""
        client = self._clients.get((peer, arrival))
        if client or not self._sources.admit(str(peer[0]), self._local(arrival)):
            return client
        return self._new_client(peer, arrival)

    def _local(self, arrival: bytes) -> str:
        """Return which of our addresses a datagram came to."""
        if len(arrival) == 12:
            return _socket.inet_ntop(_socket.AF_INET, arrival[4:8])
        if len(arrival) == 20:
            return _socket.inet_ntop(_socket.AF_INET6, arrival[:16])
        return str(self._sock.getsockname()[0])

    def _new_client(self, peer: Peer, arrival: bytes) -> Client | None:
        target = self._connected()
        if not target:
            return None
        now = self._loop.now
        client = Client(peer, _reply_from(arrival), target, now)
        self._clients[peer, arrival] = client
        self._loop.watch(target.fileno(), lambda _mask: self._on_target(client))
        self._loop.alarm(self._sweep, now + IDLE)
        return client

    def _connected(self) -> _socket.socket | None:
        while self._clients and self._short_of_descriptors:
            self._forget_oldest()
        try:
            target = _socket.socket(self._family, _socket.SOCK_DGRAM | FLAGS, _socket.IPPROTO_UDP)
        except OSError:
            return None
        self._short_of_descriptors = target.fileno() >= self._loop.ceiling
        if target.connect_ex(self._target):  # no route now: the datagram is lost, as on any network
            target.close()
            return None
        return target

    def _forget_oldest(self) -> bool:
        oldest = min(self._clients.items(), key=lambda item: item[1].last, default=None)
        if oldest:
            self._end(oldest[0])
            self._loop.close_buried()
        return bool(oldest)

    def _on_target(self, client: Client) -> None:
        sendmsg = self._sock.sendmsg
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                size = client.target.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                continue  # ICMP port unreachable: nobody listens in the container now
            client.last = self._loop.now
            _send(sendmsg, [self._view[:size]], client.reply_from, 0, client.peer)

    def _sweep(self, now: float) -> float:
        for key in [key for key, client in self._clients.items() if client.last + IDLE <= now]:
            self._end(key)
        if not self._clients:
            return 0
        return max(min(client.last for client in self._clients.values()) + IDLE, now + SWEEP_INTERVAL)

    def _end(self, key: Key) -> None:
        self._loop.bury(self._clients.pop(key).target)

    def close(self) -> None:
        """Close the port and every session."""
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._loop.silence(self._sweep)
        for key in list(self._clients):
            self._end(key)


def _send(send: Callable[..., object], *arguments: object) -> None:
    """Send a datagram, or lose it: a full queue or an unreachable peer is what UDP users expect."""
    try:
        send(*arguments)
    except OSError:
        return


def _reply_from(arrival: bytes) -> Ancillary:
    """Return the control message that sends a reply from the address a datagram with `arrival` came to.

    `arrival` is the datagram's in_pktinfo (12 bytes) or in6_pktinfo (20), or nothing if the socket is bound
    to one address. The link is kept only for link-local addresses, so that routing
    stays free (ip(7), ipv6(7)).
    """
    if len(arrival) == 12:
        return [(_socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + arrival[4:8] + bytes(4))]
    if len(arrival) == 20:
        link_local = arrival[0] == 0xFE and arrival[1] & 0xC0 == 0x80
        return [
            (_socket.IPPROTO_IPV6, _socket.IPV6_PKTINFO, arrival if link_local else arrival[:16] + bytes(4))
        ]
    return []
