"""Programs that are asked, and what is said when they cannot answer."""

from __future__ import annotations

import pytest

from linkspan.insight import programs
from linkspan.insight.programs import printed
from linkspan.model.errors import LinkspanError


def test_what_a_program_prints():
    assert printed("echo", "a", "b") == "a b\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-program",), "the program no-such-program is needed for this: install it"),
        (("sh", "-c", "echo wrong >&2; exit 3"), "sh -c echo wrong >&2; exit 3: wrong"),
        (("false",), "false: exit code 1"),
    ],
)
def test_failures_name_the_program(argv, words):
    with pytest.raises(LinkspanError, match=words.replace(">", ".")):
        printed(*argv)


def test_a_program_that_does_not_end(monkeypatch):
    monkeypatch.setattr(programs, "PATIENCE", 0.05)
    with pytest.raises(LinkspanError, match=r"sleep 5: .* timed out"):
        printed("sleep", "5")
