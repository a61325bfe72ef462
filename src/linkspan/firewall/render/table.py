"""The table `linkspan`: its sets, its chains and its rules, whose number never changes; pure.

The verdicts are those of the iptables backend (see iptables.py), step by step:

    early        DirectAccessDrop and LoopbackOnly, before anything else
    prerouting   packets from a bridge with SkipOwnBridge meet the proxy; others are translated in `publish`
    forward      the user's chain; answers; internal networks; what enters a bridge from outside (published
                 ports, else the network's default) or stays on it (links, icc); the way out
    postrouting  a container that reaches itself by a published port; Masquerade

The chain `user` is made once, is asked first, and is never written again. One thing that iptables.py writes
has no counterpart: the checksum of SCTP is left to the kernel, which fills it in where it is needed.
"""

from __future__ import annotations

from linkspan.firewall.render.elements import TABLE, Set

MARK = "made by Linkspan; your own rules belong into the chain user"
"""The table's comment, by which we know our own."""

USER = "user"
_PORT = "inet_proto . inet_service"
_ANY_PORT = "meta l4proto { tcp, udp, sctp }"  # nft wants it said before a map of intervals leads to a port
_INTERVAL, _COUNTER = "interval", "counter"

_SETS = (
    ("guarded", "ADDRESS", "", "", "endpoints that only the links in ways lead to"),
    ("ways", "ADDRESS . ifname", "", "", "links that lead to guarded endpoints"),
    ("loopback_ports", f"ADDRESS . {_PORT}", "", "", "published for the host itself"),
    ("loopback_ranges", f"ADDRESS . {_PORT}", "", _INTERVAL, "published for the host itself"),
    ("proxied", "ifname", "", "", "bridges whose containers meet the userland proxy"),
    ("own_ports", f"ifname . ADDRESS . {_PORT}", "", _INTERVAL, "ports that a bridge meets at the proxy"),
    ("ports", f"ADDRESS . {_PORT}", "ADDRESS . inet_service", "", "published on one host address"),
    ("ports_any", _PORT, "ADDRESS . inet_service", "", "published on every host address"),
    ("ranges", f"ADDRESS . {_PORT}", "ADDRESS", _INTERVAL, "as ports: runs that keep their numbers"),
    ("ranges_any", _PORT, "ADDRESS", _INTERVAL, "as ports_any: runs that keep their numbers"),
    (
        "ports_own",
        f"ADDRESS . {_PORT}",
        "ADDRESS . inet_service",
        _INTERVAL,
        "restricted, for the host itself",
    ),
    ("ports_from", f"ADDRESS . ADDRESS . {_PORT}", "ADDRESS . inet_service", _INTERVAL, "by who may come"),
    ("open_from", f"ADDRESS . ADDRESS . {_PORT}", "", _INTERVAL, "as open_ports, by who may come"),
    ("open_ports", f"ADDRESS . {_PORT}", "", "", "endpoint ports open to the outside"),
    ("open_ranges", f"ADDRESS . {_PORT}", "", _INTERVAL, "endpoint ports open to the outside"),
    ("bridges", "ifname", "", "", "networks with a way out"),
    ("internal", "ifname", "", "", "networks without a way out"),
    ("egress", "ifname", "", "", "networks with a list of destinations"),
    ("egress_to", "ifname . ADDRESS", "", _INTERVAL, "the destinations"),
    ("egress_names", "ifname . ADDRESS", "", "", "destinations that names have opened"),
    ("routed", "ifname", "", "", "networks that may be pinged from outside"),
    ("same", "ifname . ifname", "", "", "from a bridge to itself"),
    ("turned", "ifname . ifname", "", "", "bridges whose containers are led back by a translation"),
    ("turning", "ADDRESS . ifname", "", _INTERVAL, "subnets and their bridges, led back likewise"),
    ("inside", "ifname . ADDRESS", "", _INTERVAL, "subnets of internal networks"),
    ("within", "ifname . ifname", "verdict", "", "between containers of one network"),
    ("default", "ifname", "verdict", _COUNTER, "from outside to no published port"),
    ("links", f"ifname . ADDRESS . ADDRESS . {_PORT}", "", "", "legacy links: parent, child and its port"),
    ("itself", "ADDRESS . ADDRESS", "", "", "endpoints that reach themselves by a published port"),
    ("home", "ADDRESS . ifname", "", _INTERVAL, "subnets and their bridges"),
    ("masqueraded", "ADDRESS", "", _INTERVAL, "subnets that leave with the address of the host"),
    ("sources", "ADDRESS", "ADDRESS", _INTERVAL, "subnets that leave with a given address"),
    ("host_masqueraded", "ifname", "", "", "bridges that the host enters masqueraded"),
    ("host_sources", "ifname", "ADDRESS", "", "bridges that the host enters with a given address"),
)

_CHAINS = {
    "early": (
        "{ type filter hook prerouting priority -300; policy accept; }",
        "IP daddr @guarded IP daddr . iifname != @ways counter drop",
        'iifname != "lo" IP daddr LOOPBACK jump loopback',
    ),
    "loopback": (
        "",
        "IP daddr . meta l4proto . th dport @loopback_ports counter drop",
        "IP daddr . meta l4proto . th dport @loopback_ranges counter drop",
    ),
    "prerouting": (
        "{ type nat hook prerouting priority -100; policy accept; }",
        "iifname @proxied return",
        "fib daddr type local iifname . IP daddr . meta l4proto . th dport != @own_ports jump publish",
    ),
    "output": (
        "{ type nat hook output priority -100; policy accept; }",
        "OTHERS fib daddr type local jump publish",
    ),
    "publish": (
        "",
        "OTHER_LINK",
        f"fib saddr type local {_ANY_PORT} dnat to IP daddr . meta l4proto . th dport map @ports_own",
        f"{_ANY_PORT} dnat to IP saddr . IP daddr . meta l4proto . th dport map @ports_from",
        "dnat to IP daddr . meta l4proto . th dport map @ports",
        "dnat to meta l4proto . th dport map @ports_any",
        "dnat to IP daddr . meta l4proto . th dport map @ranges",
        "dnat to meta l4proto . th dport map @ranges_any",
    ),
    "forward": (
        "{ type filter hook forward priority 0; policy accept; }",
        f"jump {USER}",
        "MARKED",
        "ct state established,related oifname @bridges accept",
        "iifname @internal LEAVING iifname . IP daddr != @inside counter drop",
        "oifname @internal LEAVING oifname . IP saddr != @inside counter drop",
        "oifname @bridges jump into",
        "iifname . oifname vmap @within",
        "iifname @egress jump leaving",
        "iifname @bridges accept",
    ),
    "leaving": (
        "",
        "ct state established,related accept",
        "iifname . IP daddr @egress_to accept",
        "iifname . IP daddr @egress_names accept",
        "counter drop",
    ),
    "into": (
        "",
        "iifname . oifname @turned ct status dnat accept",
        "iifname . oifname @same goto linked",
        "IP daddr . meta l4proto . th dport @open_ports accept",
        "IP daddr . meta l4proto . th dport @open_ranges accept",
        "IP saddr . IP daddr . meta l4proto . th dport @open_from accept",
        "meta l4proto ICMP oifname @routed accept",
        "oifname vmap @default",
    ),
    "linked": (
        "",
        "iifname . IP saddr . IP daddr . meta l4proto . th dport @links accept",
        "iifname . IP daddr . IP saddr . meta l4proto . th sport @links accept",
    ),
    "postrouting": (
        "{ type nat hook postrouting priority 100; policy accept; }",
        "IP saddr . IP daddr @itself masquerade",
        "IP saddr . oifname @turning ct status dnat masquerade",
        "oifname @host_masqueraded fib saddr type local masquerade",
        "fib saddr type local snat to oifname map @host_sources",
        "IP saddr . oifname @home return",
        "IP saddr @masqueraded masquerade",
        "snat to IP saddr map @sources",
    ),
}

CHAINS = tuple(_CHAINS)
"""The chains whose whole content is ours."""

_WORDS = {
    4: {"IP": "ip", "LOOPBACK": "127.0.0.0/8", "ICMP": "icmp", "LEAVING": "", "OTHER_LINK": ""},
    6: {
        "IP": "ip6",
        "LOOPBACK": "::1",
        "ICMP": "ipv6-icmp",
        "LEAVING": "iifname . oifname != @same",
        "OTHER_LINK": "ip6 saddr fe80::/10 return",
    },
}
"""What differs in IPv6: link-local addresses are in no subnet, so what stays on an internal bridge is let
alone, and are of no use behind a translation."""


def _set(family: int, name: str, key: str, data: str, flags: str, about: str) -> Set:
    types = [tuple(text.replace("ADDRESS", f"ipv{family}_addr").split(" . ")) for text in (key, data)]
    return Set(
        family,
        name,
        types[0],
        about,
        types[1] if data else (),
        interval=_INTERVAL in flags,
        counter=_COUNTER in flags,
    )


SETS: dict[int, dict[str, Set]] = {family: {row[0]: _set(family, *row) for row in _SETS} for family in (4, 6)}
"""Every set of ours, by family and name."""


def table(family: int) -> str:
    """Return the family and the name of our table in nft's words."""
    return f"{'ip' if family == 4 else 'ip6'} {TABLE}"


def definition(family: int, *, userland_proxy: bool = True, accept_mark: str = "") -> str:
    """Return what makes the table of `family`, or brings the rules of one that stands up to date.

    Sets, their elements and the user's chain are kept if they are there. `accept_mark` is Docker's
    bridge-accept-fwmark, "mark" or "mark/mask" in any base that C knows. With the userland proxy the host's
    own connections to loopback addresses are not translated.
    """
    words = dict(_WORDS[family])
    words["OTHERS"] = f"{words['IP']} daddr != {words['LOOPBACK']}" if userland_proxy else ""
    words["MARKED"] = f"meta mark {_mark(accept_mark)} accept" if accept_mark else ""
    ours = table(family)
    return "\n".join(
        [
            f'add table {ours} {{ comment "{MARK}"; }}',
            *(f"add {each.kind} {ours} {each.name} {each.specification()}" for each in SETS[family].values()),
            f"add chain {ours} {USER}",
            *(f"add chain {ours} {name} {lines[0]}".strip() for name, lines in _CHAINS.items()),
            *(f"flush chain {ours} {name}" for name in CHAINS),
            *(f"add rule {ours} {name} {rule}" for name in CHAINS for rule in _filled(name, words)),
            "",
        ]
    )


def _filled(chain: str, words: dict[str, str]) -> list[str]:
    texts = (" ".join(words.get(word, word) for word in rule.split(" ")) for rule in _CHAINS[chain][1:])
    return [" ".join(text.split()) for text in texts if text.strip()]


def _mark(text: str) -> str:
    mark, *mask = (hex(int(number, 0)) for number in text.split("/"))
    return f"and {mask[0]} == {mark}" if mask else mark
