"""Running iptables-restore and iptables-save of one address family, the firewall's only processes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import PurePath

from linkspan.firewall.render.restore import Saved, Section, document, failed_line, parse
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
        self.nf_tables = False

    def probe(self) -> None:
        """Find the programs and learn their variant; LinkspanError when they are not installed."""
        self.nf_tables = "(nf_tables)" in self._run([self.binary, "--version"]).stdout
        for part in ("restore", "save"):
            _locate(f"{self.binary}-{part}")

    def save(self) -> Saved:
        """Return all tables of the family as they are."""
        result = self._run([f"{self.binary}-save"])
        if result.returncode:
            raise KernelError(
                "reading the firewall rules", errno.EIO, f"{self.binary}-save: {_words(result.stderr)}"
            )
        return parse(result.stdout)

    def restore(self, sections: Sequence[Section]) -> None:
        """Run `sections`, each atomic in itself, in one process; RestoreFailed names the line that failed."""
        text = document(sections)
        if not text:
            return
        command = [f"{self.binary}-restore", "--noflush", "--wait"]
        try:
            result = self._run(command, text)
        except subprocess.TimeoutExpired as error:
            raise RestoreFailed(command[0], f"gave up after {TIMEOUT:.0f} s", 0, "") from error
        if result.returncode:
            line = failed_line(result.stderr)
            culprit = text.splitlines()[line - 1] if line else ""
            raise RestoreFailed(command[0], _words(result.stderr), line, culprit)

    def _run(self, command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
        program = _locate(command[0])
        environment = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(
            [program, *command[1:]],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            timeout=TIMEOUT,
        )


def _locate(name: str) -> str:
    """A daemon's PATH often lacks the sbin directories, where iptables lives."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise LinkspanError(
            f"{name} is not installed: install the package iptables (apt-get install iptables), "
            "or start the daemon with --iptables=false to run without firewall rules"
        )
    return found


def _words(text: str) -> str:
    return " ".join(text.split()) or "no reason given"
