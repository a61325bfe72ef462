"""Lines of several containers."""

from __future__ import annotations

from linkspan.compose.prefixes import Prefixes, sorted_lines


def test_names_are_short_and_aligned():
    shown = Prefixes("shop", ["shop-web-1", "shop_db_1", "other"], colours=False)
    assert shown.line("shop-web-1", b"x") == b"web-1  | x\n"
    assert shown.line("shop_db_1", b"x") == b"db_1   | x\n"
    assert shown.line("other", b"x") == b"other  | x\n"


def test_colours_and_none():
    assert Prefixes("s", ["s-a-1"], colours=True).line("s-a-1", b"x").startswith(b"\033[36ma-1  | \033[0m")
    assert Prefixes("s", ["s-a-1"], colours=False, shown=False).line("s-a-1", b"x") == b"x\n"


def test_lines_come_in_the_order_of_time():
    one = [("a", 1, b"2026-01-01T00:00:01Z x"), ("a", 1, b"2026-01-01T00:00:03Z y")]
    two = [("b", 2, b"2026-01-01T00:00:02Z z")]
    assert [line.split()[1] for _, _, line in sorted_lines([one, two])] == [b"x", b"z", b"y"]
