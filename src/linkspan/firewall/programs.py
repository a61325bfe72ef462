"""Running iptables-restore and iptables-save of one address family, the firewall's only processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path, PurePath

from linkspan.firewall.render.restore import Saved, Section, document, failed_line, parse
from linkspan.firewall.stream import DONE, LIMIT, Stream
from linkspan.model.errors import KernelError, LinkspanError

TIMEOUT = 120.0
"""Seconds after which a restore that waits for another program's lock is given up."""


class RestoreFailed(Exception):
    """iptables-restore refused its input at line `line` (0: unknown) with `complaint`."""

    def __init__(self, program: str, complaint: str, line: int, culprit: str) -> None:
        super().__init__(f"{program}: {complaint}")
        self.program = program
        self.complaint = complaint
        self.line = line
        self.culprit = culprit

    def kernel_error(self, attempt: str, hint: str = "") -> KernelError:
        """Return the error for the user: what was tried, the rule that failed, the program's own words."""
        where = f" (at: {self.culprit})" if self.culprit else ""
        number = errno.ETIMEDOUT if self.complaint.startswith("gave up") else errno.EINVAL
        return KernelError(attempt, number, f"{self.program}: {self.complaint}{where}{hint}")


class Programs:
    """The iptables programs of `family` (4 or 6) in the variant `binary`, as "iptables" or "iptables-legacy".

    They act on the network namespace of the calling thread.
    """

    def __init__(self, family: int, binary: str = "iptables") -> None:
        path = PurePath(binary)
        name = path.name if family == 4 else path.name.replace("iptables", "ip6tables", 1)
        self.binary = str(path.with_name(name))
        self.family = family
        self.nf_tables = False
        self._stream: Stream | None = None

    def probe(self) -> None:
        """Find the programs and learn their variant; LinkspanError when they are not installed."""
        self.nf_tables = "(nf_tables)" in self._run([self.binary, "--version"]).stdout
        for part in ("restore", "save"):
            _locate(f"{self.binary}-{part}")

    def has_table(self, name: str) -> bool:
        """Tell whether the kernel has this table of iptables-legacy; asking makes none, as saving would."""
        names = Path(f"/proc/thread-self/net/ip{'6' if self.family == 6 else ''}_tables_names")
        return names.exists() and name in names.read_text().split()

    def save(self) -> Saved:
        """Return all tables of the family as they are."""
        result = self._run([f"{self.binary}-save"])
        if result.returncode:
            raise KernelError(
                "reading the firewall rules", errno.EIO, f"{self.binary}-save: {_words(result.stderr)}"
            )
        return parse(result.stdout)

    def restore(self, sections: Sequence[Section]) -> None:
        """Run `sections`, each atomic in itself, in one go; RestoreFailed names the line that failed.

        Returns when the last COMMIT is done. The process stays for the next time (see stream.py), except
        after an input too long for a pipe: it may end later, while the kernel frees what was deleted.
        """
        text = document(sections)
        if not text:
            return
        program = f"{self.binary}-restore"
        argv = [_locate(program), "--noflush", "--wait", "--verbose"]
        long = len(text) > LIMIT
        stream = Stream(argv, _environment(), text + DONE) if long else self._standing(argv)
        ended = stream.run(text + DONE, TIMEOUT)
        if long:
            threading.Thread(target=stream.end, daemon=True).start()
        if ended is None:
            return
        line = max(failed_line(ended.complaint) - ended.lines, 0)
        culprit = " ".join(text.splitlines()[line - 1 : line]) if line else ""
        killed = ended.code == -signal.SIGKILL
        words = f"gave up after {TIMEOUT:.0f} s" if killed else _words(ended.complaint)
        raise RestoreFailed(program, words, line, culprit)

    def close(self) -> None:
        """End the process that stays for the next change, if there is one."""
        if self._stream is not None:
            self._stream.end()
            self._stream = None

    def _standing(self, argv: Sequence[str]) -> Stream:
        """Return the process that stays, a new one if it cannot be used here."""
        if self._stream is None or not self._stream.is_usable():
            former, self._stream = self._stream, Stream(argv, _environment())
            if former is not None:
                threading.Thread(target=former.end, daemon=True).start()
        return self._stream

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        argv = [_locate(command[0]), *command[1:]]
        try:
            return subprocess.run(argv, capture_output=True, text=True, env=_environment(), timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise KernelError(f"running {command[0]}", errno.ETIMEDOUT, str(error)) from error


def installed() -> bool:
    """Tell whether the iptables programs are there."""
    return _found("iptables-restore") is not None


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _locate(name: str) -> str:
    found = _found(name)
    if found is None:
        raise LinkspanError(
            f"{name} is not installed: install the package iptables (apt-get install iptables), "
            "or start the daemon with --iptables=false to run without firewall rules"
        )
    return found


def _found(name: str) -> str | None:
    """A daemon's PATH often lacks the sbin directories, where iptables lives."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(name, path=path)


def _words(text: str) -> str:
    return " ".join(text.split()) or "no reason given"
