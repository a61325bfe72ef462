"""The journal survives the process and forgets what is struck out."""

from __future__ import annotations

from pathlib import Path

from linkspan.firewall.journal import SLACK, Journal
from linkspan.firewall.render.rules import INSERT, Rule

MASQUERADE = Rule(4, "nat", "POSTROUTING", "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", INSERT)
PLAIN = Rule(4, "nat", "POSTROUTING", MASQUERADE.arguments)
CHAIN = Rule(6, "filter", "DOCKER-USER", "")
OWN = Rule(4, "nat", "DOCKER", "-i docker0 -j RETURN")


def test_notes_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path).note([MASQUERADE, MASQUERADE, OWN, CHAIN])
    again = Journal(path)
    assert again.rules(4) == [PLAIN, PLAIN]
    assert again.rules(6) == [CHAIN]
    again.strike([PLAIN, OWN])
    assert Journal(path).rules(4) == [PLAIN]


def test_an_empty_journal_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.note([OWN])
    assert not path.exists()
    journal.note([MASQUERADE])
    assert path.read_text() == "+ 4 nat POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
    journal.strike([MASQUERADE])
    assert list(tmp_path.iterdir()) == []


def test_a_journal_with_nothing_to_tell_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("+ 4 nat POSTROUTING -j T")
    assert Journal(path).rules(4) == []
    assert not path.exists()


def test_a_torn_last_line_and_nonsense_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text(
        "+ 4 nat POSTROUTING -j ONE\nnonsense\n- 4 nat POSTROUTING -j GONE\n+ 4 nat POSTROUTING -j T"
    )
    journal = Journal(path)
    assert [rule.arguments for rule in journal.rules(4)] == ["-j ONE"]
    journal.note([MASQUERADE])
    assert len(Journal(path).rules(4)) == 2


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.note([CHAIN])
    for _ in range(SLACK):
        journal.note([MASQUERADE])
        journal.strike([MASQUERADE])
    assert len(path.read_text().splitlines()) <= SLACK + 4
    assert Journal(path).rules(4) == []
    assert Journal(path).rules(6) == [CHAIN]


def test_without_a_file_it_lives_in_memory() -> None:
    journal = Journal(None)
    journal.note([MASQUERADE])
    assert journal.rules(4) == [PLAIN]
