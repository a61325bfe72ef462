"""The real kernel of every namespace, read with iproute2, nft and iptables-save; nothing is changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

from linkspan.insight.programs import printed
from linkspan.insight.trace import iptables_rules, nft_rules
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import Kind, Table
from linkspan.insight.trace.world import NoWay, Socket, Way
from linkspan.model.addresses import Address
from linkspan.model.errors import LinkspanError

_SAVERS = ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy")
_PROGRAM = re.compile(r'users:\(\("([^"]+)"')
_LEGACY = {"iptables-legacy": "ip_tables_names", "ip6tables-legacy": "ip6_tables_names"}


class KernelWorld:
    """Reads each thing once: an answer is a picture of one moment. Used by one thread."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Table]] = {}
        self._sockets: dict[str, list[Socket]] = {}
        self._kinds: dict[str, Kind] = {}

    def tables(self, place: str) -> Sequence[Table]:
        """Return every table of netfilter in a namespace, whoever made it; raises LinkspanError."""
        if place not in self._tables:
            try:
                self._tables[place] = self._read_tables(place)
            except LinkspanError:  # the rules changed while they were read
                self._tables[place] = self._read_tables(place)
        return self._tables[place]

    def _read_tables(self, place: str) -> list[Table]:
        found: list[Table] = []
        for tool in _SAVERS:
            program = shutil.which(f"{tool}-save")
            if program is None or (tool in _LEGACY and not _has_legacy(place, _LEGACY[tool])):
                continue
            # Without a table there is nothing to save, and asking would make the empty ones of iptables.
            found += iptables_rules.tables(printed(program, "-c", place=place), tool)
        written = {(table.family, table.name) for table in found if "legacy" not in table.tool}
        if shutil.which("nft"):
            listing = json.loads(printed("nft", "-j", "list", "ruleset", place=place))
            text = printed("nft", "-a", "-t", "list", "ruleset", place=place)
            found += nft_rules.tables(listing, text, lambda family, name: (family, name) in written)
        return [table for table in found if table.chains]

    def way(self, place: str, packet: Packet) -> Way:
        """Return the kernel's route for a packet; raises NoWay."""
        words = ["ip", "-j", f"-{packet.version}", "route", "get", str(packet.destination)]
        if packet.incoming and packet.incoming != "lo":
            words += ["from", str(packet.source), "iif", packet.incoming]
        elif not packet.source.is_unspecified:
            words += ["from", str(packet.source)]
        if packet.mark:
            words += ["mark", hex(packet.mark)]
        try:
            (found,) = json.loads(printed(*words, place=place))
        except LinkspanError as error:
            raise NoWay(_reason(str(error))) from error
        if found.get("type") in ("unreachable", "prohibit", "blackhole"):
            raise NoWay(found["type"])
        via = found.get("gateway") or (found.get("via") or {}).get("host")
        return Way(
            found["dev"],
            found.get("type") == "local" or found["dev"] == "lo",
            ip_address(via) if via else None,
            ip_address(found["prefsrc"]) if "prefsrc" in found else None,
        )

    def kind(self, place: str) -> Kind:
        """Return what tells the type of an address, as fib and addrtype do."""
        if place not in self._kinds:
            self._kinds[place] = _kinds(printed("ip", "-j", "address", place=place))
        return self._kinds[place]

    def sockets(self, place: str) -> Sequence[Socket]:
        """Return the sockets that take new connections."""
        if place not in self._sockets:
            lines = printed("ss", "-Hlntup", place=place).splitlines()
            self._sockets[place] = [found for line in lines if (found := _socket(line)) is not None]
        return self._sockets[place]

    def sysctl(self, place: str, key: str) -> str:
        """Return a kernel parameter of a namespace, "" when there is none of that name."""
        path = "/proc/sys/" + key.replace(".", "\0").replace("/", ".").replace("\0", "/")
        try:
            return printed("cat", path, place=place).strip()
        except LinkspanError:
            return ""


def _has_legacy(place: str, name: str) -> bool:
    try:
        return bool(printed("cat", f"/proc/net/{name}", place=place).strip())
    except LinkspanError:
        return False


def _reason(text: str) -> str:
    return text.rpartition("RTNETLINK answers: ")[2].strip() or text


def _kinds(text: str) -> Kind:
    own: set[Address] = set()
    broadcasts: set[Address] = set()
    for link in json.loads(text):
        for each in link["addr_info"]:
            own.add(ip_address(each["local"]))
            if "broadcast" in each:
                broadcasts.add(ip_address(each["broadcast"]))
    loopback = ip_network("127.0.0.0/8")

    @cache
    def kind(address: Address) -> str:
        if address in own or address in loopback:
            return "local"
        if address in broadcasts:
            return "broadcast"
        return "multicast" if address.is_multicast else "unicast"

    return kind


def _socket(line: str) -> Socket | None:
    protocol, _, _, _, local, *rest = line.split()
    address, _, port = local.rpartition(":")
    address = address.strip("[]").partition("%")[0]
    if not port.isdigit():
        return None
    program = _PROGRAM.search(" ".join(rest))
    name = program[1] if program else ""
    if address == "*":
        return Socket(protocol, None, int(port), name, 6, dual=True)
    found: Any = ip_address(address)
    return Socket(protocol, None if found.is_unspecified else found, int(port), name, found.version)
