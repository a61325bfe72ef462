"""The endpoints that a container gets from its network mode and what was asked for."""

from __future__ import annotations

import pytest

from linkspan.engine.create import attachments
from linkspan.model.errors import InvalidParameter
from linkspan.model.network import EndpointConfig

ALIASED, OTHER = EndpointConfig(aliases=("a",)), EndpointConfig(gw_priority=1)


def test_the_mode_is_the_first_endpoint() -> None:
    assert attachments("bridge", {}) == {"bridge": EndpointConfig()}
    assert list(attachments("n1", {"n2": OTHER, "n1": ALIASED})) == ["n1", "n2"]
    assert attachments("n1", {"n1": ALIASED})["n1"] is ALIASED


def test_default_means_bridge() -> None:
    assert attachments("bridge", {"default": ALIASED}) == {"bridge": ALIASED}


def test_the_containers_mac_address_is_the_first_endpoints() -> None:
    assert attachments("bridge", {}, "02:00:00:00:00:01")["bridge"].mac == "02:00:00:00:00:01"
    own = EndpointConfig(mac="02:00:00:00:00:02")
    assert attachments("n1", {"n1": own}, "02:00:00:00:00:01")["n1"] is own


def test_a_shared_namespace_has_none() -> None:
    assert attachments("container:x", {}) == {}
    with pytest.raises(InvalidParameter, match="cannot attach both"):
        attachments("container:x", {"n1": OTHER})
    with pytest.raises(InvalidParameter, match="cannot attach both"):
        attachments("none", {"none": ALIASED, "n1": OTHER})
