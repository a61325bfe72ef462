"""The output of `nft -j list ruleset` as tables that can be asked, as libnftables-json(5) describes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from linkspan.insight.trace import translations
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import (
    ACCEPT,
    DROP,
    GO_ON,
    GOTO,
    JUMP,
    REJECT,
    RETURN,
    Chain,
    Effect,
    Kind,
    Rule,
    Table,
    Undecided,
)

Json = Any
Sets = Mapping[str, Sequence[Json]]
_PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp", 132: "sctp", "ipv6-icmp": "icmp", "icmpv6": "icmp"}
_NAMED = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_PLACE = re.compile(r"\s*(table|chain) (?:(\S+) )?(\S+) \{")
_HANDLE = re.compile(r"\s*(.*?)\s*# handle (\d+)$")


class Mismatch(Exception):
    """The rule asks of the packet what it does not have: the rule does not match."""


def tables(listing: Json, text: str, foreign: Callable[[str, str], bool]) -> list[Table]:
    """Return the tables of `nft -j list ruleset`; `text` is the same as `nft -a -t list ruleset` prints it.

    `foreign(family, name)` leaves tables out: those that iptables writes.
    """
    words = _texts(text)
    found: dict[tuple[str, str], dict[str, Chain]] = {}
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    sets: dict[tuple[str, str], dict[str, Sequence[Json]]] = {}
    for entry in listing["nftables"]:
        ((what, body),) = entry.items()
        if what in ("metainfo", "table") or foreign(body.get("family", ""), body.get("table", "")):
            if what == "table" and not foreign(body["family"], body["name"]):
                found[body["family"], body["name"]] = {}
            continue
        place = (body["family"], body["table"])
        if what == "chain":
            found.setdefault(place, {})[body["name"]] = _chain(body)
        elif what in ("set", "map"):
            sets.setdefault(place, {})[body["name"]] = body.get("elem", [])
        elif what == "rule":
            known = sets.setdefault(place, {})
            rules.setdefault((*place, body["chain"]), []).append(_rule(body, known, words))
    return [
        Table(
            "nft",
            name,
            family,
            {
                each: replace(chain, rules=rules.get((family, name, each), ()))
                for each, chain in chains.items()
            },
        )
        for (family, name), chains in found.items()
    ]


def _chain(body: Json) -> Chain:
    priority = body.get("prio", 0)
    return Chain(
        body["name"],
        hook=body.get("hook", ""),
        priority=_NAMED.get(priority, 0) if isinstance(priority, str) else priority,
        policy=DROP if body.get("policy") == "drop" else ACCEPT,
        nat=body.get("type") == "nat",
    )


def _texts(text: str) -> dict[tuple[str, str, str, int], str]:
    found = {}
    family = table = chain = ""
    for line in text.splitlines():
        if place := _PLACE.match(line):
            if place[1] == "table":
                family, table, chain = place[2], place[3], ""
            else:
                chain = place[3]
        elif (rule := _HANDLE.match(line)) and chain:
            found[family, table, chain, int(rule[2])] = rule[1]
    return found


def _rule(body: Json, sets: Sets, words: Mapping[tuple[str, str, str, int], str]) -> Rule:
    place = (body["family"], body["table"], body["chain"])
    counters = [each["counter"] for each in body["expr"] if isinstance(each.get("counter"), dict)]
    text = words.get((*place, body["handle"]), "")
    return Rule(
        re.sub(r"counter packets \d+ bytes \d+ ?", "", text).strip(),
        _Judge(body["expr"], sets, body["family"]),
        counters[0]["packets"] if counters else -1,
        f"nft delete rule {' '.join(place)} handle {body['handle']}",
    )


class _Judge:
    """One rule's expressions, asked in their order."""

    def __init__(self, expressions: Sequence[Json], sets: Sets, family: str) -> None:
        self._expressions = expressions
        self._sets = sets
        self._family = family

    def __call__(self, packet: Packet, kind: Kind) -> Effect | None:
        words: list[str] = []
        asked = Question(packet, kind, self._sets)
        try:
            for expression in self._expressions:
                ((name, body),) = expression.items()
                if name == "match":
                    if not asked.matches(body):
                        return None
                elif (effect := asked.statement(name, body)) is not None:
                    if effect.verdict != GO_ON:
                        return effect
                    words.append(effect.words)
                    asked = Question(effect.packet, kind, self._sets)
        except Mismatch:
            return None
        return Effect(GO_ON, asked.packet, words=", ".join(filter(None, words)))


_SIMPLE = {"accept": ACCEPT, "drop": DROP, "return": RETURN, "reject": REJECT}
_IGNORED = ("counter", "log", "limit", "quota", "notrack", "continue", "ct helper", "ct timeout", "comment")


class Question:
    """One packet, asked with the expressions of one table."""

    def __init__(self, packet: Packet, kind: Kind, sets: Sets) -> None:
        self.packet = packet
        self._kind = kind
        self._sets = sets

    def statement(self, name: str, body: Json) -> Effect | None:
        """Return what a statement does, None for nothing; raises Mismatch, Undecided."""
        if name in _SIMPLE:
            return Effect(_SIMPLE[name], self.packet)
        if name in ("jump", "goto"):
            return Effect(JUMP if name == "jump" else GOTO, self.packet, body["target"])
        if name == "vmap":
            return self._verdict(self._looked_up(body["key"], body["data"]))
        if name == "dnat":
            found, kept = self._translation(body), self.packet.destination_port
            return translations.destination(self.packet, found, kept)
        if name == "snat":
            return translations.source(self.packet, self._translation(body))
        if name == "masquerade":
            return translations.masquerade(self.packet)
        if name == "redirect":
            port = int((body or {}).get("port", self.packet.destination_port))
            return translations.redirect(self.packet, port)
        if name == "mangle":
            return self._mangled(body)
        if name in _IGNORED:
            return None
        raise Undecided(f"nft's {name}")

    def _verdict(self, entry: Json) -> Effect | None:
        ((name, body),) = entry.items()
        return self.statement(name, body)

    def _mangled(self, body: Json) -> Effect | None:
        if body["key"] != {"meta": {"key": "mark"}} or not isinstance(body["value"], int):
            return None
        changed = replace(self.packet, mark=body["value"])
        return Effect(GO_ON, changed, words=f"mark becomes {changed.mark:#x}")

    def _translation(self, body: Json) -> list[Json]:
        """Return the address and, if one is given, the port of dnat or snat."""
        address = body.get("addr")
        if isinstance(address, dict) and "map" in address:
            found = self._looked_up(address["map"]["key"], address["map"]["data"])
            return list(found["concat"]) if isinstance(found, dict) and "concat" in found else [found]
        given = [address] if address is not None else []
        return [*given, body["port"]] if "port" in body else given

    def _looked_up(self, key: Json, data: Json) -> Json:
        value = self.value(key)
        entries = self._sets.get(data[1:], ()) if isinstance(data, str) else data["set"]
        for known, found in entries:
            if self._equal(value, known):
                return found
        raise Mismatch

    def matches(self, body: Json) -> bool:
        """Return whether a match holds; raises Mismatch, Undecided."""
        holds = self._equal(self.value(body["left"]), body["right"])
        return not holds if body["op"] == "!=" else holds

    def value(self, expression: Json) -> Json:
        """Return what an expression is for this packet; raises Mismatch, Undecided."""
        if not isinstance(expression, dict):
            return expression
        ((name, body),) = expression.items()
        if name == "concat":
            return [self.value(each) for each in body]
        if name == "meta":
            return self._meta(body["key"])
        if name == "payload":
            return self._payload(body.get("protocol", ""), body.get("field", ""))
        if name == "ct":
            return self._ct(body["key"])
        if name == "fib" and body["result"] == "type":
            flags = body["flags"] if isinstance(body["flags"], list) else [body["flags"]]
            return self._kind(self.packet.source if "saddr" in flags else self.packet.destination)
        raise Undecided(f"nft's {name}")

    def _meta(self, key: str) -> Json:
        packet = self.packet
        known = {
            "iifname": packet.incoming,
            "iif": packet.incoming,
            "oifname": packet.outgoing,
            "oif": packet.outgoing,
            "l4proto": packet.protocol,
            "mark": packet.mark,
            "nfproto": "ipv4" if packet.version == 4 else "ipv6",
            "protocol": "ip" if packet.version == 4 else "ip6",
        }
        if key not in known:
            raise Undecided(f"meta {key}")
        return known[key]

    def _payload(self, protocol: str, field: str) -> Json:
        packet = self.packet
        if protocol in ("ip", "ip6"):
            if (protocol == "ip") != (packet.version == 4):
                raise Mismatch
            known: dict[str, Json] = {
                "saddr": packet.source,
                "daddr": packet.destination,
                "protocol": packet.protocol,
                "nexthdr": packet.protocol,
            }
        elif protocol in ("tcp", "udp", "sctp", "th"):
            if protocol not in ("th", packet.protocol) or packet.protocol == "icmp":
                raise Mismatch
            known = {"sport": packet.source_port, "dport": packet.destination_port}
        elif protocol in ("icmp", "icmpv6"):
            if packet.protocol != "icmp":
                raise Mismatch
            known = {"type": "echo-request"}
        else:
            raise Undecided(f"{protocol} {field}")
        if field not in known:
            raise Undecided(f"{protocol} {field}")
        return known[field]

    def _ct(self, key: str) -> Json:
        known = {
            "state": {"new"},
            "status": {"dnat"} if self.packet.translated else set(),
            "direction": "original",
            "mark": 0,
        }
        if key not in known:
            raise Undecided(f"ct {key}")
        return known[key]

    def _equal(self, value: Json, wanted: Json) -> bool:
        if isinstance(wanted, str) and wanted.startswith("@"):
            entries = self._sets.get(wanted[1:], ())
            return any(self._equal(value, each[0] if _is_pair(each) else each) for each in entries)
        if isinstance(wanted, dict):
            return self._equal_to_some(value, wanted)
        if isinstance(value, set):
            return bool(value & set(wanted if isinstance(wanted, list) else [wanted]))
        if isinstance(wanted, list):
            return any(self._equal(value, each) for each in wanted)
        return _same(value, wanted)

    def _equal_to_some(self, value: Json, wanted: Json) -> bool:
        ((name, body),) = wanted.items()
        if name == "elem":
            return self._equal(value, body["val"])
        if name == "set":
            return any(self._equal(value, each) for each in body)
        if name == "concat":
            parts = value if isinstance(value, list) else [value]
            return len(parts) == len(body) and all(map(self._equal, parts, body))
        if name == "prefix":
            return _address(value) in ip_network(f"{body['addr']}/{body['len']}", strict=False)
        if name == "range":
            low, high = body
            if isinstance(value, int):
                return int(low) <= value <= int(high)
            return int(ip_address(low)) <= int(_address(value)) <= int(ip_address(high))
        raise Undecided(f"nft's {name}")


def _is_pair(entry: Json) -> bool:
    return isinstance(entry, list) and len(entry) == 2


def _address(value: Json) -> Any:
    return ip_address(str(value))


def _same(value: Json, wanted: Json) -> bool:
    if isinstance(wanted, str) and wanted.endswith("*") and isinstance(value, str):
        return value.startswith(wanted[:-1])
    if value == wanted or str(value) == str(wanted):
        return True
    return _PROTOCOLS.get(wanted) == value if isinstance(wanted, (int, str)) else False
