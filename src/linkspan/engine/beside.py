"""Setting a container's process up while its sandbox is completed: most of a start is waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from linkspan.engine.files import Files
from linkspan.engine.naming import Naming
from linkspan.model.container import Container
from linkspan.model.sandbox import Sandbox
from linkspan.runtime.creation import Creation


@dataclass(slots=True)
class Beside:
    """Writes a container's files and begins its creation when its namespace stands.

    An instance is the `Prepared` of `Controller.join`. What fails in here is raised by `creation`, after the
    network has been made: the network's own errors come first, as in Docker.
    """

    naming: Naming
    container: Container
    files: Files
    begin: Callable[[Sandbox], Creation]
    _creation: Creation | None = None
    _error: Exception | None = None

    def __call__(self, sandbox: Sandbox) -> Callable[[], object]:
        """Begin, and return what takes it back."""
        try:
            self.naming.joined(self.container, sandbox, self.files)
            self._creation = self.begin(sandbox)
        except Exception as error:
            self._error = error
        return self.take_back

    def take_back(self) -> None:
        """Remove the process that is being set up, and the names."""
        creation, self._creation = self._creation, None
        try:
            if creation is not None:
                creation.abandon()
        finally:
            self.naming.left(self.container.id)

    def creation(self) -> Creation:
        """Return what was begun, for the caller to finish; raises what the beginning failed with."""
        creation, self._creation = self._creation, None
        if self._error is not None:
            raise self._error
        assert creation is not None
        return creation
