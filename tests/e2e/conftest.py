"""Labs with a daemon, and the few verbs that the stories are told in."""

from __future__ import annotations

import gc
import json
import re
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from linkspan.lab import Lab, Result, Snapshot

#: A web server that also tells, at /cgi-bin/ip, which address it was asked from.
WEB = """\
mkdir -p /www/cgi-bin
hostname > /www/index.html
printf '#!/bin/sh\\necho\\necho $REMOTE_ADDR\\n' > /www/cgi-bin/ip
chmod 755 /www/cgi-bin/ip
exec httpd -f -h /www -p "0.0.0.0:$0"
"""


class Stage:
    """A lab with a daemon, and what a test does with it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def docker(self, *arguments: str, **options: Any) -> Result:
        """Run the docker command; LabError when it fails."""
        return self.lab.docker(*arguments, **options)

    def fails(self, *arguments: str, **options: Any) -> Result:
        """Run the docker command, which must fail."""
        result = self.lab.docker(*arguments, check=False, **options)
        assert result.code != 0, f"docker {' '.join(arguments)} should have failed\n{result.both}"
        return result

    def host(self, *argv: str, **options: Any) -> Result:
        """Run a command on the host."""
        return self.lab.run("host", *argv, **options)

    def sleeper(self, name: str, *flags: str) -> str:
        """Start a container that does nothing; its id."""
        return self.docker("run", "-d", "--name", name, *flags, "busybox", "sleep", "1000").text

    def web(self, name: str, *flags: str, port: str = "80") -> str:
        """Start a web server (see WEB) and wait until it listens; its id."""
        id = self.docker("run", "-d", "--name", name, *flags, "busybox", "sh", "-c", WEB, port).text
        self.until(
            lambda: (
                self.docker("exec", name, "wget", "-qO-", f"http://127.0.0.1:{port}/", check=False).code == 0
            )
        )
        return id

    def get(self, where: str, url: str, *, timeout: float = 2) -> str:
        """What HTTP answers to a place of the lab; "" when nothing answers within `timeout` seconds."""
        command = ("curl", "-s", "-g", "--max-time", str(timeout), url)
        return self.lab.run(where, *command, check=False).text

    def inside(self, name: str, *argv: str, **options: Any) -> Result:
        """Run a command in a container."""
        return self.docker("exec", name, *argv, **options)

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.docker("inspect", name).out)[0]
        return found

    def address(self, name: str, network: str = "bridge") -> str:
        """A container's IPv4 address on a network."""
        return str(self.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"])

    def network(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.docker("network", "inspect", name).out)[0]
        return found

    def rules(self, table: str, *, family: str = "iptables") -> list[str]:
        """The rules of a table as `-S` prints them, without their comments."""
        lines = self.host(family, "-t", table, "-S").lines
        return [re.sub(r' -m comment --comment ("[^"]*"|\S+)', "", line) for line in lines]

    def veths(self) -> list[str]:
        """The host ends of all containers' links."""
        return re.findall(r"^\d+: (veth\w+)@", self.host("ip", "-o", "link").out, re.MULTILINE)

    def snapshot(self) -> Snapshot:
        return self.lab.snapshot()

    def unchanged_since(self, before: Snapshot) -> None:
        """Assert that the host holds what it held; what the kernel removes by itself gets one second."""
        deadline = time.monotonic() + 1
        while (left := before.difference(self.snapshot())) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left, f"the host has changed:\n{left}"

    def until(self, condition: Any, *, timeout: float = 5) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "this did not come true in time"
            time.sleep(0.05)

    def clear(self) -> None:
        """Remove all containers, volumes, and networks that were made by hand."""
        if ids := self.docker("ps", "-aq").lines:
            self.docker("rm", "-f", "-v", *ids)
        custom = self.docker("network", "ls", "-q", "--filter", "type=custom").lines
        if custom:
            self.docker("network", "rm", *custom)
        if volumes := self.docker("volume", "ls", "-q").lines:
            self.docker("volume", "rm", "-f", *volumes)


@pytest.fixture(scope="session")
def shared_stage() -> Iterator[Stage]:
    """One lab and daemon for all tests that leave it as it was."""
    with Lab() as lab:
        lab.daemon()
        yield Stage(lab)


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    """The shared lab, cleared after each test."""
    yield shared_stage
    shared_stage.clear()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab of one's own, without a daemon yet."""
    with Lab() as fresh:
        yield fresh


@pytest.fixture
def own_stage(lab: Lab) -> Stage:
    """A lab and daemon of one's own, where addresses begin at 172.17.0.2 and networks at 172.18.0.0/16."""
    lab.daemon()
    return Stage(lab)


@pytest.fixture
def stage_with(lab: Lab) -> Any:
    """A function that starts the daemon with flags in a lab of one's own."""

    def start(*flags: str) -> Stage:
        lab.daemon(*flags)
        return Stage(lab)

    return start


@pytest.fixture
def sdk_streams() -> Iterator[None]:
    """Collect in the end what closed streams of the SDK leave: it closes sockets, not their responses."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
