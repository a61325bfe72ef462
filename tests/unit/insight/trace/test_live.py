"""What is read of the kernel's own trace."""

from __future__ import annotations

import pytest

from linkspan.insight.trace.live import expected, first_packet

LINES = (
    "trace id a1 ip raw PREROUTING policy accept",
    "trace id a1 ip filter FORWARD rule accept (verdict accept)",
    "trace id b2 ip nat POSTROUTING policy accept",
    "trace id c3 ip raw PREROUTING policy accept",
    "trace id c3 ip filter FORWARD rule accept (verdict accept)",
)


def test_the_first_packet_ends_where_the_next_begins():
    assert first_packet(LINES) == LINES[:3]
    assert first_packet(()) == ()


@pytest.mark.parametrize(
    ("verdict", "protocol", "rejected", "proxied", "outcomes"),
    [
        ("arrives", "tcp", False, False, ("answered",)),
        ("arrives", "udp", False, False, ("answered", "no answer")),
        ("stopped", "tcp", False, False, ("no answer", "no route")),
        ("stopped", "tcp", True, False, ("refused", "no route")),
        ("refused", "tcp", False, False, ("refused", "no route")),
        ("refused", "tcp", False, True, ("answered",)),
    ],
)
def test_what_agrees(verdict, protocol, rejected, proxied, outcomes):
    assert expected(verdict, protocol, rejected=rejected, proxied=proxied) == outcomes
