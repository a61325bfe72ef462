"""Documents: nouns survive JSON, older and newer documents can be read."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from linkspan.model.documents import decode, encode
from linkspan.model.network import Endpoint, EndpointConfig, Network, Pool
from linkspan.model.ports import PortBinding, PublishRequest
from linkspan.model.sandbox import ContainerIdentity, Sandbox

ENDPOINT = Endpoint(
    "e",
    "n",
    "front",
    "c",
    "web",
    "/run/netns/c",
    ipv4=ip_interface("10.0.0.2/24"),
    ipv6=ip_interface("fd00::2/64"),
    gateway4=ip_address("10.0.0.1"),
    dns_names=("web", "www"),
    config=EndpointConfig(link_local=(ip_address("169.254.0.1"),), driver_opts=(("a", "b"),), gw_priority=3),
)
NETWORK = Network(
    "n",
    "front",
    "bridge",
    "2026-01-01T00:00:00Z",
    pools=(
        Pool(
            ip_network("10.0.0.0/24"),
            ip_address("10.0.0.1"),
            ip_network("10.0.0.128/25"),
            (("x", ip_address("10.0.0.9")),),
        ),
    ),
    options=(("o", "1"),),
)
SANDBOX = Sandbox(
    ContainerIdentity("c", "web"),
    "front",
    "/run/netns/c",
    (ENDPOINT,),
    (PortBinding("tcp", ip_address("::"), 8080, 80, 3),),
    (PublishRequest("tcp", 80),),
    "e",
)


@pytest.mark.parametrize("noun", [ENDPOINT, NETWORK, SANDBOX], ids=lambda noun: type(noun).__name__)
def test_nouns_survive_json(noun):
    assert decode(type(noun), json.loads(json.dumps(encode(noun)))) == noun


def test_other_versions_can_be_read():
    document = encode(ENDPOINT) | {"unheard": 1}
    del document["dns_names"]
    assert decode(Endpoint, document).dns_names == ()
    del document["network_id"]
    with pytest.raises(TypeError):
        decode(Endpoint, document)
