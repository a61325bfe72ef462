"""The view of a sandbox, made from its endpoints."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from linkspan.model.network import Endpoint, EndpointConfig
from linkspan.path.dns.view import SandboxView, Upstream, view_of

HOST, OWN = Upstream(ip_address("10.0.0.1")), Upstream(ip_address("10.0.0.2"), from_sandbox=True)


def _endpoint(network: str, gateway: str = "", *links: str) -> Endpoint:
    gateway4 = IPv4Address(gateway) if gateway else None
    config = EndpointConfig(links=links)
    return Endpoint(network, network, network, "c", "web", "", gateway4=gateway4, config=config)


def test_networks_links_and_gateways_come_from_the_endpoints() -> None:
    endpoints = [
        _endpoint("front", "172.18.0.1", "pg:DB", "cache"),
        _endpoint("back", "172.19.0.1", "pg:sql"),
    ]
    view = view_of("/ns", endpoints, [HOST], ndots_set=True, host_addresses=[ip_address("172.17.0.1")])
    assert view == SandboxView(
        sandbox="/ns",
        networks=("front", "back"),
        links=(("db", "pg"), ("cache", "cache"), ("sql", "pg")),
        upstreams=(HOST,),
        ndots_set=True,
        host_addresses=(ip_address("172.17.0.1"),),
        gateways=(ip_address("172.18.0.1"),),
    )


def test_a_sandbox_without_networks() -> None:
    assert view_of("/ns", [], []) == SandboxView("/ns", ())


def test_internal_sandboxes_ask_only_servers_of_their_own() -> None:
    assert SandboxView("", (), upstreams=(HOST, OWN), internal=True).usable_upstreams() == (OWN,)
    assert SandboxView("", (), upstreams=(HOST, OWN) * 2).usable_upstreams() == (HOST, OWN, HOST)
