"""Configuration-only networks: nothing in the kernel, and the mould of others."""

from __future__ import annotations

import pytest

from linkspan.model.errors import Forbidden, LinkspanError, NotFound
from linkspan.network.options import BRIDGE


def test_a_template_has_nothing_in_the_kernel_and_shapes_a_network(house):
    before = house.snapshot()
    options = ((BRIDGE + "enable_icc", "false"),)
    house.network("mould", "10.7.0.0/24", config_only=True, options=options)
    after = house.snapshot()
    assert (after["parts"], after["facts"]) == (before["parts"], before["facts"])
    network = house.network("front", config_from="mould")
    assert str(network.pools[0].subnet) == "10.7.0.0/24" and network.options == options
    with pytest.raises(Forbidden, match=r'^configuration network "mould" is in use$'):
        house.controller.remove_network("mould")
    house.controller.remove_network("front")
    house.controller.remove_network("mould")
    assert house.snapshot() == before


def test_a_template_survives_a_restart(house):
    template = house.network("mould", "10.7.0.0/24", config_only=True)
    house.restart()
    assert house.controller.network("mould") == template


def test_refusals(house):
    house.network("mould", config_only=True)
    house.network("plain")
    with pytest.raises(NotFound, match=r'^configuration network "nope" does not exist$'):
        house.network("front", config_from="nope")
    with pytest.raises(Forbidden, match=r"cannot be used as a configuration network"):
        house.network("front", config_from="plain")
    with pytest.raises(Forbidden, match=r"^user specified configurations are not supported"):
        house.network("front", "10.7.0.0/24", config_from="mould")
    with pytest.raises(
        LinkspanError, match=r"cannot create endpoint on configuration-only network$"
    ) as caught:
        house.join("web", "mould")
    assert caught.value.status == 403
