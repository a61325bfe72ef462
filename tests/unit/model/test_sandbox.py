"""Sandboxes: finding the endpoint that leads out, and the one on a network."""

from __future__ import annotations

from linkspan.model.network import Endpoint
from linkspan.model.sandbox import ContainerIdentity, Sandbox, SandboxRequest

ENDPOINTS = tuple(Endpoint(f"e{n}", f"n{n}", f"net{n}", "c", "web", "/s") for n in (1, 2))
SANDBOX = Sandbox(ContainerIdentity("c", "web"), "net1", "/s", ENDPOINTS, gateway="e2")


def test_the_gateway_endpoint_is_not_always_the_first():
    assert SANDBOX.gateway_endpoint is ENDPOINTS[1]
    assert Sandbox(ContainerIdentity("c", "web"), "none", "/s").gateway_endpoint is None


def test_an_endpoint_on_a_network():
    assert SANDBOX.endpoint_on("n1") is ENDPOINTS[0]
    assert SANDBOX.endpoint_on("n3") is None


def test_a_request_means_the_default_bridge_unless_it_says_more():
    assert SandboxRequest(ContainerIdentity("c", "web")).mode == "bridge"
