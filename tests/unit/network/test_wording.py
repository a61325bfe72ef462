"""Sentences around failures keep the HTTP status and drop nothing but the error's number."""

from __future__ import annotations

from linkspan.model.errors import KernelError, NotFound
from linkspan.model.network import Endpoint
from linkspan.network.wording import external_connectivity, setting_up

ENDPOINT = Endpoint("e1", "n", "front", "c", "web", "")


def test_statuses_stay():
    told = setting_up(NotFound("network x not found"))
    assert (str(told), told.status) == ("failed to set up container networking: network x not found", 404)


def test_a_kernel_error_keeps_attempt_and_number():
    told = setting_up(KernelError("adding it", 17, "File exists"))
    assert isinstance(told, KernelError) and told.errno == 17
    assert str(told) == "failed to set up container networking: adding it: File exists"


def test_an_os_error_is_told_as_the_kernel_words_it():
    told = external_connectivity(ENDPOINT, OSError(99, "cannot assign requested address"))
    assert str(told) == (
        "driver failed programming external connectivity on endpoint web (e1):"
        " cannot assign requested address"
    )
    group = ExceptionGroup("many", [ValueError("one"), OSError(1, "two")])
    assert str(setting_up(group)).endswith(": one; two")
