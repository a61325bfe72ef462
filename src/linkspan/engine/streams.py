"""The wire format of attached output: Docker's multiplexed frames, and the keys that detach (pure)."""

from __future__ import annotations

from linkspan.model.errors import InvalidParameter

STDIN, STDOUT, STDERR, SYSTEM = 0, 1, 2, 3
RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
DEFAULT_KEYS = "ctrl-p,ctrl-q"


def frame(stream: int, data: bytes) -> bytes:
    """Return `data` with Docker's eight byte header: stream, three zeros, big-endian length."""
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def detach_sequence(text: str) -> bytes:
    """Return the bytes of detach keys as "ctrl-p,ctrl-q" or "a,ctrl-[": DEFAULT_KEYS for "".

    Raises InvalidParameter. Source: moby/term ToBytes.
    """
    return bytes(_key(key) for key in (text or DEFAULT_KEYS).split(","))


def _key(key: str) -> int:
    if len(key) == 1 and ord(key) < 128:
        return ord(key)
    letter = key.lower().removeprefix("ctrl-")
    if letter != key.lower() and len(letter) == 1 and letter in "abcdefghijklmnopqrstuvwxyz@[\\]^_":
        return ord(letter.upper()) - ord("@")
    raise InvalidParameter(f"Invalid detach keys ({key}) provided: unknown character: '{key}'")


class DetachKeys:
    """Watches a terminal's input for the detach keys; what only looked like them is passed on."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what to pass on, and whether the keys were complete."""
        passed = bytearray()
        for byte in data:
            if byte == self._sequence[self._matched]:
                self._matched += 1
                if self._matched == len(self._sequence):
                    self._matched = 0
                    return bytes(passed), True
                continue
            passed += self._sequence[: self._matched]
            self._matched = 1 if byte == self._sequence[0] else 0
            if not self._matched:
                passed.append(byte)
        return bytes(passed), False
