#!/usr/bin/env python3
"""Writes the outputs and pictures of docs/how-it-works.md (and .ko.md) from a run in a throwaway host (root).

The document is the scenario: what its marks say is done, in their order, and what came out is put between
them.

    <!-- run: linkspan map -->            a command on the host, with what it prints
    <!-- run lan: curl … -->              the same at the neighbour of the host
    <!-- file: compose.yaml -->           the text below is a file that the next commands find
    <!-- picture: pictures/map.svg: linkspan map -->   a picture beside the document
    <!-- daemon: --userland-proxy=false -->            the daemon is started again with these flags

Every mark is closed by `<!-- end -->`. Both languages have the same marks. With `--check` nothing is written:
exit code 1 and a diff tell what is out of date.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from linkspan.lab import Lab
from linkspan.lab.lab import docker_command, installed

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENTS = (DOCS / "how-it-works.md", DOCS / "how-it-works.ko.md")
MARK = re.compile(
    r"(<!-- (run|file|picture|daemon)(?: (lan|internet))?: (.+?) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL
)
FENCED = re.compile(r"```\w*\n(.*?)```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One mark of a document: what is to be done, where, and for a file its text."""

    kind: str
    place: str
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run has given: the text of each step that has any, and the pictures by their path in docs/."""

    steps: list[Step]
    texts: list[str | None]
    pictures: dict[str, str]


class StandIns:
    """Stable names in place of those that are other ones in each run, numbered as they first appear."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def replace(self, text: str) -> str:
        """Replace ids, veth names, MAC addresses and counters; the same thing always by the same name."""
        text = re.sub(r"(?<![0-9A-Za-z])([0-9a-f]{64}|[0-9a-f]{12})(?![0-9A-Za-z])", self._id, text)
        text = re.sub(r"\bveth[0-9a-f]{7}\b", self._named("veth", lambda n: f"veth{n:07}"), text)
        mac = r"\b(?!33:33|01:00:5e|00:00:00:00:00:00|ff:ff)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"
        text = re.sub(mac, self._named("mac", lambda n: f"02:00:00:00:00:{n:02x}"), text)
        text = re.sub(r"\[\d+ packets?\]", "[… packets]", text)
        amount = r"\d+(?:\.\d+)?[kMG]?B"
        text = re.sub(rf"(?<= ){amount} +{amount}(?=\s)", "…    …", text)
        return re.sub(r"\bRX +TX\b", "RX   TX", text)

    def _number(self, kind: str, name: str) -> int:
        same_kind = sum(1 for each, _ in self._numbers if each == kind)
        return self._numbers.setdefault((kind, name), same_kind + 1)

    def _id(self, found: re.Match[str]) -> str:
        return f"{self._number('id', found[0][:12]):012}".ljust(len(found[0]), "0")

    def _named(self, kind: str, name: Callable[[int], str]) -> Callable[[re.Match[str]], str]:
        return lambda found: name(self._number(kind, found[0]))


def steps_of(document: str) -> list[Step]:
    """The marks of a document, in their order."""
    found = []
    for _, kind, place, what, body, _ in MARK.findall(document):
        text = FENCED.findall(body)[0] if kind == "file" else ""
        found.append(Step(kind, place or "host", what, text))
    return found


def record(steps: list[Step]) -> Recording:
    """Do all steps in a lab of their own."""
    stand_ins = StandIns()
    texts: list[str | None] = []
    pictures = {}
    with Lab() as lab, tempfile.TemporaryDirectory() as scratch:
        _start_daemon(lab)
        for step in steps:
            text = None
            match step.kind:
                case "file":
                    Path(scratch, step.what).write_text(step.text)
                case "daemon":
                    lab.stop_daemon()
                    _start_daemon(lab, *step.what.split())
                case "picture":
                    path, _, command = step.what.partition(": ")
                    drawing = _shell(lab, "host", f"{command} --format dot", scratch)
                    pictures[path] = _drawn(stand_ins.replace(drawing))
                case _:
                    output = _shell(lab, step.place, step.what, scratch)
                    prompt = "$" if step.place == "host" else f"{step.place}$"
                    text = f"```console\n{prompt} {step.what}\n{_trimmed(stand_ins.replace(output))}```\n"
                    if re.search(r"\b(run|up) -d\b", step.what):
                        _await_servers(lab)
            texts.append(text)
    return Recording(steps, texts, pictures)


def _start_daemon(lab: Lab, *flags: str) -> None:
    """Start the daemon, and let bridges ask no rules: whether they can (br_netfilter) differs by machine."""
    lab.daemon("--live-restore", *flags)
    for family in ("iptables", "ip6tables"):
        lab.run("host", "sysctl", "-q", "-e", "-w", f"net.bridge.bridge-nf-call-{family}=0")


def _shell(lab: Lab, place: str, command: str, directory: str) -> str:
    """Run a line of shell in a place; what it printed."""
    paths = [str(Path(installed("linkspan")).parent), str(Path(docker_command()).parent), os.environ["PATH"]]
    environment = {**lab.client_env, "PATH": ":".join(paths), "COLUMNS": "110", "LANG": "C.UTF-8"}
    line = f"cd {directory}\n{command}"
    return lab.run(place, "bash", "-c", line, env=environment, check=False).both


def _trimmed(text: str) -> str:
    """The text without spaces at the ends of its lines."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _await_servers(lab: Lab) -> None:
    """Wait until every web server of the containers listens."""
    listed = lab.docker("ps", "--no-trunc", "--format", "{{.Names}} {{.Command}}").lines
    for name in [each.split()[0] for each in listed if "httpd" in each]:
        deadline = time.monotonic() + 10
        while "LISTEN" not in lab.docker("exec", name, "netstat", "-ltn").out:
            if time.monotonic() > deadline:
                raise SystemExit(f"the web server of {name} does not listen")
            time.sleep(0.05)


def _drawn(drawing: str) -> str:
    """The picture of a drawing in Graphviz' language, as `linkspan map --format svg` draws it."""
    done = subprocess.run(["dot", "-Tsvg"], input=drawing, capture_output=True, text=True, check=True)
    return done.stdout


def filled(document: str, recording: Recording) -> str:
    """The document with what the run has given between its marks.

    Raises ValueError when its marks are others than those that were recorded.
    """
    if steps_of(document) != recording.steps:
        raise ValueError("the marks of the languages differ")
    texts = iter(recording.texts)

    def fill(found: re.Match[str]) -> str:
        text = next(texts)
        return found[0] if text is None else f"{found[1]}{text}{found[6]}"

    return MARK.sub(fill, document)


def words_of(picture: str) -> list[str]:
    """What a picture says: its titles and texts. Where they stand depends on the fonts of the machine."""
    return re.findall(r"<(?:title|text)[^>]*>([^<]*)<", picture)


def differences(recording: Recording, documents: dict[Path, str]) -> str:
    """A diff of what is out of date in the documents and their pictures; empty when nothing is."""
    found: list[str] = []
    for path, text in documents.items():
        found += _diff(path, text.splitlines(), filled(text, recording).splitlines())
    for name, picture in recording.pictures.items():
        path = DOCS / name
        old = words_of(path.read_text()) if path.exists() else []
        found += _diff(path, old, words_of(picture))
    return "\n".join(found)


def _diff(path: Path, old: list[str], new: list[str]) -> list[str]:
    return list(difflib.unified_diff(old, new, f"{path.name} as it is", "as it would be", lineterm="", n=1))


def main() -> int:
    """Write the documents anew, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when something is out of date"
    )
    check = parser.parse_args().check
    documents = {path: path.read_text() for path in DOCUMENTS}
    recording = record(steps_of(documents[DOCUMENTS[0]]))
    if not check:
        for path, text in documents.items():
            path.write_text(filled(text, recording))
        for name, picture in recording.pictures.items():
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(picture)
        return 0
    if difference := differences(recording, documents):
        print(difference)
        print("out of date: run scripts/how_it_works.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
