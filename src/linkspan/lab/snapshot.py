"""Everything that a container or network may leave behind on a host, read at one moment and comparable."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

MARK = "@@section "

#: Section title -> the command a person would type to see it.
COMMANDS = {
    "links": "ip -o link show",
    "addresses": "ip -o addr show",
    "routes": "ip route show table all; ip -6 route show table all; ip rule show",
    "iptables": "iptables-save",
    "ip6tables": "ip6tables-save",
    "nftables": "nft list tables | grep -vE ' ip6? (filter|nat|raw|mangle)$' | sed 's/^/list /' | nft -f -",
    "sockets": "ss -HnlptuwS",
    "mounts": "cut -d' ' -f5 /proc/self/mountinfo",
    "processes": "ps -wweo pid=,ppid=,args=",
    "cgroups": "find /sys/fs/cgroup -mindepth 1 -type d",
}


def script(directories: Sequence[str]) -> str:
    """The shell script whose output `Snapshot.parse` reads; `directories` are listed with all below them."""
    lines = [f"echo '{MARK}{title}'; {{ {command}; }} 2>&1" for title, command in COMMANDS.items()]
    listing = "; ".join(f"[ ! -e {d} ] || find {d} -xdev" for d in directories)
    return "\n".join([*lines, f"echo '{MARK}files'; {listing or ':'}"])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a host holds, one sorted tuple of lines for each section; equal when nothing was left behind.

    Figures that change by themselves are taken out: packet counters, process ids, link indexes, the carrier,
    link-local addresses (a bridge gets its own when its first port comes up, and keeps it). So is what the
    engine makes at its first need and keeps for the next: empty directories and tables, the proxy's process.
    """

    sections: dict[str, tuple[str, ...]] = field(hash=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the output of `script`."""
        sections: dict[str, tuple[str, ...]] = {}
        for block in text.split(MARK)[1:]:
            title, _, body = block.partition("\n")
            clean = CLEANERS.get(title, str.strip)
            kept = [line for line in map(clean, body.splitlines()) if line and not FURNITURE.search(line)]
            if title in ("iptables", "ip6tables"):
                kept = list(_tables_in_use(kept))
            elif title != "nftables":
                kept.sort()
            sections[title] = tuple(kept)
        return cls(sections)

    def difference(self, later: "Snapshot") -> str:
        """What the later snapshot has more (+) and less (-), by section; empty when they are equal."""
        parts = []
        for title in self.sections:
            lines = difflib.unified_diff(
                self.sections[title], later.sections.get(title, ()), n=0, lineterm="", fromfile="", tofile=""
            )
            changed = [line for line in list(lines)[2:] if not line.startswith("@@")]
            if changed:
                parts.append("\n".join([f"{title}:", *(f"  {line}" for line in changed)]))
        return "\n".join(parts)

    def __getitem__(self, title: str) -> tuple[str, ...]:
        return self.sections[title]


#: What the engine makes once, empty, and keeps.
FURNITURE = re.compile(
    r"/exec/(netns|runtime|containers|proxy\.(sock|log)|iptables\.json)$"
    r"|/data/(containers|overlay|volumes)$"
    r"|/data/containers/[0-9a-f]{64}/resolver$"
    r"|^/sys/fs/cgroup/.*/linkspan$"
    r"|linkspan-proxy .*/proxy\.sock$"
)


def _tables_in_use(lines: list[str]) -> Iterator[str]:
    """The saved tables without those that hold neither a rule nor a chain of somebody's."""
    for table in "\n".join(lines).split("COMMIT"):
        block = table.strip().splitlines()
        if any(line.startswith("-A") or line.endswith((" -", " DROP")) for line in block):
            yield from block


def _link(line: str) -> str:
    line = re.sub(r"^\d+: ", "", line.strip())
    line = re.sub(r"(NO-CARRIER,|,?LOWER_UP)", "", line)
    line = re.sub(r" state \w+", "", line)
    return re.sub(r"@if\d+", "@if", line).replace("\\", "")


def _address(line: str) -> str:
    line = re.sub(r"^\d+: ", "", line.strip())
    return "" if " fe80:" in line else re.sub(r"(@if)\d+", r"\1", line.replace("\\", ""))


def _route(line: str) -> str:
    line = line.strip().replace(" linkdown", "")
    transient = "fe80:" in line or line.startswith("multicast ff00::/8") or "anycast" in line
    return "" if transient else re.sub(r" expires \S+", "", line)


def _rule(line: str) -> str:
    line = line.strip()
    return "" if line.startswith("#") else re.sub(r" ?\[\d+:\d+\]", "", line)


def _nft(line: str) -> str:
    return re.sub(r"counter packets \d+ bytes \d+", "counter", line.rstrip())


def _socket(line: str) -> str:
    words = line.split()
    who = re.sub(r",pid=\d+,fd=\d+", "", words[6]) if len(words) > 6 else ""
    return " ".join([words[0], words[4], who]).strip() if len(words) > 4 else ""


_LOOK = re.compile(r"\S*ip6?tables(-\w+)?-save( .*)?")  # the engine looks at the rules now and then


def _process(line: str) -> str:
    """Process 1, its cat and our own script are the lab's, not the host's."""
    words = line.split(maxsplit=2)
    if len(words) < 3 or words[0] == "1" or (words[1] == "1" and words[2] == "cat"):
        return ""
    if words[2].endswith("<defunct>"):  # it has ended, and is about to be taken from the table
        return ""
    passing = words[2] in ("bash -s", COMMANDS["processes"]) or _LOOK.fullmatch(words[2])
    return "" if passing else words[2]


CLEANERS: dict[str, Callable[[str], str]] = {
    "links": _link,
    "addresses": _address,
    "routes": _route,
    "iptables": _rule,
    "ip6tables": _rule,
    "nftables": _nft,
    "sockets": _socket,
    "processes": _process,
}
