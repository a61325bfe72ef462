"""Programs that are missing, refuse, or are of one variant or the other: with stand-ins on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkspan.firewall import programs
from linkspan.firewall.programs import Programs, RestoreFailed
from linkspan.firewall.render.restore import Section
from linkspan.model.errors import KernelError, LinkspanError

SECTIONS = [
    Section("raw", ("-A PREROUTING -j DROP",)),
    Section("nat", ("-A DOCKER -j ONE", "-A DOCKER -j TWO")),
]


def install(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path, "iptables", "echo 'iptables v1.8.9 (nf_tables)'")
    install(tmp_path, "ip6tables", "echo 'ip6tables v1.8.9 (legacy)'")
    install(tmp_path, "iptables-save", "printf '*nat\\n:DOCKER - [0:0]\\n-A DOCKER -j ONE\\nCOMMIT\\n'")
    install(tmp_path, "ip6tables-save", "echo 'no memory' >&2; exit 1")
    install(tmp_path, "iptables-restore", f'echo "$@" > {tmp_path}/arguments; tee {tmp_path}/input')
    install(tmp_path, "ip6tables-restore", "echo 'ip6tables-restore: line 6 failed' >&2; exit 1")
    return tmp_path


def test_probe_learns_the_variant(folder: Path) -> None:
    four, six = (Programs(family, str(folder / "iptables")) for family in (4, 6))
    four.probe()
    six.probe()
    assert (four.nf_tables, six.nf_tables) == (True, False)


@pytest.mark.parametrize("name", ["iptables", "iptables-save", "iptables-restore"])
def test_a_missing_program_names_the_package(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(LinkspanError, match=rf"{name} is not installed: install the package iptables"):
        Programs(4, str(folder / "iptables")).probe()


def test_restore_and_save(folder: Path) -> None:
    four = Programs(4, str(folder / "iptables"))
    four.restore(SECTIONS)
    four.close()
    assert (folder / "arguments").read_text() == "--noflush --wait --verbose\n"
    assert (folder / "input").read_text().startswith("*raw\n-A PREROUTING -j DROP\nCOMMIT\n*nat\n")
    assert four.save()["nat"].rules("DOCKER") == ["-j ONE"]


def test_nothing_to_write_starts_nothing(folder: Path) -> None:
    Programs(4, str(folder / "iptables")).restore([Section("nat", ())])
    assert not (folder / "input").exists()


def echoing(folder: Path) -> str:
    """A stand-in that notes its start, echoes its input, and refuses a line with "bad" in it."""
    return (
        f"echo started >> {folder}/starts; n=0\n"
        'while read -r line; do n=$((n+1)); case "$line" in *bad*) echo "line $n failed" >&2; exit 2;; esac\n'
        'echo "$line"; done'
    )


def test_one_process_does_it_all(folder: Path) -> None:
    install(folder, "iptables-restore", echoing(folder))
    four = Programs(4, str(folder / "iptables"))
    for _ in range(3):
        four.restore(SECTIONS)
    assert (folder / "starts").read_text() == "started\n"


def test_a_refusal_after_other_inputs_names_its_own_line(folder: Path) -> None:
    install(folder, "iptables-restore", echoing(folder))
    four = Programs(4, str(folder / "iptables"))
    four.restore(SECTIONS)
    with pytest.raises(RestoreFailed) as caught:
        four.restore([Section("raw", ("-A ONE", "-A bad"))])
    assert (caught.value.line, caught.value.culprit) == (3, "-A bad")
    four.restore(SECTIONS)
    four.close()
    assert (folder / "starts").read_text() == "started\n" * 2


def test_a_long_input_has_a_process_of_its_own(folder: Path) -> None:
    install(folder, "iptables-restore", echoing(folder))
    four = Programs(4, str(folder / "iptables"))
    four.restore(SECTIONS)
    four.restore([Section("nat", ("-A DOCKER -j TWO",) * 3000)])
    four.restore(SECTIONS)
    assert (folder / "starts").read_text() == "started\n" * 2


def test_a_program_that_does_not_echo_comments_is_waited_for(folder: Path) -> None:
    install(folder, "iptables-restore", f"cat > {folder}/input; sleep 0.05; touch {folder}/finished")
    Programs(4, str(folder / "iptables")).restore(SECTIONS)
    assert (folder / "finished").exists()


def test_a_refusal_names_the_line(folder: Path) -> None:
    six = Programs(6, str(folder / "iptables"))
    with pytest.raises(RestoreFailed) as caught:
        six.restore(SECTIONS)
    assert (caught.value.line, caught.value.culprit) == (6, "-A DOCKER -j TWO")
    error = caught.value.kernel_error("adding firewall rules", "; a hint")
    assert str(error) == (
        f"adding firewall rules: {folder}/ip6tables-restore: ip6tables-restore: line 6 failed"
        " (at: -A DOCKER -j TWO); a hint"
    )


def test_a_save_that_fails_is_an_error(folder: Path) -> None:
    with pytest.raises(KernelError, match=r"reading the firewall rules: .*no memory"):
        Programs(6, str(folder / "iptables")).save()


def test_a_restore_that_hangs_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(folder, "iptables-restore", "exec sleep 5")
    monkeypatch.setattr(programs, "TIMEOUT", 0.1)
    with pytest.raises(RestoreFailed, match="gave up after 0 s") as caught:
        Programs(4, str(folder / "iptables")).restore(SECTIONS)
    assert str(caught.value.kernel_error("x")).startswith("x: ")


def test_the_sbin_directories_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LinkspanError, match="iptables-of-nobody is not installed"):
        Programs(4, "iptables-of-nobody").probe()
