"""The DHCP IPAM driver: endpoints have the address that the LAN's own server gives them.

As podman's: the network names no subnet. The lease is asked for before the endpoint is made, on a link with
its MAC address that is gone afterwards, and renewed from inside the sandbox as long as the endpoint stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from linkspan.model.errors import InvalidParameter, LinkspanError
from linkspan.model.network import Endpoint, Network, NetworkSpec
from linkspan.model.sandbox import Sandbox
from linkspan.network import names
from linkspan.network.adapters import Kernel
from linkspan.network.drivers.lan import DHCP, is_dhcp
from linkspan.network.options import BRIDGE
from linkspan.network.parent_options import PARENT
from linkspan.network.undo import Undo, attempt_all
from linkspan.network.wanted import Wanted
from linkspan.path.dhcp.client import Lease


class Client(Protocol):
    """Who talks to servers (path.dhcp.client.DhcpClient)."""

    def ask(self, owner: str, sandbox: str, link: str, hostname: str) -> Lease: ...
    def keep(self, owner: str, sandbox: str, link: str, hostname: str, address: IPv4Address) -> None: ...
    def keeps(self, owner: str) -> bool: ...
    def owners(self) -> list[str]: ...
    def release(self, owner: str) -> None: ...


def check_dhcp(spec: NetworkSpec) -> None:
    """Raise InvalidParameter for a network that no DHCP server of a LAN can give addresses to."""
    if spec.ipam_driver != DHCP:
        return
    options = dict(spec.options)
    needed = {"macvlan": PARENT, "bridge": BRIDGE + "name"}.get(spec.driver)
    if needed is None:
        raise InvalidParameter(
            f"the IPAM driver dhcp is for macvlan and bridge networks, not for {spec.driver}"
        )
    if not options.get(needed):
        raise InvalidParameter(
            f"the IPAM driver dhcp needs a link that is on the LAN: name it with -o {needed}="
        )
    if any(pool.subnet or pool.gateway or pool.ip_range or pool.auxiliary for pool in spec.pools):
        raise InvalidParameter(
            "the IPAM driver dhcp takes subnet, gateway and addresses from the LAN's server: name none"
        )
    if spec.enable_ipv6 or not spec.enable_ipv4 or spec.internal:
        raise InvalidParameter("the IPAM driver dhcp is for IPv4 alone, and not for internal networks")


def require_lan(network: Network) -> None:
    """Raise InvalidParameter for a bridge that is not there: one that we make is on no LAN."""
    if is_dhcp(network) and not network.adopted:
        raise InvalidParameter(
            "the IPAM driver dhcp needs a bridge that is on the LAN,"
            f" and this host has none called {network.bridge}"
        )


@dataclass(frozen=True, slots=True)
class Dhcp:
    """The DHCP server's part in the life of endpoints, and nothing for others, so that callers need not ask.

    Blocking: hold no lock but the container's while calling it.
    """

    kernel: Kernel
    client: Client
    wanted: Wanted

    def lease(self, network: Network, endpoint: Endpoint, hostname: str) -> Endpoint:
        """Return a new endpoint with the address and the gateway that the server gives it.

        Raises LinkspanError saying which network has no server.
        """
        if not is_dhcp(network):
            return endpoint
        settings = self.wanted.settings
        sandbox = settings.exec_root / "netns" / f"dhcp-{endpoint.id[:12]}"
        probe = replace(endpoint, sandbox=str(sandbox), link="eth0", host_link=f"dhcp{endpoint.id[:7]}")
        with Undo() as undo:
            self.kernel.create_sandbox(sandbox)
            undo.push(self.kernel.remove_sandbox, sandbox)
            parts = self.wanted.endpoint_parts(probe)
            self.kernel.apply(parts)
            undo.push(self.kernel.detach_links, parts)
            found = self._asked(network, probe, hostname)
            self.kernel.detach_links(parts)
            self.kernel.remove_sandbox(sandbox)
        return replace(endpoint, ipv4=found.interface, gateway4=found.router)

    def _asked(self, network: Network, probe: Endpoint, hostname: str) -> Lease:
        try:
            return self.client.ask(probe.id, probe.sandbox, probe.link, hostname)
        except LinkspanError as error:
            raise type(error)(f"network {network.name}: {error}") from error

    def keep(self, endpoints: Iterable[Endpoint], hostname: str, undo: Undo) -> None:
        """Renew the leases of endpoints whose links are made."""
        for endpoint in endpoints:
            if self._is_leased(endpoint):
                self._keep(endpoint, hostname)
                undo.push(self.client.release, endpoint.id)

    def _keep(self, endpoint: Endpoint, hostname: str) -> None:
        assert endpoint.ipv4 is not None
        self.client.keep(endpoint.id, endpoint.sandbox, endpoint.link, hostname, endpoint.ipv4.ip)

    def _is_leased(self, endpoint: Endpoint) -> bool:
        return is_dhcp(self.wanted.network(endpoint.network_id)) and endpoint.ipv4 is not None

    def release(self, endpoint: Endpoint) -> None:
        """Give the lease of an endpoint back, while its link is there."""
        self.client.release(endpoint.id)

    def recover(self, sandboxes: Iterable[Sandbox]) -> list[Exception]:
        """Renew what is not renewed any more, and release what belongs to nothing; returns what failed."""
        standing = {e.id: (e, s) for s in sandboxes for e in s.endpoints if self._is_leased(e)}
        stray = (owner for owner in self.client.owners() if owner not in standing)
        steps = [partial(self.client.release, owner) for owner in stray]
        steps += [
            partial(self._keep, endpoint, sandbox.container.hostname)
            for endpoint, sandbox in standing.values()
            if not self.client.keeps(endpoint.id)
        ]
        return attempt_all(steps)


def steady_mac(container_id: str, network: Network) -> str:
    """Return the MAC address of a container on a network with DHCP: the same at each start.

    So it gets the same address again, from any server.
    """
    return names.bridge_mac(f"{container_id}:{network.id}")


def directory(exec_root: Path) -> Path:
    """Return where the keepers of leases have their files."""
    return exec_root / "dhcp"
