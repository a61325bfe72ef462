"""Taking ports back: which ones a request means, and what is left of the runs."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from linkspan.model.errors import NotFound
from linkspan.model.ports import PortBinding, PublishRequest
from linkspan.network.unpublishing import without

ANY, LOOP = ip_address("0.0.0.0"), ip_address("127.0.0.1")
FIXED = PublishRequest("tcp", 80, None, 8080, 8080)
CHOSEN = PublishRequest("tcp", 80)
LOCAL = PublishRequest("tcp", 80, LOOP, 8080, 8080)
GOT = (PortBinding("tcp", ANY, 8080, 80), PortBinding("tcp", ANY, 32768, 80))


@pytest.mark.parametrize(
    ("wish", "kept", "bindings"),
    [
        (FIXED, (CHOSEN,), GOT[1:]),
        (PublishRequest("tcp", 80, None, 32768, 32768), (FIXED,), GOT[:1]),
        (PublishRequest("tcp", 80), (), ()),
    ],
)
def test_a_request_means_its_host_port_or_all(wish, kept, bindings):
    assert without((CHOSEN, FIXED), GOT, [wish], "web") == (kept, bindings)


def test_an_address_is_told_from_every_address():
    bound = (PortBinding("tcp", LOOP, 8080, 80), PortBinding("tcp", ANY, 32768, 80))
    assert without((CHOSEN, LOCAL), bound, [LOCAL], "web") == ((CHOSEN,), bound[1:])
    with pytest.raises(NotFound, match=r"'80/tcp' published for web on host port 32768 of 127\.0\.0\.1"):
        without((CHOSEN, LOCAL), bound, [PublishRequest("tcp", 80, LOOP, 32768, 32768)], "web")


def test_both_families_of_a_port_go_together_and_other_runs_stay_whole():
    six = ip_address("::")
    run = (PublishRequest("tcp", 81, None, 8081, 8081), PublishRequest("tcp", 80, None, 8080, 8080))
    bindings = tuple(PortBinding("tcp", address, 8080, 80, 2) for address in (ANY, six))
    other = PortBinding("udp", ANY, 8080, 80, 2)
    kept, left = without(run, (*bindings, other), run[:1], "web")
    assert kept == run[1:]
    assert left == (PortBinding("tcp", ANY, 8080, 80), PortBinding("tcp", six, 8080, 80), other)
