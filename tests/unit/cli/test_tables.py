"""Tables, ages, sizes and ports as docker prints them."""

from __future__ import annotations

import pytest

from linkspan.cli import tables


def test_columns_are_as_wide_as_their_widest_cell():
    assert (
        tables.table(("A", "LONG"), [("1", "2"), ("wide one", "")])
        == "A          LONG\n1          2\nwide one"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (45, "45 seconds"),
        (60, "About a minute"),
        (185, "3 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (3 * 86400, "3 days"),
        (21 * 86400, "3 weeks"),
        (120 * 86400, "4 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_in_dockers_words(seconds, words):
    assert tables.duration(seconds) == words


def test_ago():
    assert tables.ago(100, now=105) == "5 seconds ago"


@pytest.mark.parametrize(("amount", "text"), [(0, "0B"), (1999, "2kB"), (4_430_000, "4.43MB"), (2e12, "2TB")])
def test_sizes(amount, text):
    assert tables.size(amount) == text


def port(private, public=None, ip="", kind="tcp"):
    found = {"PrivatePort": private, "Type": kind}
    if public is not None:
        found.update(PublicPort=public, IP=ip)
    return found


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        ([], ""),
        ([port(80)], "80/tcp"),
        ([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        ([port(n, n, "0.0.0.0") for n in (8002, 8000, 8001)], "0.0.0.0:8000-8002->8000-8002/tcp"),
        ([port(9000 + n, 8000 + n, "0.0.0.0") for n in range(3)], "0.0.0.0:8000-8002->9000-9002/tcp"),
        ([port(80), port(81), port(83)], "80-81/tcp, 83/tcp"),
    ],
)
def test_ports(listed, text):
    assert tables.ports(listed) == text


def test_short_cut_and_time():
    assert tables.short("sha256:0123456789abcdef") == "0123456789ab"
    assert tables.short("0123456789abcdef", False) == "0123456789abcdef"
    assert tables.cut("abcdef", 4) == "abc…"
    assert tables.cut("abcdef", 4, False) == "abcdef"
    assert tables.unix_time("1970-01-01T00:01:00.5Z") == 60.5
