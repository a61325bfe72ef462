"""One fuzz target, chosen by the first argument; the others are libFuzzer's. Run by `python scripts/fuzz`."""

from __future__ import annotations

import contextlib
import io
import shutil
import struct
import sys
import tarfile
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["linkspan"]):
    from linkspan.api import decoding, go_types
    from linkspan.compose import canonical, schema, source
    from linkspan.compose.interpolation import interpolate
    from linkspan.firewall import nfnetlink
    from linkspan.kernel import conntrack, links, notices, routes, wire
    from linkspan.model.errors import LinkspanError
    from linkspan.path.dns import gate, message
    from linkspan.path.proxy import wire as proxy_wire
    from linkspan.runtime.images import unpack

MISREAD = (ValueError, KeyError, IndexError, struct.error)
"""What netlink's readers may raise: the kernel alone writes what they read, and its socket is given up."""


def dns(data: bytes) -> None:
    """A query of a container, or an answer of a server."""
    gate.addresses_in(data)
    if len(data) < message.HEADER.size:
        return  # the server answers none of those
    readers = (
        message.without_cookie,
        message.question_of,
        message.datagram_limit,
        message.lifetime,
    )
    for read in readers:
        with contextlib.suppress(message.Malformed):
            read(data)
    with contextlib.suppress(message.Malformed):
        for record in message.records(data):
            assert 0 <= record.lifetime_at <= len(data)
    with contextlib.suppress(message.Malformed):
        assert len(message.fitted(data, 512)) <= max(512, 12)
    with contextlib.suppress(message.Malformed):
        question = message.question_of(data)
        assert message.question_of(message.positive(data, question, [], 60)).name == question.name
        assert message.response_code(message.failure(data, message.SERVFAIL)) == message.SERVFAIL


SHAPES = [shape for shape in vars(go_types).values() if isinstance(shape, decoding.GoType)]


def http(data: bytes) -> None:
    """The body of a request, as each kind of body that there is."""
    for shape in (None, *SHAPES):
        with contextlib.suppress(LinkspanError):
            decoding.decode(data, shape)


def netlink(data: bytes) -> None:
    """Whatever the kernel answers."""
    readers = (
        links.link_state,
        routes.route,
        conntrack.parse_flow,
        lambda body: list(nfnetlink.keys(body)),
        wire.parse,
    )
    with contextlib.suppress(*MISREAD):
        for _, flags, _, body in wire.split(data):
            with contextlib.suppress(*MISREAD):
                wire.error_in(flags, body)
            for read in readers:
                with contextlib.suppress(*MISREAD):
                    read(body)
    with contextlib.suppress(*MISREAD):
        list(notices.losses(data))


ROOM = Path(tempfile.mkdtemp(prefix="linkspan-fuzz-tar-"))
CANARY = ROOM / "canary"


def tar(data: bytes) -> None:
    """A layer: unpacked in one directory, with a file beside it that must stay."""
    target = ROOM / "target"
    target.mkdir()
    CANARY.write_text("untouched")
    try:
        with contextlib.suppress(LinkspanError):
            unpack.unpack(io.BytesIO(data), target)
    finally:
        shutil.rmtree(target)
    assert CANARY.read_text() == "untouched"
    assert sorted(path.name for path in ROOM.iterdir()) == ["canary"]


def compose(data: bytes) -> None:
    """A compose file."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(LinkspanError):
        for tree in source.read(text, "compose.yaml"):
            filled = interpolate(tree, {"A": "1"})
            if not schema.problems(filled):
                canonical.document(filled, canonical.Place("/project", "/root"))


def proxy(data: bytes) -> None:
    """A message to the proxy process."""
    with contextlib.suppress(ValueError):
        _, entries = proxy_wire.decode(data)
        if all(entry[5] < 1000 for entry in entries):
            proxy_wire.batches(entries)
            proxy_wire.merged(entries)


def seeds(target: str) -> list[bytes]:
    """Return sound inputs to begin with."""
    if target == "dns":
        query = (
            bytes.fromhex("123401000001000000000001")
            + b"\3web\7example\0\0\1\0\1"
            + b"\0\0\x29\4\xd0"
            + bytes(6)
        )
        return [query, message.positive(query, message.question_of(query), ["a.example"], 60)]
    if target == "netlink":
        body = (
            struct.pack("=BxHiII", 0, 1, 2, 1, 0)
            + wire.text(3, "eth0")
            + wire.nested(18, wire.text(1, "veth"))
        )
        return [wire.message(16, 0, 1, body), wire.message(2, 0x200, 1, struct.pack("=iI", -1, 16) + body)]
    if target == "tar":
        return [_archive()]
    if target == "proxy":
        entry = ("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 3, "10.0.0.0/8")
        return [proxy_wire.encode("add relay", [entry, entry])]
    if target == "http":
        return [
            b'{"Image":"a","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"1"}]},"Memory":1},"Env":["A=b"]}'
        ]
    return [
        b"services:\n  web:\n    image: $A\n    ports: ['80:80']\n    networks: {a: {}}\nnetworks: {a: }\n"
    ]


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, link in (
            ("d", tarfile.DIRTYPE, ""),
            ("d/f", tarfile.REGTYPE, ""),
            ("l", tarfile.SYMTYPE, "../canary"),
            ("h", tarfile.LNKTYPE, "d/f"),
            ("d/.wh.x", tarfile.REGTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime = kind, link, 1.5
            archive.addfile(member)
    return buffer.getvalue()


TARGETS = {"dns": dns, "http": http, "netlink": netlink, "tar": tar, "compose": compose, "proxy": proxy}


def main() -> None:
    """Write the seeds into the corpus, and begin."""
    name, corpus = sys.argv[1], Path(sys.argv[2])
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
