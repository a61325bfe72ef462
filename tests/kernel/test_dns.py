"""The embedded resolver in a real namespace: names, isolation, upstream servers of every kind, its life."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from pathlib import Path
from typing import Any

import pytest
from dnslib import QTYPE, RR, SOA, TXT, A, DNSRecord

from linkspan.model.errors import KernelError
from linkspan.model.network import Endpoint
from linkspan.path.dns import redirect
from linkspan.path.dns.memory import PortMemory
from linkspan.path.dns.resolver import Resolver
from linkspan.path.dns.view import SandboxView, Upstream
from linkspan.path.dns.zone import Zone

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
COUNTER = itertools.count()
APP, OTHER = "a" * 64, "b" * 64


def _in_thread(prepare: Callable[[], None], function: Callable[[], Any]) -> Any:
    result: Future[Any] = Future()

    def body() -> None:
        try:
            prepare()
            result.set_result(function())
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return result.result()


def _unshare() -> None:
    if LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _inside(path: str, function: Callable[[], Any]) -> Any:
    def enter() -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if LIBC.setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)

    return _in_thread(enter, function)


@dataclass
class Bed:
    """The daemon's namespace (where the test runs), one sandbox, and a resolver for it."""

    sandbox: str
    resolver: Resolver
    zone: Zone = field(default_factory=Zone)

    async def add(self, **view: Any) -> None:
        """Give the sandbox a resolver; it is on the network `app` unless told otherwise."""
        self.resolver.update("other", self.view())
        await self.resolver.add_sandbox("sandbox", self.view(**view))

    def view(self, **more: Any) -> SandboxView:
        return SandboxView(f"/run/netns/{self.sandbox}", **({"networks": (APP,)} | more))

    async def run(self, *command: str) -> str:
        """Run a program inside the sandbox."""
        full = ["ip", "netns", "exec", self.sandbox, *command]
        done = await asyncio.to_thread(subprocess.run, full, capture_output=True, text=True, timeout=30)
        return done.stdout

    async def dig(self, *arguments: str) -> DNSRecord:
        """Ask with dig and return the answer it got."""
        text = await self.run("dig", "@127.0.0.11", "+tries=1", "+timeout=6", "+nocookie", *arguments)
        return _parsed(text)

    async def short(self, *arguments: str) -> list[str]:
        """Return what `dig +short` prints."""
        return (await self.run("dig", "@127.0.0.11", "+tries=1", "+short", "+nocookie", *arguments)).split()


@dataclass
class Parsed:
    status: str
    flags: str
    answers: list[list[str]]


def _parsed(text: str) -> Any:
    status = text.split("status: ")[1].split(",")[0] if "status: " in text else "no answer"
    flags = text.split(";; flags: ")[1].split(";")[0] if ";; flags: " in text else ""
    section = text.split(";; ANSWER SECTION:\n")[1].split("\n\n")[0] if "ANSWER SECTION" in text else ""
    return Parsed(status, flags, [line.split() for line in section.splitlines()])


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Callable[[Callable[[Bed], Awaitable[None]]], None]]:
    """`story(function)` runs the coroutine function in a fresh daemon's namespace with a fresh sandbox."""
    name = f"lkdns{os.getpid()}-{next(COUNTER)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)

    async def played(function: Callable[[Bed], Awaitable[None]]) -> None:
        zone = Zone()
        resolver = Resolver(zone, _inside, PortMemory(tmp_path))
        try:
            await function(Bed(name, resolver, zone))
        finally:
            resolver.close()
            await asyncio.sleep(0)

    try:
        yield lambda function: _in_thread(_unshare, lambda: asyncio.run(played(function)))
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _endpoint(name: str, host: int, *names: str, network: str = APP, v6: bool = False) -> Endpoint:
    return Endpoint(
        id=f"{name}{host}{network[0]}",
        network_id=network,
        network_name="app" if network == APP else "other",
        container_id=name * 64,
        container_name=name,
        sandbox="",
        ipv4=IPv4Interface(f"172.18.{host // 250}.{host % 250 + 2}/16"),
        ipv6=IPv6Interface(f"fd00::{host:x}/64") if v6 else None,
        dns_names=(name, *names),
    )


Answer = Callable[[bytes], "bytes | list[bytes] | None"]


@dataclass
class Fake:
    """An upstream server that answers as the test wants; `asked` are the names, `sources` the ports seen."""

    datagram: Answer
    stream: Answer | None = None
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)
    sources: set[int] = field(default_factory=set)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, fake: Fake) -> None:
        self.fake = fake

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        self.fake.asked.append(str(DNSRecord.parse(data).q.qname))
        self.fake.sources.add(peer[1])
        answers = self.fake.datagram(data) or []
        for answer in [answers] if isinstance(answers, bytes) else answers:
            asyncio.get_running_loop().call_later(self.fake.delay, self._send, answer, peer)

    def _send(self, answer: bytes, peer: Any) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(answer, peer)


@contextlib.asynccontextmanager
async def _served(fake: Fake, address: str, inside: str = "") -> AsyncIterator[Fake]:
    """Serve `fake` on port 53 of `address`, in the daemon's namespace or `inside` a sandbox."""

    def opened() -> tuple[socket.socket, socket.socket]:
        datagrams, streams = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        for made in (datagrams, streams):
            made.setblocking(False)
            made.bind((address, 53))
        return datagrams, streams

    datagrams, streams = _inside(f"/run/netns/{inside}", opened) if inside else opened()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        query = await reader.readexactly(length)
        answer = fake.stream(query) if fake.stream else None
        if isinstance(answer, bytes):
            writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(fake), sock=datagrams)
    server = await asyncio.start_server(serve, sock=streams)
    try:
        yield fake
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)


def _says(address: str = "192.0.2.1", ttl: int = 60, rcode: int = 0, records: int = 1) -> Answer:
    def answer(query: bytes) -> bytes:
        reply = DNSRecord.parse(query).reply()
        reply.header.rcode = rcode
        if not rcode:
            for number in range(records):
                host = ip_address(address) + number
                reply.add_answer(RR(reply.q.qname, QTYPE.A, rdata=A(str(host)), ttl=ttl))
        return bytes(reply.pack())

    return answer


def _upstreams(*addresses: str, from_sandbox: bool = False) -> tuple[Upstream, ...]:
    return tuple(Upstream(ip_address(address), from_sandbox) for address in addresses)


Story = Callable[[Callable[[Bed], Awaitable[None]]], None]


def test_names_of_containers(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2, "www", v6=True))
        bed.zone.add(_endpoint("db", 3, network=OTHER))
        await bed.add(host_addresses=(ip_address("172.17.0.1"),))
        assert await bed.short("web") == ["172.18.0.4"]
        assert await bed.short("WwW") == ["172.18.0.4"]
        assert await bed.short("web.app") == ["172.18.0.4"]
        assert await bed.short("web", "AAAA") == ["fd00::2"]
        assert await bed.short("-x", "172.18.0.4") == ["web.app."]
        assert await bed.short("-x", "fd00::2") == ["web.app."]
        assert await bed.short("+tcp", "web") == ["172.18.0.4"]
        assert await bed.short("host.docker.internal") == ["172.17.0.1"]
        assert (await bed.dig("web")).answers == [["web.", "600", "IN", "A", "172.18.0.4"]]
        assert (await bed.dig("web")).flags == "qr rd ra"
        for kind in ("MX", "TXT", "HTTPS"):
            nothing = await bed.dig("web", kind)
            assert (nothing.status, nothing.answers) == ("NOERROR", [])
        assert (await bed.dig("db")).status == "SERVFAIL"  # another network's, and no upstream server
        assert (await bed.dig("+opcode=status", "web")).status == "NOTIMP"
        assert (await bed.dig("-c", "CH", "version.bind", "TXT")).status == "REFUSED"

    story(play)


def test_an_existing_name_without_that_family_is_empty(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        await bed.add()
        nothing = await bed.dig("web", "AAAA")
        assert (nothing.status, nothing.answers) == ("NOERROR", [])

    story(play)


def test_several_holders_are_shuffled_and_large_answers_go_by_tcp(story: Story) -> None:
    async def play(bed: Bed) -> None:
        for number in range(60):
            bed.zone.add(_endpoint(f"web{number}", number, "web"))
        await bed.add()
        first = {(await bed.short("+noedns", "+ignore", "web"))[0] for _ in range(12)}
        assert len(first) > 2
        cut = await bed.dig("+noedns", "+ignore", "web")
        assert "tc" in cut.flags
        assert len(cut.answers) == 30  # those that fit 512 bytes
        assert len(set(await bed.short("+noedns", "web"))) == 60  # dig asks again by TCP
        assert len(set(await bed.short("+bufsize=4096", "web"))) == 60

    story(play)


def test_the_next_daemon_writes_rules_only_where_they_are_gone(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    install = redirect.install

    def noted(*ports: int) -> None:
        written.append(ports)  # type: ignore[arg-type]
        install(*ports)

    monkeypatch.setattr(redirect, "install", noted)

    (tmp_path / "sandbox").mkdir()

    async def daemon(bed: Bed) -> None:
        resolver = Resolver(bed.zone, _inside, PortMemory(tmp_path))
        await resolver.add_sandbox("sandbox", bed.view())
        assert await bed.short("web") == ["172.18.0.3"]
        assert await bed.short("+tcp", "web") == ["172.18.0.3"]
        resolver.close()
        await asyncio.sleep(0)

    async def tell(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 1))
        await daemon(bed)
        await daemon(bed)
        assert len(written) == 1
        await bed.run("sh", "-c", "iptables -t nat -F && iptables -t nat -X")
        await daemon(bed)
        assert len(written) == 2

    story(tell)


def test_names_come_and_go_at_once(story: Story) -> None:
    async def play(bed: Bed) -> None:
        await bed.add()
        web = _endpoint("web", 2)
        for _ in range(3):
            await asyncio.to_thread(bed.zone.add, web)
            assert await bed.short("web") == ["172.18.0.4"]
            await asyncio.to_thread(bed.zone.add, replace(web, ipv4=IPv4Interface("172.18.0.9/16")))
            assert await bed.short("web") == ["172.18.0.9"]
            await asyncio.to_thread(bed.zone.remove, web)
            assert (await bed.dig("web")).status == "SERVFAIL"

    story(play)


def test_a_view_may_change(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("db", 3, network=OTHER))
        await bed.add()
        assert await bed.short("db") == []
        bed.resolver.update("sandbox", bed.view(networks=(APP, OTHER), links=(("postgres", "db"),)))
        assert await bed.short("db") == ["172.18.0.5"]
        assert await bed.short("postgres") == ["172.18.0.5"]
        bed.resolver.update("sandbox", bed.view())
        assert await bed.short("db") == []

    story(play)


def test_other_names_are_forwarded_and_kept_with_a_falling_ttl(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(_says(ttl=60)), "127.0.0.53") as fake:
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            assert (await bed.dig("x.example")).answers == [["x.example.", "60", "IN", "A", "192.0.2.1"]]
            await asyncio.sleep(1.1)
            [[_, ttl, *_]] = (await bed.dig("x.example")).answers
            assert 50 < int(ttl) < 60
            assert fake.asked == ["x.example."]
            assert await bed.short("y.example") == ["192.0.2.1"]

    story(play)


def test_sandboxes_share_what_their_servers_said(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(_says()), "127.0.0.53") as fake:
            view = bed.view(upstreams=_upstreams("127.0.0.53"))
            await bed.resolver.add_sandbox("one", view)
            assert await bed.short("x.example") == ["192.0.2.1"]
            await bed.resolver.add_sandbox("two", view)  # takes over the same namespace
            assert await bed.short("x.example") == ["192.0.2.1"]
            bed.resolver.remove_sandbox("one")
            assert await bed.short("x.example") == ["192.0.2.1"]
            assert fake.asked == ["x.example."]

    story(play)


def test_negative_answers_are_kept_as_long_as_their_soa_says(story: Story) -> None:
    def nothing(query: bytes) -> bytes:
        reply = DNSRecord.parse(query).reply()
        reply.header.rcode = 3
        reply.add_auth(RR("example", QTYPE.SOA, rdata=SOA("ns", "root", (1, 2, 3, 4, 30)), ttl=300))
        return bytes(reply.pack())

    async def play(bed: Bed) -> None:
        async with _served(Fake(nothing), "127.0.0.53") as fake:
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            for _ in range(3):
                assert (await bed.dig("no.example")).status == "NXDOMAIN"
            assert len(fake.asked) == 1
            bed.zone.add(_endpoint("no.example", 2))
            assert await bed.short("no.example") == ["172.18.0.4"]

    story(play)


def test_a_dead_first_server_costs_little(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(lambda _: None), "127.0.0.53") as dead, _served(Fake(_says()), "127.0.0.54"):
            await bed.add(upstreams=_upstreams("127.0.0.53", "127.0.0.54"))
            for number in range(4):
                started = time.monotonic()
                assert await bed.short(f"x{number}.example") == ["192.0.2.1"]
                assert time.monotonic() - started < 0.8
            assert len(dead.asked) == 1  # afterwards it is asked last

    story(play)


def test_a_server_that_is_not_there_is_passed_over_at_once(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(_says()), "127.0.0.54"):
            await bed.add(upstreams=_upstreams("127.0.0.53", "10.99.0.1", "127.0.0.54"))
            assert await bed.short("x.example") == ["192.0.2.1"]
        assert (await bed.dig("y.example")).status == "SERVFAIL"

    story(play)


@pytest.mark.parametrize("code", [2, 5])
def test_failures_lead_to_the_next_server(story: Story, code: int) -> None:
    async def play(bed: Bed) -> None:
        async with (
            _served(Fake(_says(rcode=code)), "127.0.0.53"),
            _served(Fake(_says(), delay=0.3), "127.0.0.54"),
        ):
            await bed.add(upstreams=_upstreams("127.0.0.53", "127.0.0.54"))
            assert await bed.short("x.example") == ["192.0.2.1"]
            bed.resolver.update("sandbox", bed.view(upstreams=_upstreams("127.0.0.53")))
            assert (await bed.dig("y.example")).status == {2: "SERVFAIL", 5: "REFUSED"}[code]

    story(play)


def test_a_slow_server_is_waited_for(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(_says(), delay=2.0), "127.0.0.53") as fake:
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            answers = await asyncio.gather(*(bed.short("x.example") for _ in range(3)))
            assert answers == [["192.0.2.1"]] * 3
            assert len(fake.asked) <= 3  # one question, sent again each second

    story(play)


def test_truncated_answers_are_fetched_by_tcp(story: Story) -> None:
    def cut(query: bytes) -> bytes:
        reply = DNSRecord.parse(query).reply()
        reply.header.tc = 1
        return bytes(reply.pack())

    async def play(bed: Bed) -> None:
        fake = Fake(cut, stream=_says(records=200))
        async with _served(fake, "127.0.0.53"):
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            assert len(await bed.short("+bufsize=4096", "x.example")) == 200
            assert len(await bed.short("x.example")) == 200  # by TCP after our truncated answer
            assert "tc" in (await bed.dig("+ignore", "x.example")).flags

    story(play)


def test_lies_are_not_believed(story: Story) -> None:
    def lies(query: bytes) -> list[bytes]:
        wrong_id = bytes([query[0] ^ 1, query[1]]) + _says("6.6.6.6")(query)[2:]  # type: ignore[index]
        other = DNSRecord.question("other.example")
        other.header.id = DNSRecord.parse(query).header.id
        wrong_name = _says("6.6.6.6")(bytes(other.pack()))
        truth = _says("192.0.2.1")(query)
        return [wrong_id, wrong_name, query, b"\0", b"", truth]  # type: ignore[list-item]

    async def play(bed: Bed) -> None:
        async with _served(Fake(lies), "127.0.0.53"):
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            assert await bed.short("x.example") == ["192.0.2.1"]
            assert await bed.short("y.example") == ["192.0.2.1"]

    story(play)


def test_edns_and_case_pass_unchanged(story: Story) -> None:
    seen: list[bytes] = []

    def echo(query: bytes) -> bytes:
        seen.append(query)
        reply = DNSRecord.parse(query).reply()
        reply.add_answer(RR(reply.q.qname, QTYPE.TXT, rdata=TXT("x" * 200), ttl=0))
        return bytes(reply.pack())

    async def play(bed: Bed) -> None:
        async with _served(Fake(echo), "127.0.0.53"):
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            answer = await bed.dig("+bufsize=1400", "+subnet=192.0.2.0/24", "MiXeD.example", "TXT")
            assert answer.answers[0][0] == "MiXeD.example."
            assert b"MiXeD" in seen[0]
            assert (1400).to_bytes(2, "big") in seen[0]
            assert bytes([192, 0, 2]) in seen[0]

    story(play)


def test_single_labels_stay_here_when_ndots_was_set(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(_says()), "127.0.0.53") as fake:
            await bed.add(upstreams=_upstreams("127.0.0.53"), ndots_set=True)
            nothing = await bed.dig("intranet")
            assert (nothing.status, nothing.answers) == ("NOERROR", [])
            assert await bed.short("x.example") == ["192.0.2.1"]
            assert fake.asked == ["x.example."]

    story(play)


def test_internal_sandboxes_never_reach_the_hosts_servers(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        async with _served(Fake(_says()), "127.0.0.53") as fake:
            await bed.add(upstreams=_upstreams("127.0.0.53"), internal=True)
            assert await bed.short("web") == ["172.18.0.4"]
            assert (await bed.dig("secret.exfiltrated.example")).status == "SERVFAIL"
            assert (await bed.dig("+tcp", "secret.exfiltrated.example")).status == "SERVFAIL"
            assert fake.asked == []

    story(play)


def test_servers_of_the_user_are_asked_from_the_sandbox(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with (
            _served(
                Fake(_says("192.0.2.7"), stream=_says("192.0.2.7")), "127.0.0.53", inside=bed.sandbox
            ) as inner,
            _served(Fake(_says("192.0.2.8")), "127.0.0.53") as outer,
        ):
            await bed.add(upstreams=_upstreams("127.0.0.53", from_sandbox=True), internal=True)
            assert await bed.short("x.example") == ["192.0.2.7"]
            assert (inner.asked, outer.asked) == (["x.example."], [])

    story(play)


def test_a_container_may_have_its_own_server_on_port_53(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        async with _served(Fake(_says("192.0.2.9")), "0.0.0.0", inside=bed.sandbox):
            await bed.add()
            assert await bed.short("web") == ["172.18.0.4"]
            assert (await bed.run("dig", "@127.0.0.1", "+short", "web")).split() == ["192.0.2.9"]

    story(play)


def test_a_restarted_daemon_takes_over_the_rules(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        await bed.add()
        await bed.add()
        await bed.add()
        assert await bed.short("web") == ["172.18.0.4"]
        assert await bed.short("+tcp", "web") == ["172.18.0.4"]
        rules = await bed.run("iptables", "-t", "nat", "-S")
        assert rules.count("-j DOCKER_OUTPUT") == 1
        assert rules.count("-j DNAT") == 2

    story(play)


def test_a_removed_sandbox_is_let_go(story: Story) -> None:
    async def play(bed: Bed) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        async with _served(Fake(_says()), "127.0.0.53", inside=bed.sandbox):
            await bed.add(upstreams=_upstreams("127.0.0.53", from_sandbox=True))
            assert await bed.short("x.example") == ["192.0.2.1"]
            bed.resolver.remove_sandbox("sandbox")
            bed.resolver.remove_sandbox("sandbox")
            bed.resolver.update("sandbox", bed.view())
            assert (await bed.run("ss", "-Hnlu", "src", "127.0.0.11")) == ""
        await asyncio.sleep(0.1)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1

    story(play)


def test_a_namespace_that_is_not_there(story: Story) -> None:
    async def play(bed: Bed) -> None:
        with pytest.raises((OSError, KernelError)):
            await bed.resolver.add_sandbox("x", replace(bed.view(), sandbox="/run/netns/not-there"))

    story(play)


def test_garbage_gets_an_error_or_nothing_and_harms_nobody(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        await bed.add(upstreams=_upstreams("127.0.0.53"))

        def shout() -> None:
            source = random.Random(7)
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                for _ in range(500):
                    client.sendto(source.randbytes(source.randrange(80)), ("127.0.0.11", 53))
            with socket.create_connection(("127.0.0.11", 53)) as client:
                client.sendall(b"\0\3abc\0\0\xff\xff")

        await asyncio.to_thread(_inside, f"/run/netns/{bed.sandbox}", shout)
        assert await bed.short("web") == ["172.18.0.4"]

    story(play)


def test_a_burst_from_many_clients_gives_each_its_own_answers(story: Story) -> None:
    async def play(bed: Bed) -> None:
        for number in range(100):
            bed.zone.add(_endpoint(f"web{number}", number))
        await bed.add()

        def burst() -> None:
            clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(8)]
            for turn in range(100):
                for number, client in enumerate(clients):
                    query = DNSRecord.question(f"web{(turn + number) % 100}")
                    query.header.id = turn
                    client.sendto(bytes(query.pack()), ("127.0.0.11", 53))
            for number, client in enumerate(clients):
                client.settimeout(5)
                for _ in range(100):
                    answer = DNSRecord.parse(client.recv(2000))
                    host = (answer.header.id + number) % 100
                    assert str(answer.rr[0].rdata) == f"172.18.0.{host + 2}"
                client.close()

        await asyncio.to_thread(_inside, f"/run/netns/{bed.sandbox}", burst)

    story(play)


def test_answers_to_one_client_are_cut_apart_again(story: Story) -> None:
    names = [f"web{number}" for number in range(100)]

    async def play(bed: Bed) -> None:
        for number, name in enumerate(names):
            bed.zone.add(_endpoint(name, number))
        await bed.add()

        def burst() -> dict[int, bytes]:
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.setsockopt(socket.SOL_SOCKET, 33, 1 << 20)
                client.settimeout(5)
                client.connect(("127.0.0.11", 53))
                for _ in range(2):  # once to have the answers ready, once to get them together
                    for number, name in enumerate(names):
                        query = DNSRecord.question(name)
                        query.header.id = number
                        client.send(bytes(query.pack()))
                    answers = [client.recv(2000) for _ in names]
            return {int.from_bytes(answer[:2], "big"): answer for answer in answers}

        answers = await asyncio.to_thread(_inside, f"/run/netns/{bed.sandbox}", burst)
        assert len(answers) == 100
        for number, answer in answers.items():
            parsed = DNSRecord.parse(answer)
            assert (str(parsed.q.qname), str(parsed.rr[0].rdata)) == (
                f"web{number}.",
                f"172.18.0.{number + 2}",
            )
            assert bytes(parsed.pack()) == answer

    story(play)


def test_a_cookie_does_not_get_past_the_cache_nor_to_a_server(story: Story) -> None:
    seen: list[bytes] = []

    def note(query: bytes) -> Any:
        seen.append(query)
        return _says()(query)

    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        async with _served(Fake(note), "127.0.0.53"):
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            for cookie in ("0123456789abcdef", "fedcba9876543210"):
                for options in ((), ("+tcp",)):
                    answer = await bed.dig(f"+cookie={cookie}", *options, "x.example")
                    assert answer.status == "NOERROR"
                assert await bed.short(f"+cookie={cookie}", "web") == ["172.18.0.4"]
            assert len(seen) == 1
            assert bytes.fromhex("0123456789abcdef") not in seen[0]

    story(play)


def test_questions_under_way_are_answered_when_the_servers_change(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(lambda _: None), "127.0.0.53") as silent:
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            asked = asyncio.ensure_future(bed.dig("x.example"))
            while not silent.asked:
                await asyncio.sleep(0.01)
            started = time.monotonic()
            bed.resolver.update("sandbox", bed.view())
            assert (await asked).status == "SERVFAIL"
            assert time.monotonic() - started < 1

    story(play)


def _ask_many(names: list[str]) -> list[tuple[int, list[str]]]:
    """Send all questions at once from here; return response code and addresses of what is answered soon."""
    found: list[tuple[int, list[str]]] = []
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        for name in names:
            client.sendto(bytes(DNSRecord.question(name).pack()), ("127.0.0.11", 53))
        with contextlib.suppress(TimeoutError):
            while len(found) < len(names):
                answer = DNSRecord.parse(client.recv(2000))
                found.append((answer.header.rcode, [str(record.rdata) for record in answer.rr]))
    return found


def test_at_most_1024_questions_are_under_way(story: Story) -> None:
    async def play(bed: Bed) -> None:
        async with _served(Fake(lambda _: None), "127.0.0.53"):
            await bed.add(upstreams=_upstreams("127.0.0.53"))
            names = [f"x{number}.example" for number in range(1100)]
            found = await asyncio.to_thread(_inside, f"/run/netns/{bed.sandbox}", lambda: _ask_many(names))
            assert [code for code, _ in found] == [5] * (1100 - 1024)

    story(play)


def test_names_keep_working_while_containers_come_and_go(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("db", 2))
        await bed.add()

        def churn() -> None:
            for number in range(3, 500):
                bed.zone.add(_endpoint(f"web{number}", number))
                if number > 20:
                    bed.zone.remove(_endpoint(f"web{number - 17}", number - 17))

        changing = asyncio.ensure_future(asyncio.to_thread(churn))
        for _ in range(20):
            found = await asyncio.to_thread(
                _inside, f"/run/netns/{bed.sandbox}", lambda: _ask_many(["db"] * 20)
            )
            assert found == [(0, ["172.18.0.4"])] * 20
        await changing

    story(play)


def test_hostile_tcp_clients_hold_up_nobody(story: Story) -> None:
    async def play(bed: Bed) -> None:
        bed.zone.add(_endpoint("web", 2))
        await bed.add()

        def idle() -> list[socket.socket]:
            clients = [socket.create_connection(("127.0.0.11", 53)) for _ in range(70)]
            clients[0].sendall(b"\xff")
            return clients

        clients = await asyncio.to_thread(_inside, f"/run/netns/{bed.sandbox}", idle)
        assert await bed.short("web") == ["172.18.0.4"]
        for client in clients:
            client.close()
        await asyncio.sleep(0.05)
        assert await bed.short("+tcp", "web") == ["172.18.0.4"]

    story(play)
