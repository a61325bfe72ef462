"""What the controller knows: networks, sandboxes and leases in memory, written through to the store.

`lock` guards the short look-ups and changes of the tables; no kernel call is made while it is held.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from functools import partial

from linkspan.ipam.leases import Leases
from linkspan.model.addresses import Address
from linkspan.model.documents import decode, encode
from linkspan.model.errors import InvalidParameter, NotFound
from linkspan.model.network import Endpoint, Network
from linkspan.model.sandbox import Sandbox
from linkspan.store.database import Store

NETWORK = "network"
SANDBOX = "sandbox"


class Registry:
    """Networks by id, sandboxes by container, endpoints by network, leases by network and family.

    Whoever needs the store and `lock` takes the store first: `with store.transaction(), registry.lock`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.RLock()
        self._networks: dict[str, Network] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._members: dict[str, dict[str, Endpoint]] = {}
        self._leases: dict[tuple[str, int], Leases] = {}
        self._linked: dict[str, set[str]] = {}
        self.host_links: set[str] = set()

    def load(self) -> None:
        """Read everything from the store."""
        with self.store.transaction(), self.lock:
            found = self.store.read(NETWORK, partial(decode, Network))
            for network in sorted(found, key=lambda network: network.created):
                self._index(network, self.store.leases(network.id))
            for sandbox in self.store.read(SANDBOX, partial(decode, Sandbox)):
                self._index_sandbox(sandbox)

    def daemon_seed(self) -> bytes:
        """Return random bytes that stay the same for this data root (for the ULA prefix)."""
        document = self.store.get("daemon", "seed")
        if document is None:
            document = {"hex": secrets.token_hex(8)}
            self.store.put("daemon", "seed", document)
        return bytes.fromhex(document["hex"])

    # networks

    def add_network(self, network: Network) -> None:
        """Remember a network, on disk first."""
        self.store.put(NETWORK, network.id, encode(network))
        leased = self.store.leases(network.id)
        with self.lock:
            self._index(network, leased)

    def _index(self, network: Network, leased: Mapping[Address, str]) -> None:
        self._networks[network.id] = network
        self._members.setdefault(network.id, {})
        for version in (4, 6):
            if not (pools := tuple(pool for pool in network.pools if pool.subnet.version == version)):
                continue
            former = self._leases.get((network.id, version))
            claims = former.claims if former is not None else None
            self._leases[network.id, version] = Leases(pools[0], leased, claims, pools[1:])

    def withdraw(self, network: Network) -> dict[int, Leases]:
        """Forget a network in memory, so that nobody can join it any more; returns what `restore` needs."""
        with self.lock:
            self._networks.pop(network.id, None)
            self._members.pop(network.id, None)
            versions = {pool.subnet.version for pool in network.pools}
            found = {version: self._leases.pop((network.id, version), None) for version in versions}
        return {version: leases for version, leases in found.items() if leases is not None}

    def restore(self, network: Network, leases: Mapping[int, Leases]) -> None:
        """Take a withdrawn network back, with the leases it had."""
        with self.lock:
            self._networks[network.id] = network
            self._members.setdefault(network.id, {})
            self._leases.update({(network.id, version): kept for version, kept in leases.items()})

    def networks(self) -> list[Network]:
        """Return all networks, oldest first."""
        with self.lock:
            return list(self._networks.values())

    def by_id(self, network_id: str) -> Network:
        """Return the network with this full id; KeyError would be a defect."""
        return self._networks[network_id]

    def known(self, network_id: str) -> Network | None:
        """Return the network with this full id, None if there is none."""
        return self._networks.get(network_id)

    def find(self, reference: str) -> Network:
        """Return a network by full id, exact name or unique id prefix; raises NotFound, InvalidParameter."""
        with self.lock:
            if (network := self._networks.get(reference)) is not None:
                return network
            if (network := self.named(reference)) is not None:
                return network
            found = [n for n in self._networks.values() if reference and n.id.startswith(reference)]
        if len(found) > 1:
            raise InvalidParameter(
                f"network {reference} is ambiguous ({len(found)} matches found based on ID prefix)"
            )
        if not found:
            raise NotFound(f"network {reference} not found")
        return found[0]

    def named(self, name: str) -> Network | None:
        """Return the network with exactly this name."""
        with self.lock:
            return next((network for network in self._networks.values() if network.name == name), None)

    # leases, in memory; the store's rows are written by whoever takes them

    def leases(self, network_id: str, version: int) -> Leases:
        """Return the leases of a network in one family; hold `lock` while using them."""
        return self._leases[network_id, version]

    def give_back(self, network_id: str, address: Address) -> None:
        """Free an address of a network that may be gone."""
        with self.lock:
            if (leases := self._leases.get((network_id, address.version))) is not None:
                leases.release(address)

    def claim(self, network_id: str, address: Address, owner: str) -> None:
        """Keep an address of a network for `owner`; a network that is gone has none."""
        with self.lock:
            if (leases := self._leases.get((network_id, address.version))) is not None:
                leases.claim(address, owner)

    def waive(self, network_id: str, address: Address, owner: str) -> None:
        """Take a claim back."""
        with self.lock:
            if (leases := self._leases.get((network_id, address.version))) is not None:
                leases.waive(address, owner)

    def claimant(self, network_id: str, address: Address) -> str:
        """Return who an address of a network is kept for, "" if nobody."""
        with self.lock:
            leases = self._leases.get((network_id, address.version))
            return leases.claimant(address) if leases is not None else ""

    # endpoints and sandboxes

    def add_member(self, endpoint: Endpoint) -> None:
        """Count an endpoint as a member of its network, so that the network cannot be removed."""
        with self.lock:
            self._members[endpoint.network_id][endpoint.id] = endpoint
            if endpoint.host_link:
                self.host_links.add(endpoint.host_link)

    def drop_member(self, endpoint: Endpoint) -> None:
        """Forget an endpoint; one that is not there is no error."""
        with self.lock:
            self._members.get(endpoint.network_id, {}).pop(endpoint.id, None)
            self.host_links.discard(endpoint.host_link)

    def members(self, network_id: str) -> list[Endpoint]:
        """Return the endpoints of a network, those that are being set up included."""
        with self.lock:
            return list(self._members.get(network_id, {}).values())

    def sandbox(self, container_id: str) -> Sandbox | None:
        """Return the sandbox of a container."""
        with self.lock:
            return self._sandboxes.get(container_id)

    def sandboxes(self) -> list[Sandbox]:
        """Return all sandboxes."""
        with self.lock:
            return list(self._sandboxes.values())

    def linked_to(self, container_id: str) -> list[str]:
        """Return the containers with a sandbox that are linked to another one."""
        with self.lock:
            return sorted(self._linked.get(container_id, ()))

    def put_sandbox(self, sandbox: Sandbox) -> None:
        """Remember a sandbox as it stands now, on disk first."""
        self.store.put(SANDBOX, sandbox.container.id, encode(sandbox))
        with self.lock:
            self._index_sandbox(sandbox)

    def _index_sandbox(self, sandbox: Sandbox) -> None:
        self._sandboxes[sandbox.container.id] = sandbox
        for child in sandbox.links:
            self._linked.setdefault(child, set()).add(sandbox.container.id)
        for endpoint in sandbox.endpoints:
            if endpoint.network_id in self._members:
                self.add_member(endpoint)

    def drop_sandbox(self, sandbox: Sandbox) -> None:
        """Forget a sandbox and its endpoints, in memory and on disk."""
        self.store.delete(SANDBOX, sandbox.container.id)
        with self.lock:
            self._sandboxes.pop(sandbox.container.id, None)
            for child in sandbox.links:
                self._linked.get(child, set()).discard(sandbox.container.id)
            for endpoint in sandbox.endpoints:
                self.drop_member(endpoint)


def addresses(endpoint: Endpoint) -> Iterator[Address]:
    """Yield the leased addresses of an endpoint."""
    for interface in (endpoint.ipv4, endpoint.ipv6):
        if interface is not None:
            yield interface.ip
