"""Every step of every set-up path fails once: the request says so, and all is as it was before."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from linkspan.lab import Lab
from linkspan.lab.daemon import DaemonProcess

NEVER = 10**6
CRASH = Path(__file__).parents[2] / "scripts" / "crash"
SET_UP = (
    "linkspan.store.database:Store.begin",
    "linkspan.store.database:Store.put",
    "linkspan.store.database:Store.lease",
    "linkspan.kernel.host:HostKernel.create_sandbox",
    "linkspan.kernel.host:HostKernel.apply",
    "linkspan.kernel.links:create_veth",
    "linkspan.kernel.links:finish_veth",
    "linkspan.kernel.links:create_bridge",
    "linkspan.firewall.iptables:IptablesFirewall.add",
    "linkspan.firewall.family:FamilyRules.install",
    "linkspan.firewall.journal:Journal.note",
    "linkspan.path.proxy.client:ProxyClient.reserve",
    "linkspan.path.proxy.client:ProxyClient.serve",
    "linkspan.network.registry:Registry.put_sandbox",
    "linkspan.network.registry:Registry.add_network",
    "linkspan.runtime.rootfs:Overlay.prepare",
    "linkspan.runtime.rootfs:Overlay.mount",
    "linkspan.runtime.bundle:Bundle.make",
    "linkspan.runtime.monitor:begin",
    "linkspan.runtime.runtime:Runtime.start",
    "linkspan.engine.naming:Naming.joined",
    "linkspan.engine.registry:Registry.save",
)
RUN = {
    "Image": "busybox",
    "Cmd": ["sleep", "1000"],
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {
        "NetworkMode": "front",
        "PortBindings": {"80/tcp": [{"HostPort": "8080"}], "80/udp": [{"HostPort": "8080"}]},
        "Binds": ["data:/data"],
    },
}
STORY = (
    ("POST", "/networks/create", {"Name": "front", "CheckDuplicate": True}),
    ("POST", "/containers/create?name=web", RUN),
    ("POST", "/containers/web/start", None),
    ("POST", "/networks/aside/connect", {"Container": "web"}),
)


def load(name: str) -> object:
    spec = importlib.util.spec_from_file_location(f"crash_{name}", CRASH / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def doomed() -> Iterator[Lab]:
    """A lab whose daemon fails where it is told to."""
    with Lab() as lab:
        fifo = lab.directory / "doom"
        os.mkfifo(fifo)
        argv = [
            sys.executable,
            str(CRASH / "doomed.py"),
            *lab.daemon_command[1:],
            "--firewall-backend=iptables",
        ]
        env = {"LINKSPAN_DOOM_FIFO": str(fifo)}
        lab.adopt(
            DaemonProcess(lab.place("host"), argv, lab.socket, lab._log, join=lab.cgroup_script, env=env)
        )
        lab.docker("network", "create", "aside")
        yield lab


class Host:
    """What is compared before and after."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.client = load("client").Client(lab.socket)  # type: ignore[attr-defined]

    def arm(self, point: str, count: int) -> None:
        line = f"{point} fails {count}\n"
        told = Path(f"{self.lab.directory / 'doom'}.told")
        with (self.lab.directory / "doom").open("w") as fifo:
            fifo.write(line)
        deadline = time.monotonic() + 5
        while not told.exists() or told.read_text() != line:
            assert time.monotonic() < deadline, "the daemon does not listen"
            time.sleep(0.002)

    def records(self) -> dict[str, int]:
        state = f"file:{self.lab.data_root / 'state.db'}?mode=ro"
        with closing(sqlite3.connect(state, uri=True)) as store:
            found = dict(store.execute("SELECT kind, count(*) FROM documents GROUP BY kind").fetchall())
            for table in ("leases", "intents"):
                found[table] = store.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found

    def story(self, point: str) -> bool:
        """Tell the whole story, repeating a request that failed; False when nothing failed."""
        failed = False
        for method, path, body in STORY:
            before = self.records()
            answer = self.client.ask(method, path, body)
            if answer.status < 400:
                continue
            where = f"{path}, with {point} failing: "
            assert f"injected at {point}" in answer.body.decode(), where + answer.body.decode()
            assert not failed, where + "failed once more"
            failed = True
            assert (self.records(), self.wrong()) == (before, []), where
            again = self.client.ask(method, path, body)
            assert again.status < 300, where + again.body.decode()
        return failed

    def wrong(self) -> list[object]:
        """What store, blueprint and kernel do not agree on."""
        checks = self.client.ask("GET", "/linkspan/doctor").data["Checks"]
        found = [finding for check in checks for finding in check["Findings"]]
        return [finding["Text"] for finding in found if not finding["Hint"]]

    def clear(self) -> None:
        for path in ("/containers/web?force=1&v=1", "/networks/front", "/volumes/data"):
            answer = self.client.ask("DELETE", path)
            assert answer.status in (204, 404), answer.body


@pytest.mark.parametrize("point", SET_UP)
def test_a_step_that_fails_leaves_nothing_and_can_be_repeated(doomed, point):
    host, before = Host(doomed), doomed.snapshot()
    failures = 0
    while True:
        try:
            host.arm(point, failures + 1)
            failed = host.story(point)
        finally:
            host.arm(point, NEVER)
            host.clear()
        if not failed:
            break
        failures += 1
    assert failures, f"{point} was never called"
    changed = before.difference(doomed.snapshot()).splitlines()
    # The daemon itself stands there twice in the moment in which it starts a program.
    assert [line for line in changed if line.startswith("  ") and "doomed.py" not in line] == []
