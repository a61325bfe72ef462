"""Frames and detach keys."""

from __future__ import annotations

import pytest

from linkspan.engine.streams import STDERR, DetachKeys, detach_sequence, frame
from linkspan.model.errors import InvalidParameter


def test_frame() -> None:
    assert frame(STDERR, b"abc") == b"\x02\0\0\0\0\0\0\x03abc"


@pytest.mark.parametrize(
    ("text", "keys"), [("", b"\x10\x11"), ("ctrl-p,ctrl-q", b"\x10\x11"), ("a,ctrl-[", b"a\x1b"), ("@", b"@")]
)
def test_sequences(text: str, keys: bytes) -> None:
    assert detach_sequence(text) == keys


@pytest.mark.parametrize("text", ["ctrl-1", "abc", "ctrl-"])
def test_sequences_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="Invalid detach keys"):
        detach_sequence(text)


def test_keys_are_recognised_across_reads() -> None:
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"ab\x10") == (b"ab", False)
    assert keys.feed(b"\x11cd") == (b"", True)


def test_what_only_looked_like_the_keys_is_passed_on() -> None:
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"\x10x\x10\x10") == (b"\x10x\x10", False)
    assert keys.feed(b"\x11") == (b"", True)
