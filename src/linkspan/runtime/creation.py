"""A container that is being set up: begun, so that other work goes on, then finished or abandoned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from linkspan.model.errors import LinkspanError
from linkspan.runtime import failures, monitor
from linkspan.runtime.bundle import Bundle
from linkspan.runtime.process import ContainerProcess, Created


class Creation:
    """What `Runtime.begin` has begun; `finish` or `abandon` must be called."""

    def __init__(
        self,
        process: ContainerProcess,
        bundle: Bundle,
        running: monitor.Monitor,
        discard: Callable[[], None],
    ) -> None:
        """`discard` removes everything of the container."""
        self._process = process
        self._bundle = bundle
        self._running: monitor.Monitor | None = running
        self._discard = discard

    @property
    def hostname(self) -> str:
        """Return the host name that the process is going to see."""
        return self._process.hostname

    def finish(self) -> Created:
        """Wait until the container is set up, its program waiting for `start`: about 20 ms in all.

        Raises RuntimeFailure in Docker's words; then nothing is left.
        """
        try:
            return self._waited()
        except BaseException:
            self._discard()
            raise

    def abandon(self) -> None:
        """Remove everything of the container, whether it is set up already or not."""
        with suppress(LinkspanError):
            self._waited()
        self._discard()

    def _waited(self) -> Created:
        running, self._running = self._running, None
        pid = 0
        if running is not None:
            try:
                pid = running.wait()
            except monitor.CreationFailed as error:
                raise failures.create_failure(str(error), self._process.args) from error
        return self._bundle.created() or Created(pid, 0)
