"""The table of host sockets that the proxy holds, and what stands behind each of them."""

from __future__ import annotations

import _socket
import errno

from linkspan.path.proxy.datagrams import DatagramDoor
from linkspan.path.proxy.loop import Loop
from linkspan.path.proxy.sources import Sources
from linkspan.path.proxy.streams import RESET_ON_CLOSE, Session, Streams
from linkspan.path.proxy.wire import Entry, singles

ACCEPTS_PER_TURN = 16
IPPROTO_SCTP = 132
PROTOCOLS = {"tcp": _socket.IPPROTO_TCP, "sctp": IPPROTO_SCTP, "udp": _socket.IPPROTO_UDP}
SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
STREAM = _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC

Key = tuple[str, str, int]  # protocol, host address, host port
Target = tuple[str, int]


class HeldDoor:
    """A socket that only keeps others off its port."""

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock

    def close(self) -> None:
        """Free the port."""
        self._sock.close()


class StreamDoor:
    """A published TCP or SCTP port: accepts, connects to the target, and owns the sessions that follow."""

    def __init__(
        self, streams: Streams, sock: _socket.socket, protocol: str, target: Target, sources: Sources
    ) -> None:
        self._sources = sources
        self._streams = streams
        self._sock = sock
        self._protocol = PROTOCOLS[protocol]
        self._spliced = protocol == "tcp"
        self._family = sock.family
        self._target = target
        self._target_family = _socket.AF_INET6 if ":" in target[0] else _socket.AF_INET
        self._sessions: set[Session] = set()
        streams.loop.watch_door(sock.fileno(), self._on_connection)

    def _on_connection(self, _mask: int) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                descriptor, peer = self._sock._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORTAGE:
                    self._streams.loop.shut_doors()
                    return
                continue  # the client has gone meanwhile
            client = _socket.socket(self._family, _socket.SOCK_STREAM, self._protocol, descriptor)
            client.setblocking(False)
            if not self._sources.restricted or self._sources.admit(peer[0], client.getsockname()[0]):
                self._relay(client)
            else:
                _reset(client)
            if descriptor >= self._streams.loop.ceiling:
                self._streams.loop.shut_doors()
                return

    def _relay(self, client: _socket.socket) -> None:
        try:
            target = self._dialled()
        except OSError as error:
            _reset(client)
            if error.errno in SHORTAGE:
                self._streams.loop.shut_doors()
            return
        self._sessions.add(Session(self._streams, client, target, self._spliced, self._sessions.discard))

    def _dialled(self) -> _socket.socket:
        target = _socket.socket(self._target_family, STREAM, self._protocol)
        if self._spliced:
            target.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        error = target.connect_ex(self._target)
        if error not in (0, errno.EINPROGRESS):
            target.close()
            raise OSError(error, "connect")
        return target

    def close(self) -> None:
        """Free the port at once: sessions are reset, so that nothing lingers on it (no TIME_WAIT)."""
        self._streams.loop.forget_door(self._sock.fileno())
        self._sock.close()
        for session in list(self._sessions):
            session.close(reset=True)


def _reset(client: _socket.socket) -> None:
    client.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, RESET_ON_CLOSE)
    client.close()


Door = HeldDoor | StreamDoor | DatagramDoor


class Doors:
    """All host sockets of this process, by protocol, host address and port."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._streams = Streams(loop)
        self._doors: dict[Key, Door] = {}
        self._entries: dict[Key, Entry] = {}
        self._descriptors: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._doors)

    def add(self, entries: list[Entry], descriptors: list[int], relay: bool) -> None:
        """Take over `descriptors`, bound sockets, one for each port of `entries`.

        Raises ValueError when their numbers differ or a port is held already; then none is taken.
        """
        ports = [port for entry in entries for port in singles(entry)]
        if len(ports) != len(descriptors):
            raise ValueError(f"{len(ports)} ports came with {len(descriptors)} sockets")
        held = [entry for entry in ports if entry[:3] in self._doors]
        if held:
            raise ValueError("already held: {} {} {}".format(*held[0][:3]))
        for entry, descriptor in zip(ports, descriptors, strict=True):
            self._entries[entry[:3]] = entry
            self._descriptors[entry[:3]] = descriptor
            self._doors[entry[:3]] = self._door(entry, descriptor, relay)

    def _door(self, entry: Entry, descriptor: int, relay: bool) -> Door:
        protocol, host, _port, target, target_port, _count, sources = entry
        family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
        kind = _socket.SOCK_DGRAM if protocol == "udp" else _socket.SOCK_STREAM
        sock = _socket.socket(family, kind, PROTOCOLS[protocol], descriptor)
        if not relay:
            return HeldDoor(sock)
        if protocol == "udp":
            return DatagramDoor(self._loop, sock, (target, target_port), Sources(sources))
        return StreamDoor(self._streams, sock, protocol, (target, target_port), Sources(sources))

    def close(self, entries: list[Entry]) -> None:
        """Close the ports of `entries` and all that runs through them; unknown ones are fine."""
        for entry in entries:
            for protocol, host, port, *_ in singles(entry):
                door = self._doors.pop((protocol, host, port), None)
                if door:
                    del self._entries[protocol, host, port]
                    del self._descriptors[protocol, host, port]
                    door.close()
        self._loop.close_buried()

    def close_all(self) -> None:
        """Close every port."""
        self.close(self.listed())

    def listed(self) -> list[Entry]:
        """Return an entry for each port, in the order they came."""
        return list(self._entries.values())

    def lent(self, relay: bool) -> list[Entry]:
        """Return an entry for each port that is relayed, or only held."""
        return [
            entry for key, entry in self._entries.items() if relay != isinstance(self._doors[key], HeldDoor)
        ]

    def descriptors(self, entries: list[Entry]) -> list[int]:
        """Return the sockets of `entries`, one port each."""
        return [self._descriptors[entry[:3]] for entry in entries]
