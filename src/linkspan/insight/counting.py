"""What the kernel has counted: tracked flows in a dump, the rules that drop by one program a family."""

from __future__ import annotations

import shutil
from typing import Any

from linkspan.insight.programs import printed
from linkspan.insight.traffic import dropping, dropping_nft
from linkspan.kernel import conntrack
from linkspan.kernel.conntrack import Flow


def flows() -> list[Flow]:
    """Return what the thread's namespace tracks; nothing on a kernel that does not tell."""
    netlink = conntrack.open_socket()
    try:
        return list(conntrack.flows(netlink)) if conntrack.is_available(netlink) else []
    finally:
        netlink.close()


def drops(backend: str) -> list[dict[str, Any]]:
    """Return the rules that drop, as `insight.traffic` says; `backend` is that of the daemon.

    Raises LinkspanError when the program that lists them fails.
    """
    found: list[dict[str, Any]] = []
    for family, tool, table in ((4, "iptables-save", "ip"), (6, "ip6tables-save", "ip6")):
        if backend == "nftables":
            found += dropping_nft(printed("nft", "-t", "list", "table", table, "linkspan"), family)
        elif backend == "iptables" and shutil.which(tool):
            found += dropping(printed(tool, "-c"), family)
    return found
