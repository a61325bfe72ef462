"""The one error tree: every failure a user can meet, with its HTTP status.

LinkspanError (500)
├── InvalidParameter (400)
├── Unauthorized (401)
├── Forbidden (403)
├── NotFound (404)
├── Conflict (409)
├── NotImplementedHere (501)
├── Unavailable (503)
└── KernelError (500)      what was attempted, and the kernel's answer
"""

from __future__ import annotations


class LinkspanError(Exception):
    """A failure with a sentence for the user; `status` is the HTTP status of the Engine API."""

    status = 500


class InvalidParameter(LinkspanError):
    """The request itself is wrong."""

    status = 400


class Unauthorized(LinkspanError):
    """Credentials are missing or refused."""

    status = 401


class Forbidden(LinkspanError):
    """The request is understood and refused in the present state."""

    status = 403


class NotFound(LinkspanError):
    """The named object does not exist."""

    status = 404


class Conflict(LinkspanError):
    """The request contradicts the state of an object, or a name is taken."""

    status = 409


class NotImplementedHere(LinkspanError):
    """Docker has this, Linkspan does not (yet)."""

    status = 501


class Unavailable(LinkspanError):
    """Something needed is exhausted or away for now."""

    status = 503


class KernelError(LinkspanError):
    """The kernel refused a step.

    `attempt` says what was tried ("adding 172.17.0.2/16 to eth0 of web"), `errno` is the kernel's number.
    """

    def __init__(self, attempt: str, errno: int, reason: str) -> None:
        super().__init__(f"{attempt}: {reason}")
        self.attempt = attempt
        self.errno = errno
        self.reason = reason
