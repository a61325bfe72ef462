"""The witness: what must have survived a crash, and what must not be left of it."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from client import Client

from linkspan.kernel.namespaces import Visitor
from linkspan.lab import Lab, Snapshot

GRACE = 3.0
WEB, ECHO, USER, PEER = "web", "echo", "user", "peer"
KEPT = (WEB, ECHO, USER, PEER)
PLUGS = 2


class Witness:
    """Containers that live through everything, with connections that must not break."""

    def __init__(self, lab: Lab, client: Client) -> None:
        self.lab = lab
        self.client = client
        self._visitor = Visitor()
        self._connections: list[socket.socket] = []
        self.before: dict[str, Any] = {}

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._visitor.close()

    def settle(self) -> None:
        """Start the containers that stay, open connections, and remember what the host looks like."""
        docker = self.lab.docker
        docker("network", "create", "--subnet", "172.30.0.0/24", "base")
        for number in range(PLUGS):
            docker("network", "create", f"plug{number}")
        page = "mkdir /www; echo kept > /www/index.html; exec httpd -f -h /www"
        fixed = ("--network", "base", "--ip", "172.30.0.77", "--network-alias", "site")
        docker("run", "-d", "--name", WEB, *fixed, "-p", "8081:80", "busybox", "sh", "-c", page)
        echo = ("nc", "-ll", "-p", "7", "-e", "cat")
        docker("run", "-d", "--name", ECHO, "-p", "8082:7", "busybox", *echo)
        docker("run", "-d", "--name", USER, "--network", "base", "busybox", "sleep", "100000")
        docker("run", "-d", "--name", PEER, "--network", f"container:{USER}", "busybox", "sleep", "100000")
        time.sleep(0.3)
        self._connections = [self._connected("lan", "10.0.0.5"), self._connected("host", "127.0.0.1")]
        assert not list(self.names()), list(self.names())
        self.before = {name: self._identity(name) for name in KEPT}
        self.records = self._records()
        self.base = self.lab.snapshot()

    def _connected(self, where: str, address: str, port: int = 8082) -> socket.socket:
        def connect() -> socket.socket:
            return socket.create_connection((address, port), timeout=3)

        return self._visitor.inside(self.lab.place(where).namespace(), connect)

    def _inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.ask("GET", f"/containers/{name}/json").data
        return found

    def _identity(self, name: str) -> Any:
        """What a crash must not change of a running container."""
        one = self._inspect(name)
        if "State" not in one:
            return one
        settings = one["NetworkSettings"]
        ends = {
            net: (end["IPAddress"], end["MacAddress"], sorted(end["DNSNames"] or []))
            for net, end in settings["Networks"].items()
            if not net.startswith("plug")
        }
        state = one["State"]
        return one["Id"], state["Running"], state["Pid"], state["StartedAt"], ends, settings["Ports"]

    def paths(self) -> Iterator[str]:
        """Complain about what does not answer: connections that stood, and new requests, by NAT and proxy."""
        for connection, way in zip(self._connections, ("NAT", "the proxy"), strict=True):
            try:
                connection.sendall(b"still there?\n")
                if connection.recv(100) != b"still there?\n":
                    yield f"an established connection through {way} has ended"
            except OSError as error:
                yield f"an established connection through {way} is broken: {error}"
        for where, address in (("lan", "10.0.0.5"), ("host", "127.0.0.1"), ("host", "10.0.0.5")):
            if (said := self._get(where, address, 8081)) != b"kept":
                yield f"port 8081 does not answer {where} on {address}: {said!r}"

    def _get(self, where: str, address: str, port: int) -> bytes:
        try:
            with self._connected(where, address, port) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while chunk := connection.recv(4096):
                    answer += chunk
        except OSError as error:
            return str(error).encode()
        return answer.partition(b"\r\n\r\n")[2].strip() or answer[:20]

    def names(self) -> Iterator[str]:
        """Complain about names that do not lead to their containers."""
        for name in (WEB, "site"):
            found = self.lab.docker("exec", USER, "nslookup", name, check=False, timeout=20)
            if "172.30.0.77" not in found.text:
                yield f"the name {name} does not lead to its container: {found.both}"

    def survivors(self) -> Iterator[str]:
        """Complain about containers that are not what they were."""
        running = {name for one in self.client.ask("GET", "/containers/json").data for name in one["Names"]}
        for name in KEPT:
            if f"/{name}" not in running:
                yield f"{name} is not in `docker ps`"
            if (now := self._identity(name)) != self.before[name]:
                yield f"{name} has changed: {self.before[name]} is now {now}"

    def consistency(self) -> Iterator[str]:
        """Complain where the API, the store and the kernel tell different stories."""
        containers = self.client.ask("GET", "/containers/json?all=1").data
        own = {}
        for one in containers:
            answer = self.client.ask("GET", f"/containers/{one['Id']}/json")
            if answer.status != 200:
                continue
            state = answer.data
            if state["State"]["Running"] and not state["HostConfig"]["NetworkMode"].startswith("container:"):
                own[one["Id"][:12]] = state
        inside = self._sandboxes()
        if set(own) != set(inside):
            yield f"running: {sorted(own)}, namespaces: {sorted(inside)}"
        yield from self._addresses(own, inside)
        yield from self._ports(own)
        yield from self._store(own)

    def _sandboxes(self) -> dict[str, list[str]]:
        directory = self.lab.exec_root / "netns"
        script = (
            f"cd {directory}; for n in *; do echo $n $(nsenter --net=$n ip -j -4 addr | tr -d '\\n '); done"
        )
        found: dict[str, list[str]] = {}
        for line in self.lab.run("host", "bash", "-c", script).lines:
            name, _, listed = line.partition(" ")
            try:
                links = json.loads(listed or "[]")
            except ValueError:
                links = []
            found[name] = [
                address["local"]
                for link in links
                if link.get("ifname") != "lo"
                for address in link.get("addr_info", ())
            ]
        return found

    def _addresses(self, own: dict[str, Any], inside: dict[str, list[str]]) -> Iterator[str]:
        everywhere = Counter(address for addresses in inside.values() for address in addresses)
        if twice := [address for address, times in everywhere.items() if times > 1]:
            yield f"addresses are given twice: {twice}"
        for id, one in own.items():
            told = {end["IPAddress"] for end in one["NetworkSettings"]["Networks"].values()}
            if told != set(inside.get(id, ())):
                yield f"{one['Name']} has {inside.get(id)}, but inspect says {sorted(told)}"

    def _ports(self, own: dict[str, Any]) -> Iterator[str]:
        for one in own.values():
            for port, bindings in (one["NetworkSettings"]["Ports"] or {}).items():
                number = int(bindings[0]["HostPort"]) if bindings else 0
                if port == "80/tcp" and number and not self._get("lan", "10.0.0.5", number):
                    yield f"port {number} of {one['Name']} does not answer"

    def _store(self, own: dict[str, Any]) -> Iterator[str]:
        with closing(self._database()) as store:
            if intents := store.execute("SELECT kind, body FROM intents").fetchall():
                yield f"intents are left: {intents}"
            sandboxes = [
                json.loads(body)
                for (body,) in store.execute("SELECT body FROM documents WHERE kind = 'sandbox'")
            ]
            leases = store.execute("SELECT address, owner FROM leases").fetchall()
        owners = {end["id"] for sandbox in sandboxes for end in sandbox["endpoints"]}
        if stray := [lease for lease in leases if lease[1] not in owners]:
            yield f"addresses are leased to nobody: {stray}"
        if len(sandboxes) != len(own):
            yield f"{len(sandboxes)} sandboxes on record, {len(own)} containers that run"

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.lab.data_root / 'state.db'}?mode=ro", uri=True)

    def _records(self) -> dict[str, int]:
        """How many records of each kind there are, leases and intents with them."""
        with closing(self._database()) as store:
            found = dict(store.execute("SELECT kind, count(*) FROM documents GROUP BY kind").fetchall())
            found["lease"] = store.execute("SELECT count(*) FROM leases").fetchone()[0]
            found["intent"] = store.execute("SELECT count(*) FROM intents").fetchone()[0]
        return found

    def nothing_left(self) -> Iterator[str]:
        """Complain about what is there, when all of the load is removed, and was not there before."""
        deadline = time.monotonic() + GRACE
        while (left := difference(self.base, self.lab.snapshot())) and time.monotonic() < deadline:
            time.sleep(0.1)
        if left:
            yield f"left or lost:\n{left}"
            self.base = self.lab.snapshot()  # each loss is told once
        if (now := self._records()) != self.records:
            yield f"records: {self.records} before, {now} now"
            self.records = now


def difference(before: Snapshot, after: Snapshot) -> str:
    """What one host holds more (+) or less (-) than the other, whatever the order of it."""
    lines = []
    for title, section in before.sections.items():
        had, has = (Counter(_plain(line) for line in each) for each in (section, after.sections[title]))
        lines += [f"  {title}: + {line}" for line in (has - had).elements()]
        lines += [f"  {title}: - {line}" for line in (had - has).elements()]
    return "\n".join(line for line in lines if not _expected(line))


def _plain(line: str) -> str:
    """Take out what differs from one daemon, or one second, to the next."""
    return re.sub(r"/memfd:\S+|linkspan-lab-\d+-\w+", "", line)


def _expected(line: str) -> bool:
    """Tell the daemon itself, its files, and sockets of programs that ask DNS."""
    return bool(re.search(r"doomed\.py|state\.db|/netns$|sockets: . udp .*\b53\b", line))


def all_of(*complaints: Callable[[], Iterator[str]]) -> list[str]:
    """Run the checks; what they complain about."""
    return [complaint for check in complaints for complaint in check()]


__all__ = ["Witness", "all_of", "difference"]
