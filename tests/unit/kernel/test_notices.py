"""Which notifications of the kernel may mean a loss."""

import struct

import pytest

from linkspan.kernel import wire
from linkspan.kernel.notices import Change, losses


def link(up):
    return struct.pack("=BxHiII", 0, 1, 7, 1 if up else 0, 0)


@pytest.mark.parametrize(
    ("kind", "body", "meaning"),
    [
        (16, link(up=True), []),
        (16, link(up=False), [Change.LINKS]),
        (17, link(up=True), [Change.LINKS]),
        (21, b"", [Change.ADDRESSES]),
        (24, b"", [Change.ROUTES]),
        (10 << 8 | 6, b"", []),
        (10 << 8 | 8, b"", [Change.RULES]),
        (10 << 8 | 2, b"", [Change.RULES]),
    ],
)
def test_what_a_notification_may_mean(kind, body, meaning):
    assert list(losses(wire.message(kind, 0, 0, body))) == meaning


def test_a_notification_that_was_cut_off_may_mean_rules():
    assert list(losses(wire.message(1032, 0, 0, b"12345678")[:20])) == [Change.RULES]
