"""What the host holds of containers that do not exist: processes, root file systems, files, sandboxes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from linkspan.engine.house import House
from linkspan.runtime import parts


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that belongs to no container, and how it is removed (blocking)."""

    what: str
    id: str
    remove: Callable[[], object]

    @property
    def text(self) -> str:
        """Return one line for a person."""
        return f"{self.what} of {self.id[:12]}, which is no container,"


def leftovers(house: House) -> Iterator[Leftover]:
    """Yield what is left, in the order of removal; containers that are just being made do not count.

    Blocking; for a worker thread.
    """
    kinds: tuple[tuple[str, Callable[[], Iterable[str]], Callable[[str], object]], ...] = (
        ("the processes", house.runtime.known, partial(house.runtime.delete, force=True)),
        ("the root file system", house.overlay.ids, house.overlay.remove),
        ("the files", house.directories, partial(_remove_files, house)),
        ("the sandbox", partial(_sandboxes, house), house.network.leave),
        ("the fixed addresses", house.network.reserving, house.network.release),
    )
    for what, ids, remove in kinds:
        for id in list(ids()):
            if not house.registry.expects(id):
                yield Leftover(what, id, partial(remove, id))


def _sandboxes(house: House) -> list[str]:
    return [sandbox.container.id for sandbox in house.network.sandboxes()]


def _remove_files(house: House, id: str) -> None:
    parts.release(house.parts(id))
    shutil.rmtree(house.directory(id))
