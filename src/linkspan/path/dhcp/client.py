"""Leases of the LAN's DHCP server: one udhcpc process asks, another one keeps the lease until it is released.

The keeper runs in the sandbox's network namespace, outside of the container, and outlives the daemon. What is
known of it are two files named after the endpoint: its pid, and its lease.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Protocol

from linkspan.model.errors import LinkspanError, NotImplementedHere, Unavailable

TRIES = 5
INTERVAL = 2
"""Seconds between two tries; some servers take two seconds to look whether an address is free."""
GRACE = 1000
"""Milliseconds that a keeper gets to go into the background, and to give its lease back."""

#: udhcpc calls this with what has happened. Another address than before replaces it, with its route.
SCRIPT = """\
#!/bin/sh
case $1 in bound | renew) ;; *) exit 0 ;; esac
printf 'ip=%s\\nmask=%s\\nrouter=%s\\n' "$ip" "$mask" "$router" >"$LEASE.new" && mv "$LEASE.new" "$LEASE"
[ -n "$KEPT" ] || exit 0
ip -4 -o addr show dev "$interface" | grep -qF " $ip/" && exit 0
ip -4 route show default dev "$interface" | grep -q . && default=yes
ip -4 addr flush dev "$interface" scope global
ip -4 addr add "$ip/$mask" dev "$interface"
[ -z "$default" ] || [ -z "$router" ] || ip -4 route add default via "${router%% *}" dev "$interface"
"""


class Inside(Protocol):
    """Runs a function in a network namespace (HostKernel.in_sandbox)."""

    def __call__(self, path: str, function: Callable[[], Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Lease:
    """What a server gives: an address with its prefix length, and the router, if it names one."""

    interface: IPv4Interface
    router: IPv4Address | None


class DhcpClient:
    """Asks for leases, keeps and releases them; blocking, for any thread."""

    def __init__(self, directory: Path, inside: Inside) -> None:
        """Keep files in `directory`, which is made when it is needed."""
        self._directory = directory
        self._inside = inside

    def ask(self, owner: str, sandbox: str, link: str, hostname: str) -> Lease:
        """Return the lease that a server offers to the link of a sandbox; it is not kept.

        Raises Unavailable when none answers within 10 seconds, NotImplementedHere without the program.
        """
        path = self._directory / f"{owner}.asked"
        done = self._run(sandbox, path, "", ["-f", "-q", "-n", *_patience(TRIES), *_who(link, hostname)])
        try:
            if done != 0:
                raise Unavailable(
                    f"no DHCP server has given an address within {TRIES * INTERVAL} seconds: is there one on"
                    " this LAN, and does it have free addresses?"
                )
            return _read(path)
        finally:
            path.unlink(missing_ok=True)

    def keep(self, owner: str, sandbox: str, link: str, hostname: str, address: IPv4Address) -> None:
        """Renew the lease of `address` from now on, in the background, whether the server is there or not.

        Raises LinkspanError when the program does not run.
        """
        self._pidfile(owner).unlink(missing_ok=True)
        flags = ["-b", "-R", "-r", str(address), "-p", str(self._pidfile(owner))]
        path = self._directory / f"{owner}.lease"
        code = self._run(sandbox, path, "yes", [*flags, *_patience(3), *_who(link, hostname)])
        deadline = time.monotonic() + GRACE / 1000
        while self._pid(owner) is None:  # it writes its number down once it is in the background
            if code != 0 or time.monotonic() > deadline:
                raise LinkspanError(f"udhcpc does not keep the lease of {address}: it exited with {code}")
            time.sleep(0.002)

    def _run(self, sandbox: str, lease: Path, kept: str, flags: Sequence[str]) -> int:
        environment = {**os.environ, "LEASE": str(lease), "KEPT": kept}
        argv = [*_program(), "-s", str(self._script()), *flags]
        start = partial(
            subprocess.run,
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
        return int(self._inside(sandbox, start).returncode)

    def _script(self) -> Path:
        path = self._directory / "lease.sh"
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_name(f".lease.sh.{os.getpid()}")
            fresh.write_text(SCRIPT)
            fresh.chmod(0o700)
            fresh.rename(path)
        return path

    def _pidfile(self, owner: str) -> Path:
        return self._directory / f"{owner}.pid"

    def keeps(self, owner: str) -> bool:
        """Tell whether the lease of an owner is being kept."""
        return self._pid(owner) is not None

    def owners(self) -> list[str]:
        """Return who has had leases kept, whether their keepers still live or not."""
        return sorted(path.stem for path in self._directory.glob("*.pid"))

    def _pid(self, owner: str) -> int | None:
        """Return the process that keeps a lease, if it lives and is not just a number again."""
        path = self._pidfile(owner)
        try:
            pid = int(path.read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(path) in arguments else None

    def release(self, owner: str) -> None:
        """Give a lease back to the server, while its link is there; one that is not kept is no error."""
        if (pid := self._pid(owner)) is not None:
            _end(pid)
        for suffix in (".pid", ".lease"):
            (self._directory / f"{owner}{suffix}").unlink(missing_ok=True)


def _who(link: str, hostname: str) -> list[str]:
    return ["-i", link, *(["-x", f"hostname:{hostname}"] if hostname else [])]


def _patience(tries: int) -> list[str]:
    return ["-t", str(tries), "-T", str(INTERVAL)]


def _program() -> list[str]:
    for name, argv in (("udhcpc", ["udhcpc"]), ("busybox", ["busybox", "udhcpc"])):
        if (found := shutil.which(name)) is not None:
            return [found, *argv[1:]]
    raise NotImplementedHere(
        "addresses of a DHCP server need the program udhcpc:"
        " install Debian's package busybox-static or udhcpc"
    )


def _read(path: Path) -> Lease:
    try:
        found = dict(line.partition("=")[::2] for line in path.read_text().splitlines())
        routers = found["router"].split()
        return Lease(
            IPv4Interface(f"{found['ip']}/{found['mask']}"), IPv4Address(routers[0]) if routers else None
        )
    except (OSError, KeyError, ValueError) as error:
        raise LinkspanError(f"the DHCP server's answer cannot be used: {error}") from error


def _end(pid: int) -> None:
    """End a keeper: it says so to the server. One that does not end in time is ended without."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not ended.poll(GRACE):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
