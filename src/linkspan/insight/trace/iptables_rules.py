"""The output of iptables-save as tables that can be asked: matches and targets, as iptables(8) says them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network

from linkspan.insight.trace import translations
from linkspan.insight.trace.packet import Packet
from linkspan.insight.trace.ruleset import (
    ACCEPT,
    DROP,
    FORWARD,
    GO_ON,
    GOTO,
    INPUT,
    JUMP,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    REJECT,
    RETURN,
    Chain,
    Effect,
    Kind,
    Rule,
    Table,
    Undecided,
)

_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_HOOKS = {each.upper(): each for each in (PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING)}
_LINE = re.compile(r"(?:\[(\d+):\d+\] )?-A (\S+) ?(.*)")
_VERDICTS = {"ACCEPT": ACCEPT, "DROP": DROP, "RETURN": RETURN, "REJECT": REJECT}
#: targets after which the packet goes on to the next rule, unchanged as far as its way is concerned
_PASSING = ("LOG", "NFLOG", "CHECKSUM", "TCPMSS", "CONNMARK", "CT", "NOTRACK", "TRACE", "SET", "CLASSIFY")

_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp", "132": "sctp"}
_PROTOCOLS |= {"ipv6-icmp": "icmp", "icmpv6": "icmp"}

Test = Callable[[Packet, Kind], bool]


def tables(text: str, tool: str) -> list[Table]:
    """Return the tables of `iptables-save -c`; `tool` is what edits them: iptables, ip6tables-legacy, …"""
    family = "ip6" if tool.startswith("ip6") else "ip"
    found: list[Table] = []
    rules: dict[str, list[Rule]] = {}
    policies: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            found.append(Table(tool, line[1:], family))
            rules, policies = {}, {}
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            rules[name] = []
            policies[name] = policy
        elif match := _LINE.match(line):
            counted, chain, arguments = match.groups()
            rules[chain].append(_rule(tool, found[-1].name, chain, arguments, int(counted or -1)))
        elif line == "COMMIT":
            last = found[-1]
            chains = {name: _chain(last.name, name, rules[name], policies[name]) for name in rules}
            found[-1] = replace(last, chains=chains)
    return found


def _chain(table: str, name: str, rules: list[Rule], policy: str) -> Chain:
    hook = _HOOKS.get(name, "")
    priority = _PRIORITIES.get(table, 0)
    if table == "nat" and hook in (INPUT, POSTROUTING):
        priority = 100
    return Chain(name, rules, hook, priority, DROP if policy == "DROP" else ACCEPT, nat=table == "nat")


def _rule(tool: str, table: str, chain: str, arguments: str, counted: int) -> Rule:
    place = "" if table == "filter" else f"-t {table} "
    return Rule(
        f"-A {chain} {arguments}".rstrip(),
        _Judge(arguments),
        counted,
        f"{tool} {place}-D {chain} {arguments}",
    )


class _Judge:
    """One rule's tests and target, understood when it is first asked."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._tests: list[Test] | None = None
        self._target: list[str] = []
        self._goto = False

    def __call__(self, packet: Packet, kind: Kind) -> Effect | None:
        if self._tests is None:
            self._tests = list(self._understood())
        doubt: Undecided | None = None
        for test in self._tests:
            try:
                if not test(packet, kind):
                    return None
            except Undecided as error:
                doubt = error
        if doubt:
            raise doubt
        return _effect(self._target, packet, self._goto)

    def _understood(self) -> Iterator[Test]:
        words = shlex.split(self._arguments)
        while words:
            word = words.pop(0)
            wrong = word == "!"
            if wrong:
                word = words.pop(0)
            if word in ("-j", "-g"):
                self._target, self._goto = words, word == "-g"
                return
            if word == "-m" or word == "--comment":
                words.pop(0)
            elif word in _FLAGS:
                yield _negated(_FLAGS[word], wrong)
            elif word == "--tcp-flags":
                yield _negated(_tcp_flags(words.pop(0), words.pop(0)), wrong)
            else:
                values = []
                while words and words[0] != "!" and not words[0].startswith("-"):
                    values.append(words.pop(0))
                yield _negated(_test(word, values), wrong)


def _negated(test: Test, wrong: bool) -> Test:
    return (lambda packet, kind: not test(packet, kind)) if wrong else test


def _test(option: str, values: list[str]) -> Test:
    if option in _TESTS and values:
        return _TESTS[option](values[0])
    if option.startswith("--limit"):
        return lambda packet, kind: True

    def unknown(packet: Packet, kind: Kind) -> bool:
        raise Undecided(f"{option} {' '.join(values)}".strip())

    return unknown


def _protocol(value: str) -> Test:
    names = {
        "6": "tcp",
        "17": "udp",
        "1": "icmp",
        "58": "icmp",
        "132": "sctp",
        "ipv6-icmp": "icmp",
        "icmpv6": "icmp",
    }
    wanted = names.get(value, value)
    return lambda packet, kind: wanted in ("all", "0") or packet.protocol == wanted


def _link(side: str) -> Callable[[str], Test]:
    def made(value: str) -> Test:
        def test(packet: Packet, kind: Kind) -> bool:
            name = str(getattr(packet, side))
            return name.startswith(value[:-1]) if value.endswith("+") else name == value

        return test

    return made


def _within(side: str) -> Callable[[str], Test]:
    def made(value: str) -> Test:
        subnet = ip_network(value, strict=False)
        return lambda packet, kind: getattr(packet, side) in subnet

    return made


def _ports(side: str) -> Callable[[str], Test]:
    def made(value: str) -> Test:
        ranges = [_range(text) for text in value.split(",")]
        return lambda packet, kind: any(low <= getattr(packet, side) <= high for low, high in ranges)

    return made


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition(":")
    return int(low or 0), int(high or (65535 if ":" in text else low))


def _kind(side: str) -> Callable[[str], Test]:
    return lambda value: lambda packet, kind: kind(getattr(packet, side)) in value.lower().split(",")


def _states(value: str) -> Test:
    def test(packet: Packet, kind: Kind) -> bool:
        now = {"NEW", "DNAT"} if packet.translated else {"NEW"}
        return bool(now & set(value.split(",")))

    return test


def _mark(value: str) -> Test:
    wanted, _, mask = value.partition("/")
    return lambda packet, kind: packet.mark & int(mask or "0xffffffff", 0) == int(wanted, 0)


def _tcp_flags(mask: str, wanted: str) -> Test:
    """The first packet of a TCP connection carries SYN alone."""
    asked = {"SYN"} if {"SYN", "ALL"} & set(mask.split(",")) else set()
    expected = set() if wanted == "NONE" else set(wanted.split(","))
    return lambda packet, kind: packet.protocol == "tcp" and asked == expected


_TESTS: dict[str, Callable[[str], Test]] = {
    "-p": _protocol,
    "-s": _within("source"),
    "-d": _within("destination"),
    "-i": _link("incoming"),
    "-o": _link("outgoing"),
    "--sport": _ports("source_port"),
    "--dport": _ports("destination_port"),
    "--sports": _ports("source_port"),
    "--dports": _ports("destination_port"),
    "--src-type": _kind("source"),
    "--dst-type": _kind("destination"),
    "--ctstate": _states,
    "--state": _states,
    "--mark": _mark,
}
_FLAGS: dict[str, Test] = {"--syn": lambda packet, kind: packet.protocol == "tcp"}


def _effect(target: list[str], packet: Packet, goto: bool) -> Effect:
    if not target:
        return Effect(GO_ON, packet)
    name, options = target[0], dict(zip(target[1::2], target[2::2], strict=False))
    if name in _VERDICTS:
        return Effect(_VERDICTS[name], packet)
    if name == "DNAT":
        return _destination(packet, options.get("--to-destination", ""))
    if name == "REDIRECT":
        return translations.redirect(packet, int(options.get("--to-ports", packet.destination_port)))
    if name == "MASQUERADE":
        return translations.masquerade(packet)
    if name == "SNAT":
        return _source(packet, options.get("--to-source", ""))
    if name == "MARK":
        return _marked(packet, options)
    if name in _PASSING:
        return Effect(GO_ON, packet)
    if name == "NFQUEUE":
        raise Undecided("a program decides: NFQUEUE")
    return Effect(GOTO if goto else JUMP, packet, name)


def _destination(packet: Packet, text: str) -> Effect:
    """Return DNAT to "172.17.0.2:80", or to "172.17.0.2:8000-8009/9000" counted from a base port."""
    match = re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?(?::(\d+)(?:-(\d+))?(?:/(\d+))?)?", text)
    if match is None:
        raise Undecided(f"DNAT to {text}")
    address, first, _, base = match.groups()
    if first is None:
        return translations.destination(packet, [address], packet.destination_port)
    port = int(first) + (packet.destination_port - int(base) if base else 0)
    return translations.destination(packet, [address, port], 0)


def _source(packet: Packet, text: str) -> Effect:
    """Return SNAT to "10.0.0.5", "10.0.0.5:53" or ":53"."""
    match = re.fullmatch(r"\[?([0-9a-fA-F.:]*?)\]?(?::(\d+)(?:-\d+)?)?", text)
    if match is None:
        raise Undecided(f"SNAT to {text}")
    return translations.source(packet, [match[1] or packet.source, *([match[2]] if match[2] else [])])


def _marked(packet: Packet, options: dict[str, str]) -> Effect:
    text = options.get("--set-xmark") or options.get("--set-mark") or ""
    value, _, mask = text.partition("/")
    if not value:
        return Effect(GO_ON, packet)
    bits = int(mask or "0xffffffff", 0)
    changed = replace(packet, mark=packet.mark & ~bits ^ int(value, 0))
    return Effect(GO_ON, changed, words=f"mark becomes {changed.mark:#x}")
