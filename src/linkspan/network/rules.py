"""What may be attached to what: the refusals of Docker's network modes, before anything is touched."""

from __future__ import annotations

import re

from linkspan.ipam.validation import validate_endpoint
from linkspan.model.errors import Forbidden, InvalidParameter, NotFound
from linkspan.model.network import EndpointConfig, EndpointRequest, Network
from linkspan.model.sandbox import Sandbox, SandboxRequest
from linkspan.network.options import ENDPOINT_SYSCTLS
from linkspan.network.planning import chosen_name
from linkspan.network.predefined import HOST_NETWORK, NONE_NETWORK, is_predefined
from linkspan.network.rates import check_rates
from linkspan.network.registry import Registry

SHARED = (
    "container sharing network namespace with another container or host"
    " cannot be connected to any other network"
)
PRIVATE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"
HOST_ONLY = "cannot connect container to host network - container must be created in host network mode"
NOT_FROM_HOST = "container cannot be disconnected from host network or connected to host network"

_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")
_LINK = re.compile(r"(?!lo$|\.{1,2}$)[^\s/:]{1,15}")
_SYSCTL = re.compile(r"net\.(ipv4|ipv6|mpls)\.[^.]+\.(IFNAME|ifname)\..+")


def check_endpoint(network: Network, config: EndpointConfig) -> None:
    """Raise InvalidParameter or Forbidden in Docker's words if `config` cannot be had on `network`."""
    if network.config_only:
        raise Forbidden("cannot create endpoint on configuration-only network")
    validate_endpoint(network, config, is_predefined(network))
    if config.mac and not _MAC.fullmatch(config.mac):
        raise InvalidParameter(f"invalid MAC address {config.mac}")
    if (name := chosen_name(config)) and not _LINK.fullmatch(name):
        raise InvalidParameter(
            f"invalid endpoint settings:\ninvalid interface name {name}: it has at most 15 characters,"
            " no space, no / and no :, and is neither lo nor . nor .."
        )
    check_rates(network, config)
    for sysctl in filter(None, dict(config.driver_opts).get(ENDPOINT_SYSCTLS, "").split(",")):
        if not _SYSCTL.fullmatch(sysctl):
            raise InvalidParameter(
                f"invalid endpoint settings:\nunrecognised network interface sysctl '{sysctl}'; represent"
                " 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
            )


def check_request(registry: Registry, request: SandboxRequest) -> None:
    """Raise what `docker create` must refuse; a network that does not exist is refused at start only."""
    names = {endpoint.network for endpoint in request.endpoints}
    if len(request.endpoints) > 1 and names & {HOST_NETWORK}:
        raise InvalidParameter(SHARED)
    if len(request.endpoints) > 1 and names & {NONE_NETWORK}:
        raise InvalidParameter(PRIVATE)
    for endpoint in request.endpoints:
        _check_wish(registry, endpoint)
    links = [name for endpoint in request.endpoints if (name := chosen_name(endpoint.config))]
    for name in links:
        if links.count(name) > 1:
            raise InvalidParameter(f"interface name {name} is asked for by more than one network")


def _check_wish(registry: Registry, endpoint: EndpointRequest) -> None:
    try:
        network = registry.find(endpoint.network)
    except NotFound:
        return
    try:
        check_endpoint(network, endpoint.config)
    except InvalidParameter as error:
        raise InvalidParameter(f"invalid config for network {endpoint.network}: {error}") from error


def check_connect(sandbox: Sandbox, network: Network, config: EndpointConfig) -> None:
    """Raise what `docker network connect` must refuse for a sandbox that stands."""
    check_mode(sandbox.mode, tuple(endpoint.network_name for endpoint in sandbox.endpoints), network)
    if sandbox.endpoint_on(network.id) is not None:
        raise Forbidden(
            f"endpoint with name {sandbox.container.name} already exists in network {network.name}"
        )
    check_endpoint(network, config)
    name = chosen_name(config)
    for endpoint in sandbox.endpoints:
        if name and endpoint.link == name:
            raise Forbidden(f"interface name {name} is taken by network {endpoint.network_name}")


def check_mode(mode: str, connected: tuple[str, ...], network: Network) -> None:
    """Raise InvalidParameter if a container of this mode, on these networks, cannot be on `network` too."""
    if mode == HOST_NETWORK or mode.startswith("container:"):
        raise InvalidParameter(SHARED)
    if network.name == HOST_NETWORK:
        raise InvalidParameter(HOST_ONLY)
    if connected and (NONE_NETWORK in connected or network.name == NONE_NETWORK):
        raise InvalidParameter(PRIVATE)
