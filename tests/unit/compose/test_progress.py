"""How progress looks, on a terminal and off it."""

from __future__ import annotations

import io

from linkspan.compose.progress import Lines, Live, Quiet, progress
from linkspan.compose.steps import Step

STEP = Step("create:a", "Container shop-a-1", "Creating", "Created")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_which_one():
    assert isinstance(progress(io.StringIO()), Lines)
    assert isinstance(progress(Terminal(), plain=True), Lines)
    assert isinstance(progress(Terminal(), quiet=True), Quiet)
    live = progress(Terminal())
    assert isinstance(live, Live)
    live.close()


def test_lines():
    output = io.StringIO()
    shown = Lines(output)
    shown.begin(STEP)
    shown.end(STEP)
    shown.fail(STEP, "no\nmore")
    shown.close()
    assert output.getvalue().splitlines() == [
        " Container shop-a-1  Creating",
        " Container shop-a-1  Created",
        " Container shop-a-1  Error no",
    ]


def test_a_silent_step_has_no_line():
    output = io.StringIO()
    shown = Lines(output)
    shown.begin(Step("x", "Container a", "", ""))
    shown.end(Step("x", "Container a", "", ""))
    assert output.getvalue() == ""


def test_the_living_block(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    output = Terminal()
    shown = Live(output)
    shown.begin(STEP)
    shown.end(STEP)
    shown.begin(Step("start:a", "Container shop-a-1", "Starting", "Started"))
    shown.fail(Step("start:a", "Container shop-a-1", "Starting", "Started"), "broken")
    shown.begin(Step("n", "Network shop_default", "Creating", "Created"))
    shown.end(Step("n", "Network shop_default", "Creating", "Created"))
    shown.close()
    last = output.getvalue().rpartition("[+] Running")[2]
    assert last.startswith(" 2/2")
    assert "✘" in last and "Error broken" in last
    assert "✔" in last and "Network shop_default  " in last


def test_a_block_higher_than_the_terminal_shows_its_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "6")
    output = Terminal()
    shown = Live(output)
    for number in range(20):
        step = Step(str(number), f"Container c{number}", "Creating", "Created")
        shown.begin(step)
        shown.end(step)
    shown.close()
    last = output.getvalue().rpartition("[+] Running")[2]
    assert last.count("\n") <= 6
    assert "c19" in last
