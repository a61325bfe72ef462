"""Docker's sentences around a failure: the same error, told with what it happened in."""

from __future__ import annotations

from linkspan.model.errors import KernelError, LinkspanError
from linkspan.model.network import Endpoint


def wrapped(context: str, error: Exception) -> LinkspanError:
    """Return `error` told as "<context>: <error>", of a class with the same HTTP status."""
    if isinstance(error, KernelError):
        return KernelError(f"{context}: {error.attempt}", error.errno, error.reason)
    told = LinkspanError(f"{context}: {_reason(error)}")
    told.status = getattr(error, "status", 500)
    return told


def _reason(error: Exception) -> str:
    """Return what an error says, an OSError as the kernel words it and without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ExceptionGroup):
        return "; ".join(_reason(problem) for problem in error.exceptions)
    return str(error)


def setting_up(error: Exception) -> LinkspanError:
    """Return `error` as Docker 28 tells it when a container cannot be started for it."""
    return wrapped("failed to set up container networking", error)


def external_connectivity(endpoint: Endpoint, error: Exception) -> LinkspanError:
    """Return `error` as Docker tells it when a published port cannot be had."""
    return wrapped(
        "driver failed programming external connectivity on endpoint"
        f" {endpoint.container_name} ({endpoint.id})",
        error,
    )
