"""Why a container did not start: Docker's text, HTTP status and exit code (pure).

Source: moby daemon/errors.go (translateContainerdStartErr); 127 not found, 126 not executable, 128 the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from linkspan.model.container import Container
from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.runtime.failures import RuntimeFailure

UNKNOWN = 128


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed start: what the client is told, and the exit code in the container's state."""

    error: LinkspanError
    code: int


def explain(error: Exception, container: Container) -> Failure:
    """Return the failure for what went wrong while `container` was started."""
    text = _text(error)
    if not isinstance(error, RuntimeFailure):
        return Failure(error if isinstance(error, LinkspanError) else LinkspanError(text), UNKNOWN)
    lowered = text.lower()
    if "not a directory" in lowered:
        return Failure(
            InvalidParameter(
                f"{text}: Are you trying to mount a directory onto a file (or vice-versa)? "
                "Check if the specified host path exists and is the expected type"
            ),
            127,
        )
    if error.code in (126, 127):
        return Failure(InvalidParameter(text), error.code)
    return Failure(error, UNKNOWN)


def _text(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_text(part) for part in error.exceptions)
    return str(error) or type(error).__name__
