"""A real packet on the same way, and what the kernel itself says of it (nft monitor trace).

While it runs there is a table of our own, `inet linkspan_trace`, which marks exactly this packet for tracing;
it is gone afterwards. Rules of iptables-legacy do not appear in the kernel's trace.
"""

from __future__ import annotations

import errno
import re
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from linkspan.insight.trace.packet import Packet
from linkspan.model.errors import LinkspanError

T = TypeVar("T")
Inside = Callable[[str, Callable[[], T]], T]
TABLE = "linkspan_trace"
PATIENCE = 1.0
"""Seconds until a packet without an answer counts as lost."""
_LINE = re.compile(r"trace id (\w+) (\w+) (\S+) (\S+) (rule|policy|verdict)(.*)")
ANSWERED, REFUSED, SILENT, NO_WAY = "answered", "refused", "no answer", "no route"


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the packet, and the kernel's lines about it on the host."""

    outcome: str
    lines: tuple[str, ...]


def sent(place: str, packet: Packet, inside: Callable[[str, Callable[[], str]], str]) -> Seen:
    """Send the packet from the namespace `place` and watch it on the host; raises LinkspanError."""
    with _watched(packet) as lines:
        outcome = inside(place, lambda: _send(packet))
        time.sleep(0.1)
    return Seen(outcome, first_packet(lines))


def first_packet(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines up to where the next packet of the connection comes by the same place."""
    found: list[str] = []
    for line in lines:
        number, place = line.split()[2], line.split()[3:6]
        if found and place == found[0].split()[3:6] and number != found[0].split()[2]:
            break
        found.append(line)
    return tuple(found)


@contextmanager
def _watched(packet: Packet) -> Iterator[list[str]]:
    """Have the kernel trace the packet; the list is filled at the end."""
    lines: list[str] = []
    _nft(f"add table inet {TABLE}\ndelete table inet {TABLE}\n{_marking(packet)}")
    try:
        with subprocess.Popen(
            ["nft", "monitor", "trace"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as monitor:
            time.sleep(0.1)  # it says nothing when it begins to listen
            try:
                yield lines
            finally:
                monitor.terminate()
                output, _ = monitor.communicate(timeout=5)
                lines += [line for line in output.splitlines() if _LINE.match(line) and TABLE not in line]
    finally:
        _nft(f"delete table inet {TABLE}")


def _marking(packet: Packet) -> str:
    family = "ip" if packet.version == 4 else "ip6"
    test = f"{family} daddr {packet.destination}"
    if packet.protocol == "icmp":
        test += f" meta l4proto {'icmp' if packet.version == 4 else 'ipv6-icmp'}"
    else:
        test += (
            f" {packet.protocol} sport {packet.source_port} {packet.protocol} dport {packet.destination_port}"
        )
    return f"""table inet {TABLE} {{
    chain prerouting {{ type filter hook prerouting priority -400; {test} meta nftrace set 1; }}
    chain output {{ type filter hook output priority -400; {test} meta nftrace set 1; }}
}}"""


def _nft(text: str) -> None:
    try:
        done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LinkspanError("trace --live needs the program nft: apt-get install nftables") from error
    if done.returncode:
        raise LinkspanError(f"the kernel cannot trace packets: {done.stderr.strip()}")


def _send(packet: Packet) -> str:
    """Send the packet with the namespace's own sockets, and say how it was answered."""
    family = socket.AF_INET if packet.version == 4 else socket.AF_INET6
    try:
        if packet.protocol == "tcp":
            return _connect(family, packet)
        if packet.protocol == "udp":
            return _datagram(family, packet)
        return _ping(family, packet)
    except OSError as error:
        if error.errno == errno.ECONNREFUSED:
            return REFUSED
        if error.errno == errno.ECONNRESET:
            return ANSWERED  # taken, and closed at once
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return NO_WAY
        if error.errno in (errno.EPERM, errno.EACCES):
            return SILENT  # a rule of the sender's own namespace dropped it
        raise LinkspanError(f"sending {packet}: {error.strerror}") from error


def _connect(family: int, packet: Packet) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # leave no TIME_WAIT
        client.bind(("", packet.source_port))
        client.settimeout(PATIENCE)
        try:
            client.connect((str(packet.destination), packet.destination_port))
        except TimeoutError:
            return SILENT
        return ANSWERED


def _datagram(family: int, packet: Packet) -> str:
    """UDP need not be answered: only a refusal is certain."""
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.bind(("", packet.source_port))
        client.connect((str(packet.destination), packet.destination_port))
        client.send(b"linkspan trace")
        client.settimeout(PATIENCE / 2)
        try:
            client.recv(1)
        except TimeoutError:
            return SILENT
        return ANSWERED


def _ping(family: int, packet: Packet) -> str:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    request, reply = (8, 0) if family == socket.AF_INET else (128, 129)
    with socket.socket(family, socket.SOCK_RAW, protocol) as client:
        body = bytes([request, 0, 0, 0]) + b"LS\0\1"
        if family == socket.AF_INET:
            total = sum(int.from_bytes(body[n : n + 2]) for n in range(0, len(body), 2))
            body = body[:2] + (~(total + (total >> 16)) & 0xFFFF).to_bytes(2) + body[4:]
        client.sendto(body, (str(packet.destination), 0))
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            if select.select([client], [], [], left)[0]:
                data, (address, *_) = client.recvfrom(512)
                kind = data[20] if family == socket.AF_INET else data[0]
                if kind == reply and address == str(packet.destination):
                    return ANSWERED
        return SILENT


def expected(verdict: str, protocol: str, *, rejected: bool, proxied: bool) -> tuple[str, ...]:
    """Return the outcomes that agree with a computed verdict.

    `proxied`: the proxy takes every connection, and closes it when the container does not take it.
    """
    if verdict == "arrives" or (proxied and protocol == "tcp"):
        return (ANSWERED, SILENT) if protocol == "udp" else (ANSWERED,)
    if verdict == "leaves":
        return (ANSWERED, REFUSED, SILENT, NO_WAY)  # what is beyond this host answers as it likes
    if verdict == "refused" or rejected:
        return (REFUSED, NO_WAY)
    return (SILENT, NO_WAY)
