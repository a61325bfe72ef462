"""The firewall written with nftables: two tables of our own, and one transaction per change.

The rules are written once, at start, by libnftables, in nft's own words (render/table.py). After that every
change of ours is the adding or deleting of elements, one system call on a connection that stays open, for
both families together. Other people's tables are never touched, and ours is known by its comment.

The kernel numbers the generations of its rule set. As long as the number is the one that our own changes led
to, nobody has touched anything, and `heal` costs one question.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from linkspan.blueprint.facts import Fact
from linkspan.firewall import nfnetlink
from linkspan.firewall.ledger import Ledger
from linkspan.firewall.libnftables import Libnftables, NftRefused
from linkspan.firewall.nfnetlink import NfTables, Refused, Step
from linkspan.firewall.obstacles import obstacles
from linkspan.firewall.render.elements import Element
from linkspan.firewall.render.nftables import describe, family, render
from linkspan.firewall.render.table import SETS, USER, definition, table
from linkspan.firewall.standing import INSTEAD, holds, remove_ours, rules, stands_ours
from linkspan.model.errors import KernelError, LinkspanError

log = logging.getLogger(__name__)

_GENERATIONS = 1 << 32
_UNKNOWN = -1


class NftablesFirewall:
    """Keeps firewall facts true with nftables; thread-safe.

    It works in the network namespace of the thread that calls `start` (or `stop`) first, and keeps its
    connections to it until `stop` or `close`. `ip6tables` false leaves IPv6 without a table. `accept_mark` is
    Docker's --bridge-accept-fwmark.
    """

    name = "nftables"

    def __init__(self, *, userland_proxy: bool = True, ip6tables: bool = True, accept_mark: str = "") -> None:
        self._userland_proxy = userland_proxy
        self._families = (4, 6) if ip6tables else (4,)
        self._accept_mark = accept_mark
        self._missing = dict.fromkeys(self._families, "nftables has not been started")
        self._ledger = Ledger()
        self._rules: dict[int, list[bytes]] = {}
        self._generation = 0
        self._tables: NfTables | None = None
        self._library: Libnftables | None = None
        self._lock = threading.Lock()

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Make the tables, or take over those of an earlier run, with exactly the elements of `facts`.

        What stood before and is wanted again stands all the time. Raises LinkspanError when libnftables, or
        nf_tables in the kernel, is missing, or a table of our name is somebody else's. Where only IPv6 fails,
        that is logged, and facts of IPv6 are refused later.
        """
        with self._exclusive("setting up the firewall"):
            kernel = self._open()
            self._library = self._library or Libnftables()
            ledger = Ledger()
            _book(ledger, self._mine(facts))
            for each in self._families:
                try:
                    self._define(each)
                except LinkspanError as error:
                    if each == 4 or ledger.elements(6):
                        raise
                    log.warning("IPv6 stays without firewall rules: %s", error)
                    self._missing[6] = str(error)
            self._ledger = ledger
            self._fill(kernel, [each for each in self._families if each not in self._missing])
            if 6 not in self._families:
                remove_ours(kernel, 6)

    def add(self, facts: Sequence[Fact]) -> None:
        """Add the elements of `facts`, all or none; KernelError names the fact that was refused.

        If our tables are gone (somebody's `nft flush ruleset`), all that is missing is put back first.
        """
        with self._exclusive("adding firewall rules"):
            try:
                self._add(facts)
            except Refused as refused:
                if not self._heal():
                    raise _error(refused, facts) from refused
                self._add_again(facts)

    def remove(self, facts: Sequence[Fact]) -> None:
        """Delete the elements of `facts` that no other fact asks for; what is gone already is no error."""
        with self._exclusive("removing firewall rules"):
            doomed = self._ledger.release(self._mine(facts))
            try:
                self._commit(nfnetlink.deletions(doomed))
            except Refused:
                self._generation = _UNKNOWN
                self._heal()

    def stop(self) -> None:
        """Remove our tables, of earlier runs as well, and close the connections.

        A table whose chain `user` holds rules stays with them alone, unhooked.
        """
        with self._exclusive("removing the firewall"):
            try:
                kernel = self._open()
                for each in (4, 6):
                    remove_ours(kernel, each)
            finally:
                self._close()

    def close(self) -> None:
        """Close the connections and leave the tables as they are."""
        with self._lock:
            self._close()

    def heal(self) -> bool:
        """Put back what somebody else removed or changed of ours; tell whether anything was."""
        with self._exclusive("healing the firewall"):
            return self._heal()

    def differences(self) -> list[str]:
        """Return the tables of ours that are missing, or hold other rules or elements than ours."""
        with self._exclusive("comparing the firewall"):
            return [
                f"table {table(each)} lacks rules or elements of ours, or holds some that belong to nothing"
                for each in self._families
                if each not in self._missing and not self._stands(self._open(), each)
            ]

    def restore(self) -> None:
        """Put right what `differences` tells, in one transaction for each family."""
        with self._exclusive("healing the firewall"):
            self._generation = _UNKNOWN
            self._heal()

    def obstacles(self) -> list[str]:
        """Return what else on this host drops our packets, each with its remedy."""
        with self._lock:
            bridges = {each: self._ledger.bridges(each) for each in self._families}
        return obstacles(bridges)

    @contextmanager
    def _exclusive(self, attempt: str) -> Iterator[None]:
        """One thread at a time; an error of the connection itself becomes one for the user."""
        with self._lock:
            try:
                yield
            except OSError as error:
                number = error.errno or errno.EIO
                raise KernelError(attempt, number, f"nftables: {error.strerror or error}") from error

    def _open(self) -> NfTables:
        if self._tables is None:
            try:
                self._tables = NfTables()
                self._tables.generation()
            except OSError as error:
                self._close()
                raise LinkspanError(
                    f"the kernel has no nf_tables ({error}): load it (modprobe nf_tables), {INSTEAD}"
                ) from error
        return self._tables

    def _close(self) -> None:
        if self._tables is not None:
            self._tables.close()
        if self._library is not None:
            self._library.close()
        self._tables = self._library = None
        self._ledger = Ledger()
        self._missing = dict.fromkeys(self._families, "nftables has not been started")

    def _add(self, facts: Sequence[Fact]) -> None:
        mine = self._mine(facts)
        fresh = _book(self._ledger, mine)
        try:
            self._require(fresh)
            self._commit(nfnetlink.additions(fresh))
        except (Refused, LinkspanError):
            self._ledger.release(mine)
            raise

    def _add_again(self, facts: Sequence[Fact]) -> None:
        try:
            self._add(facts)
        except Refused as refused:
            raise _error(refused, facts) from refused

    def _mine(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        return facts if 6 in self._families else [fact for fact in facts if family(fact) == 4]

    def _require(self, elements: Iterable[Element]) -> None:
        for element in elements if self._missing else ():
            if element.of.family in self._missing:
                raise LinkspanError(f"cannot add firewall rules: {self._missing[element.of.family]}")

    def _commit(self, steps: Sequence[Step]) -> None:
        if steps and self._tables is not None:
            self._tables.commit(steps)
            if self._generation != _UNKNOWN:
                self._generation = (self._generation + 1) % _GENERATIONS

    def _define(self, each: int) -> None:
        """Write sets, chains and rules of one family; elements and the user's chain stay as they are."""
        assert self._tables is not None and self._library is not None
        standing = stands_ours(self._tables, each)
        text = definition(each, userland_proxy=self._userland_proxy, accept_mark=self._accept_mark)
        try:
            self._library.run(text)
        except NftRefused as refused:
            if not (standing and _replaced(self._library, each, text)):
                raise _refusal(each, standing, refused) from refused
        self._rules[each] = rules(self._tables, each)
        self._missing.pop(each, None)

    def _fill(self, kernel: NfTables, families: Sequence[int]) -> None:
        """Replace all elements by those of the ledger, in one transaction."""
        steps = [nfnetlink.emptied(each, name) for each in families for name in SETS[each]]
        wanted = [element for each in families for element in self._ledger.elements(each)]
        before = kernel.generation()
        try:
            kernel.commit(steps + nfnetlink.additions(wanted))
        except Refused as refused:
            raise _error(refused, ()) from refused
        after = kernel.generation()
        alone = (after - before) % _GENERATIONS <= 1  # none, if there was nothing to replace
        self._generation = after if alone else _UNKNOWN

    def _stands(self, kernel: NfTables, each: int) -> bool:
        """Whether the table holds our rules, as they were written, and exactly the ledger's elements."""
        return (
            stands_ours(kernel, each)
            and rules(kernel, each) == self._rules[each]
            and holds(kernel, each, self._ledger.elements(each))
        )

    def _heal(self) -> bool:
        if self._tables is None or self._library is None:
            return False
        generation = self._tables.generation()
        if generation == self._generation:
            return False
        standing = [each for each in self._families if each not in self._missing]
        broken = [each for each in standing if not self._stands(self._tables, each)]
        for each in broken:
            self._define(each)
        if broken:
            self._fill(self._tables, broken)
        else:
            self._generation = generation
        return bool(broken)


def _book(ledger: Ledger, facts: Sequence[Fact]) -> list[Element]:
    try:
        return ledger.take(facts)
    except ValueError as error:
        raise KernelError("adding firewall rules", errno.EINVAL, f"nftables: {error}") from error


def _replaced(library: Libnftables, each: int, text: str) -> bool:
    """Make a table of another version of ours anew, in one transaction that keeps the user's chain."""
    try:
        users = library.run(f"list chain {table(each)} {USER}")
        library.run(f"delete table {table(each)}\n{text}\n{users}")
    except NftRefused:
        return False
    log.info("made the table %s anew: it was of another version", table(each))
    return True


def _refusal(each: int, standing: bool, refused: NftRefused) -> KernelError:
    if standing:
        reason = f"the table holds what does not fit: see `nft list table {table(each)}` and delete it"
    else:
        reason = "the kernel lacks something that the rules need: use another kernel"
    return KernelError(
        f"writing the table {table(each)}", errno.EOPNOTSUPP, f"{refused}: {reason}, {INSTEAD}"
    )


def _error(refused: Refused, facts: Iterable[Fact]) -> KernelError:
    """The error for the user: the fact and the element that the kernel refused, and its own words."""
    culprit, where = refused.element, ""
    if culprit is not None:
        asking = next((describe(fact) for fact in facts if culprit in render(fact)), "")
        where = f" (at: {asking + ', ' if asking else ''}{culprit.text()})"
    return KernelError("adding firewall rules", refused.number, f"nftables: {refused.reason}{where}")
