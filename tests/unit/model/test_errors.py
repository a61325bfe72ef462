"""Every failure has the status that Docker answers."""

from __future__ import annotations

import errno

import pytest

from linkspan.model import errors


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.LinkspanError, 500),
        (errors.InvalidParameter, 400),
        (errors.Unauthorized, 401),
        (errors.Forbidden, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.NotImplementedHere, 501),
        (errors.Unavailable, 503),
    ],
)
def test_status(kind, status):
    error = kind("a sentence")
    assert (error.status, str(error)) == (status, "a sentence")
    assert isinstance(error, errors.LinkspanError)


def test_a_kernel_error_says_what_was_attempted():
    error = errors.KernelError("adding 172.17.0.2/16 to eth0 of web", errno.EEXIST, "File exists")
    assert str(error) == "adding 172.17.0.2/16 to eth0 of web: File exists"
    assert (error.status, error.errno, error.reason) == (500, errno.EEXIST, "File exists")
