"""`docker top`: ps's table, cut to the processes of one container."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection

from linkspan.model.errors import InvalidParameter, LinkspanError


def processes(pids: Collection[int], ps_args: str = "") -> tuple[list[str], list[list[str]]]:
    """Run ps with `ps_args` ("-ef" by default); return its titles and the rows of `pids`.

    Raises InvalidParameter when ps refuses the arguments, LinkspanError when there is no ps.
    """
    program = shutil.which("ps")
    if program is None:
        raise LinkspanError("ps is not installed: install the Debian package 'procps'")
    done = subprocess.run([program, *(ps_args or "-ef").split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InvalidParameter(f"ps: {done.stderr.strip() or 'failed'}")
    return cut(done.stdout, pids)


def cut(output: str, pids: Collection[int]) -> tuple[list[str], list[list[str]]]:
    """Return the titles and the rows whose PID is in `pids`; raises InvalidParameter without a PID column.

    As in Docker (daemon/top_unix.go) a thread's row, whose PID is "-", goes with the process above it.
    """
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidParameter("Couldn't find PID field in ps output")
    column, rows, kept = titles.index("PID"), [], False
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) <= column:
            continue
        if fields[column] != "-":
            kept = fields[column].isdecimal() and int(fields[column]) in pids
        if kept:
            rows.append(fields)
    return titles, rows
