from __future__ import annotations

from pathlib import Path

import pytest

from linkspan.firewall import choice
from linkspan.firewall.choice import MovingFirewall, choose
from linkspan.model.errors import LinkspanError


class Noted:
    """Notes what it is asked, in a list that several share."""

    def __init__(self, name: str, calls: list[str], error: str = "") -> None:
        self.name, self._calls, self._error = name, calls, error

    def _note(self, word: str) -> None:
        self._calls.append(f"{self.name} {word}")

    def start(self, facts: object = ()) -> None:
        self._note(f"start {facts}")

    def add(self, facts: object) -> None:
        self._note(f"add {facts}")

    def remove(self, facts: object) -> None:
        self._note(f"remove {facts}")

    def stop(self) -> None:
        self._note("stop")
        if self._error:
            raise LinkspanError(self._error)

    def heal(self) -> bool:
        return True

    def obstacles(self) -> list[str]:
        return [self.name]


@pytest.mark.parametrize(
    ("backend", "installed", "name"),
    [
        ("auto", True, "iptables"),
        ("auto", False, "nftables"),
        ("iptables", False, "iptables"),
        ("nftables", True, "nftables"),
    ],
)
def test_auto_is_iptables_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str, installed: bool, name: str
) -> None:
    monkeypatch.setattr(choice, "installed", lambda: installed)
    assert choose(backend, tmp_path / "journal").name == name


def test_the_new_one_starts_before_the_former_one_goes() -> None:
    calls: list[str] = []
    firewall = MovingFirewall(Noted("new", calls), Noted("former", calls))
    firewall.start(("a",))
    assert calls == ["new start ('a',)", "former stop"]


def test_everything_else_goes_to_the_new_one() -> None:
    calls: list[str] = []
    firewall = MovingFirewall(Noted("new", calls), None)
    firewall.start()
    firewall.add(("a",))
    firewall.remove(("a",))
    firewall.stop()
    assert calls == ["new start ()", "new add ('a',)", "new remove ('a',)", "new stop"]
    assert firewall.heal() and firewall.obstacles() == ["new"] and firewall.name == "new"


def test_what_cannot_be_removed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    MovingFirewall(Noted("new", []), Noted("former", [], "iptables is not installed")).start()
    assert "rules of the former backend may be left: iptables is not installed" in caplog.text
