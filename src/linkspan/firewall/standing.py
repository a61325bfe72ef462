"""What stands of our nftables tables in the kernel: recognised, compared, and removed."""

from __future__ import annotations

from collections.abc import Iterable

from linkspan.firewall import nfnetlink
from linkspan.firewall.nfnetlink import NfTables, Refused
from linkspan.firewall.render.elements import TABLE, Element
from linkspan.firewall.render.table import CHAINS, MARK, SETS, USER, table
from linkspan.model.errors import KernelError, LinkspanError

INSTEAD = "or start the daemon with --firewall-backend=iptables"
_USER_DATA, _CHAIN, _HANDLE = 6, 2, 3


def stands_ours(kernel: NfTables, each: int) -> bool:
    """Tell whether our table of family `each` is there; LinkspanError when one of its name is another's."""
    for _, found in kernel.dumped(nfnetlink.GET_TABLE, each):
        if found[1] == TABLE.encode() + b"\0":
            if MARK.encode() in found.get(_USER_DATA, b""):
                return True
            raise LinkspanError(
                f"the nftables table {table(each)} was made by somebody else: rename it, or remove it "
                f"(nft delete table {table(each)}), {INSTEAD}"
            )
    return False


def rules(kernel: NfTables, each: int) -> list[bytes]:
    """Return what tells our rules from any others: chain and handle of each, in their order."""
    dumped = kernel.dumped(nfnetlink.GET_RULE, each, nfnetlink.named(TABLE))
    ours = [found for _, found in dumped if found[_CHAIN].rstrip(b"\0").decode() in CHAINS]
    return [found[_CHAIN] + found[_HANDLE] for found in ours]


def holds(kernel: NfTables, each: int, elements: Iterable[Element]) -> bool:
    """Tell whether the sets of family `each` hold exactly `elements`."""
    wanted: dict[str, set[tuple[bytes, bytes]]] = {name: set() for name in SETS[each]}
    for element in elements:
        wanted[element.of.name].update(nfnetlink.keys(element.wire()))
    return all(set(kernel.keys(each, name)) == keys for name, keys in wanted.items())


def remove_ours(kernel: NfTables, each: int) -> None:
    """Delete our table if it is there, or what is ours in it when the user has rules in his chain.

    Raises LinkspanError when a table of that name is somebody else's, KernelError when the kernel refuses.
    """
    try:
        if stands_ours(kernel, each):
            _remove(kernel, each)
    except Refused as refused:
        raise KernelError(f"removing the table {table(each)}", refused.number, refused.reason) from refused


def _remove(kernel: NfTables, each: int) -> None:
    if not kernel.dumped(nfnetlink.GET_RULE, each, nfnetlink.named(TABLE, USER)):
        kernel.commit([nfnetlink.without_table(each)])
        return
    emptied = [nfnetlink.without(nfnetlink.DEL_RULE, each, name) for name in CHAINS]
    chains = [nfnetlink.without(nfnetlink.DEL_CHAIN, each, name) for name in CHAINS]
    sets = [nfnetlink.without(nfnetlink.DEL_SET, each, name) for name in SETS[each]]
    try:
        kernel.commit([*emptied, *chains, *sets])
    except Refused:  # the user's rules use some of our sets
        kernel.commit([*emptied, *chains, *(nfnetlink.emptied(each, name) for name in SETS[each])])
