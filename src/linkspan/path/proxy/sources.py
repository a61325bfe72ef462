"""Who may use a port, asked of the peer's address: for what the packet filter leaves to the proxy.

Imports next to nothing, as all that the proxy process imports.
"""

from __future__ import annotations

import _socket

Network = tuple[int, int, int]  # bytes of an address, the address as a number, bits that are free
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Sources:
    """The subnets that may connect; the host itself always may."""

    def __init__(self, text: str) -> None:
        """`text` is subnets with commas between them; "" lets everybody in."""
        self.restricted = bool(text)
        self._networks = [_network(each) for each in text.split(",") if each]

    def admit(self, peer: str, local: str) -> bool:
        """Tell whether `peer` may talk to our address `local`; both are as the kernel writes them.

        Who has the address that it talks to is the host itself.
        """
        if not self.restricted:
            return True
        address = _packed(peer)
        if (
            address == _packed(local)
            or (address[0] == 127 and len(address) == 4)
            or address == b"\0" * 15 + b"\1"
        ):
            return True
        number = int.from_bytes(address, "big")
        return any(
            len(address) == width and number >> free == base >> free for width, base, free in self._networks
        )


def _network(text: str) -> Network:
    address, _, prefix = text.partition("/")
    packed = _packed(address)
    return len(packed), int.from_bytes(packed, "big"), 8 * len(packed) - int(prefix)


def _packed(text: str) -> bytes:
    """Return an address as bytes: without its link, and IPv4 as such."""
    if ":" not in text:
        return _socket.inet_pton(_socket.AF_INET, text)
    packed = _socket.inet_pton(_socket.AF_INET6, text.partition("%")[0])
    return packed[12:] if packed[:12] == _MAPPED else packed
