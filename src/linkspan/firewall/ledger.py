"""The elements that should stand, with how many facts ask for each, and what each fact was rendered as.

Most facts are rendered alike wherever they stand. Two kinds of published ports are not, and what was chosen
for them is kept until they go:

- With the userland proxy, a port of a bridge without SkipOwnBridge needs an element of its own.
- The kernel refuses intervals that overlap. A run of endpoint ports that overlaps another one that is open
  already (10.0.0.5:8000-8009 and 10.0.0.6:8000-8004 of the same container) is opened port by port.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace

from linkspan.blueprint.facts import Fact, Fence, Publish, SkipOwnBridge
from linkspan.firewall.render.elements import Element
from linkspan.firewall.render.nftables import describe, is_translated, own_port, render
from linkspan.model.addresses import Address


class Ledger:
    """Books facts in and out; pure, and not for two threads at once."""

    def __init__(self) -> None:
        self._counts: dict[Element, int] = {}
        self._facts: dict[Fact, int] = {}
        self._special: dict[Fact, list[list[Element]]] = defaultdict(list)
        self._proxied: Counter[tuple[int, str]] = Counter()
        self._runs: dict[tuple[Address, str], Counter[range]] = defaultdict(Counter)

    def elements(self, family: int) -> list[Element]:
        """Return all that should stand in the table of `family`."""
        return [element for element in self._counts if element.of.family == family]

    def bridges(self, family: int) -> set[str]:
        """Return the names of the bridges whose networks have a way out in `family`."""
        return {
            fact.bridge
            for fact in self._facts
            if type(fact) is Fence and fact.subnet.version == family and not fact.internal
        }

    def take(self, facts: Iterable[Fact]) -> list[Element]:
        """Book `facts` in; return the elements that nobody asked for before.

        Raises ValueError, and books nothing, when one of them cannot be rendered.
        """
        fresh: list[Element] = []
        done: list[Fact] = []
        try:
            for fact in facts:
                for element in self._rendered(fact):
                    count = self._counts.get(element, 0)
                    self._counts[element] = count + 1
                    if not count:
                        fresh.append(element)
                self._facts[fact] = self._facts.get(fact, 0) + 1
                self._note(fact, 1)
                done.append(fact)
        except ValueError as error:
            self.release(done)
            raise ValueError(f"{describe(fact)}: {error}") from error
        return fresh

    def release(self, facts: Iterable[Fact]) -> list[Element]:
        """Book `facts` out; return the elements that nobody asks for any more. Unknown facts are no error."""
        doomed: list[Element] = []
        for fact in facts:
            count = self._facts.pop(fact, 0)
            if not count:
                continue
            if count > 1:
                self._facts[fact] = count - 1
            self._note(fact, -1)
            doomed += (element for element in self._forget(fact) if not self._counted_down(element))
        return doomed

    def _counted_down(self, element: Element) -> int:
        count = self._counts.pop(element) - 1
        if count:
            self._counts[element] = count
        return count

    def _rendered(self, fact: Fact) -> list[Element]:
        elements = render(fact)
        if type(fact) is Publish and (changed := self._adapted(fact, elements)) is not None:
            self._special[fact].append(changed)
            return changed
        return elements

    def _adapted(self, fact: Publish, elements: list[Element]) -> list[Element] | None:
        """Return what stands for `fact` instead of `elements`, None when they will do."""
        version = fact.endpoint_address.version
        alone = not fact.own_bridge and is_translated(fact) and (version, fact.bridge) not in self._proxied
        if not alone and fact.count == 1:
            return None
        crossed = fact.count > 1 and self._crosses(fact)
        if not alone and not crossed:
            return None
        if crossed:
            singles = (
                replace(fact, container_port=port, count=1, nat=False)
                for port in range(fact.container_port, fact.container_port + fact.count)
            )
            elements = [element for element in elements if element.of.name != "open_ranges"]
            elements += [element for single in singles for element in render(single)]
        return [*elements, own_port(fact)] if alone else elements

    def _crosses(self, fact: Publish) -> bool:
        run = _run(fact)
        others = self._runs.get((fact.endpoint_address, fact.protocol), ())
        return any(other != run and other.start < run.stop and run.start < other.stop for other in others)

    def _forget(self, fact: Fact) -> list[Element]:
        kept = self._special.get(fact) if self._special else None
        if not kept:
            return render(fact)
        elements = kept.pop()
        if not kept:
            del self._special[fact]
        return elements

    def _note(self, fact: Fact, step: int) -> None:
        if type(fact) is SkipOwnBridge:
            _count(self._proxied, (fact.family, fact.bridge), step)
        elif type(fact) is Publish and fact.count > 1:
            place = (fact.endpoint_address, fact.protocol)
            _count(self._runs[place], _run(fact), step)
            if not self._runs[place]:
                del self._runs[place]


def _run(fact: Publish) -> range:
    return range(fact.container_port, fact.container_port + fact.count)


def _count(counter: Counter, key: object, step: int) -> None:  # type: ignore[type-arg]
    counter[key] += step
    if counter[key] <= 0:
        del counter[key]
