"""tcpdump, run in a network namespace: its packets as a stream in the pcap format, as they pass."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator

from linkspan.model.errors import InvalidParameter, LinkspanError, Unavailable

PIECE = 65536
LONGEST = 65535
BUFFER = 32 * 1024
"""KiB."""
MISSING = "tcpdump is not installed where the daemon runs: apt-get install tcpdump"
FATAL = ("syntax error", "can't parse filter", "expression rejected", "illegal", "unknown", "too complex")


def arguments(interface: str, filter: str, count: int) -> list[str]:
    """Return tcpdump's command line: whole packets, at once, to its output; `count` 0 is no limit.

    In immediate mode each packet has a slot as large as the longest one may be: tcpdump's own 2 MiB for
    packets of 256 KiB are eight slots, which a single HTTP request overruns.
    """
    limit = ["-c", str(count)] if count else []
    room = ["--immediate-mode", "-U", "-s", str(LONGEST), "-B", str(BUFFER)]
    wanted = ["--", filter] if filter else []
    return ["tcpdump", "-n", *room, "-i", interface, *limit, "-w", "-", *wanted]


async def capture(sandbox: str, interface: str, filter: str, count: int = 0) -> AsyncIterator[bytes]:
    """Yield a pcap file in pieces, until `count` packets (0: no end) or the generator is closed.

    `sandbox` is the path of a namespace, "" this one. Nothing is yielded before tcpdump listens. Raises
    Unavailable without tcpdump, InvalidParameter for a filter that it refuses, LinkspanError for the rest.
    """
    if shutil.which("tcpdump") is None:
        raise Unavailable(MISSING)
    command = arguments(interface, filter, count)
    if sandbox:
        command = ["nsenter", f"--net={sandbox}", *command]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    try:
        while piece := await process.stdout.read(PIECE):
            yield piece
        await _finish(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _finish(process: Process) -> None:
    """Raise what tcpdump says when it failed; its name in front is left away."""
    assert process.stderr is not None
    said = (await process.stderr.read()).decode(errors="replace")
    if await process.wait() == 0:
        return
    lines = [line.removeprefix("tcpdump: ") for line in said.splitlines() if line.startswith("tcpdump: ")]
    problem = lines[-1] if lines else said.strip()
    if any(word in problem.lower() for word in FATAL):
        raise InvalidParameter(f"tcpdump refuses the filter: {problem} (its language is in pcap-filter(7))")
    raise LinkspanError(f"tcpdump: {problem}")
