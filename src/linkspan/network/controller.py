"""The network controller: the one door to networks, sandboxes and published ports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from linkspan.firewall.guards import guards
from linkspan.ipam.pools import AddressPool
from linkspan.kernel.notices import Change, Notices
from linkspan.kernel.port_holders import port_holder
from linkspan.model.errors import Forbidden, LinkspanError, NotFound
from linkspan.model.network import Endpoint, EndpointRequest, Network, NetworkSpec
from linkspan.model.ports import PublishRequest
from linkspan.model.sandbox import ContainerIdentity, Sandbox, SandboxRequest
from linkspan.network.adapters import Filter, Kernel, Proxy
from linkspan.network.audit import Audit, Verdict
from linkspan.network.dhcp import Client, Dhcp, directory
from linkspan.network.differences import Differences
from linkspan.network.drivers import is_remote
from linkspan.network.egress import OpenNames, check_egress
from linkspan.network.exposure import exposures
from linkspan.network.healing import Healing
from linkspan.network.hotplug import Hotplug
from linkspan.network.live_ports import LivePorts, Written
from linkspan.network.locks import KeyedLocks
from linkspan.network.networks import Networks
from linkspan.network.observing import HostView, observe
from linkspan.network.occupancy import Occupancy, occupancy
from linkspan.network.planning import Planner
from linkspan.network.ports import Owner, PortAllocator, ephemeral_range, reserved_ports
from linkspan.network.predefined import HOST_NETWORK
from linkspan.network.publishing import Publisher
from linkspan.network.recovery import Recovery
from linkspan.network.registry import Registry
from linkspan.network.remote.ipam_driver import BUILT_IN
from linkspan.network.remote.plugins import Plugins
from linkspan.network.remote.remote import Remote
from linkspan.network.reservations import Reservations
from linkspan.network.rules import NOT_FROM_HOST, check_connect, check_request
from linkspan.network.sandboxes import Prepared, Sandboxes, nothing
from linkspan.network.settings import NetworkSettings
from linkspan.network.wanted import Wanted
from linkspan.network.wording import setting_up
from linkspan.path.dhcp.client import DhcpClient
from linkspan.store.database import Store

__all__ = ["ContainerIdentity", "Controller", "Sandbox", "SandboxRequest"]

Result = TypeVar("Result")


class Controller:
    """Networks and sandboxes of one host; blocking and thread-safe.

    Work on one container is one after the other, work on different containers goes side by side; what joins
    costs is its own endpoints, never a pass over the others.
    """

    def __init__(
        self,
        store: Store,
        kernel: Kernel,
        firewall: Filter,
        proxy: Proxy,
        settings: NetworkSettings,
        dhcp: Client | None = None,
    ) -> None:
        self.settings = settings
        self._kernel = kernel
        self._registry = Registry(store)
        self._locks = KeyedLocks()
        ports = PortAllocator(ephemeral_range(), reserved_ports())
        publisher = Publisher(ports, proxy, settings, self._name_now, port_holder)
        remote = Remote(Plugins())
        self._networks = Networks(self._registry, kernel, firewall, settings, remote)
        self._reservations = Reservations(self._registry)
        self.wanted = Wanted(self._registry.by_id, settings)
        client = dhcp or DhcpClient(directory(settings.exec_root), kernel.in_sandbox)
        leases = Dhcp(kernel, client, self.wanted)
        planner = Planner(self._registry, self._reservations, remote, leases)
        self._sandboxes = Sandboxes(self._registry, kernel, firewall, proxy, publisher, settings, planner)
        self._hotplug = Hotplug(self._registry, kernel, firewall, proxy, publisher, settings, planner)
        self._live_ports = LivePorts(self._registry, kernel, firewall, publisher, settings)
        self._recovery = Recovery(
            self._registry,
            kernel,
            firewall,
            proxy,
            publisher,
            self._sandboxes,
            self._hotplug,
            self._networks,
            settings,
        )
        self._healing = Healing(self._registry, kernel, firewall, self.wanted, self._networks, self._locks)
        self._audit = Audit(
            kernel,
            firewall,
            Differences(self._registry, kernel, proxy, self.wanted, settings),
            self._healing,
            self._networks,
            self._locks,
            settings,
        )
        self.open_names = OpenNames(firewall)
        self.firewall_backend = str(getattr(firewall, "name", "none"))

    def _name_now(self, owner: Owner) -> str:
        """Return what a container is called now, if it has a sandbox, or what it was called."""
        sandbox = self._registry.sandbox(owner.id)
        return sandbox.container.name if sandbox is not None else owner.name

    def start(self) -> None:
        """Bring the host to what the store says: predefined networks, bridges, rules, host sockets.

        Sandboxes that stand are left as they are; what is stale is removed. Raises LinkspanError.
        """
        self._recovery.start()
        self._reservations.load()

    def notices(self) -> Notices:
        """Begin to listen to changes of the host; raises OSError."""
        return self._kernel.notices()

    def heal(self, changes: Collection[Change]) -> float:
        """Put back what somebody else may have taken of ours; called by one thread at a time.

        What cannot be repaired is logged with what to do. Returns the seconds until the next look, 0: none.
        """
        return self._healing.heal(changes)

    def audit(self, repair: bool) -> list[Verdict]:
        """Compare store, blueprint and host, and with `repair` put right what differs; raises Unavailable.

        Requests that change networks or sandboxes wait meanwhile.
        """
        return self._audit.run(repair)

    def stop(self) -> None:
        """Leave everything as it is, as Docker does: bridges, rules and sandboxes outlive the daemon."""

    @property
    def default_address_pools(self) -> tuple[AddressPool, ...]:
        """Return the blocks that subnets are chosen from."""
        return self._networks.blocks

    def create_network(self, spec: NetworkSpec) -> Network:
        """Create a network; raises what `design` raises, or KernelError. Nothing is left after an error."""
        check_egress(spec, self.settings)
        return self._networks.create(spec)

    def remove_network(self, reference: str) -> Network:
        """Remove a network that has no endpoints; raises NotFound, Forbidden, LinkspanError."""
        network = _flat(self._networks.remove, reference)
        self._reservations.forget_network(network.id)
        self.open_names.forget(network.bridge)
        return network

    def network(self, reference: str) -> Network:
        """Return a network by full id, exact name or unique id prefix; raises NotFound, InvalidParameter."""
        return self._registry.find(reference)

    def networks(self) -> list[Network]:
        """Return all networks."""
        return self._registry.networks()

    def asks_plugins(self, references: Iterable[str]) -> bool:
        """Tell whether a container of these networks, by name or id, is the matter of plugins."""
        return any(
            is_remote(network.driver) or network.ipam_driver not in BUILT_IN
            for network in self._registry.networks()
            if {network.name, network.id} & {*references}
        )

    def endpoints(self, network_id: str) -> list[Endpoint]:
        """Return the endpoints of a network, given its full id."""
        return self._registry.members(network_id)

    def occupancy(self, network_id: str) -> dict[str, Occupancy]:
        """Return how full the subnets of a network are, given its full id."""
        return occupancy(self._registry, network_id)

    def validate(self, request: SandboxRequest) -> None:
        """Raise InvalidParameter for what `docker create` must refuse, without touching anything."""
        check_request(self._registry, request)

    def exposures(self, request: SandboxRequest) -> list[str]:
        """Return in words what the ports of `request` would open behind the back of the host's firewall."""
        settings = self.settings
        if not request.publish or settings.respect_host_firewall or not settings.iptables:
            return []
        if not (found := guards()):
            return []
        own = [pool.subnet for network in self.networks() for pool in network.pools]
        return exposures(request.publish, found, self._kernel.host_addresses(), own)

    def reserve(self, container: ContainerIdentity, endpoints: Iterable[EndpointRequest]) -> None:
        """Keep the fixed addresses of a container for it until `release`, also while it is down.

        Never fails for an address that somebody else has: the start of the container will.
        """
        self._reservations.reserve(container, endpoints)

    def release(self, container_id: str, network_reference: str = "") -> None:
        """Give up the fixed addresses of a container that is removed, or disconnected while it is down."""
        network = self._registry.find(network_reference).id if network_reference else ""
        self._reservations.release(container_id, network)

    def reserving(self) -> list[str]:
        """Return the ids of the containers that addresses are kept for."""
        return self._reservations.owners()

    def join(self, request: SandboxRequest, prepared: Prepared = nothing) -> Sandbox:
        """Build the sandbox of a container: all of it, or nothing and an error in Docker's words.

        A sandbox that the container still has is removed first. `prepared` is called as soon as the namespace
        stands, and what it returns when the rest fails; it raises nothing.
        """
        with self._locks.hold(request.container.id):
            try:
                if (stale := self._registry.sandbox(request.container.id)) is not None:
                    self._sandboxes.demolish(stale)
                check_request(self._registry, request)
                self._reservations.reserve(request.container, request.endpoints)
                return self._sandboxes.build(request, prepared)
            except (LinkspanError, OSError, ExceptionGroup) as error:
                raise setting_up(error) from error

    def leave(self, container_id: str) -> None:
        """Remove everything of a container's sandbox; one that is gone is no error.

        Goes on after errors; raises LinkspanError naming all of them at the end.
        """
        with self._locks.hold(container_id):
            if (sandbox := self._registry.sandbox(container_id)) is not None:
                _flat(self._sandboxes.demolish, sandbox)

    def connect(self, container: ContainerIdentity, request: EndpointRequest) -> Sandbox:
        """Plug a running sandbox into one more network; raises NotFound, Forbidden, InvalidParameter, ….

        The default route and the published ports move over if the new network is the better gateway.
        """
        with self._locks.hold(container.id):
            sandbox = self._existing(container.id)
            network = self._registry.find(request.network)
            check_connect(sandbox, network, request.config)
            self._reservations.reserve(container, (request,))
            try:
                return self._hotplug.connect(sandbox, request)
            except Exception:
                self._reservations.release(container.id, network.id)
                raise

    def disconnect(self, container_id: str, network_reference: str, force: bool = False) -> Sandbox:
        """Unplug a sandbox from a network; raises Forbidden if it is not connected to it.

        With `force` errors of the kernel do not matter: the records are right afterwards.
        """
        with self._locks.hold(container_id):
            sandbox = self._existing(container_id)
            network = self._registry.find(network_reference)
            endpoint = sandbox.endpoint_on(network.id)
            if endpoint is None:
                raise Forbidden(f"container {container_id} is not connected to network {network.name}")
            if network.name == HOST_NETWORK:
                raise Forbidden(NOT_FROM_HOST)
            try:
                left = _flat(self._hotplug.disconnect, sandbox, endpoint, force)
            except LinkspanError:
                if not force:
                    raise
                left = self._existing(container_id)
            self._reservations.release(container_id, network.id)
            return left

    def publish(
        self, container_id: str, requests: Sequence[PublishRequest], written: Written = lambda _sandbox: None
    ) -> Sandbox:
        """Publish more ports of a running sandbox; all or nothing, with the errors of a start.

        `written` is called with the new sandbox inside of the commit; what it raises undoes everything.
        """
        with self._locks.hold(container_id):
            return self._live_ports.add(self._existing(container_id), requests, written)

    def unpublish(
        self, container_id: str, wanted: Sequence[PublishRequest], written: Written = lambda _sandbox: None
    ) -> Sandbox:
        """Take published ports of a running sandbox back; raises NotFound. `written` as in `publish`."""
        with self._locks.hold(container_id):
            return self._live_ports.remove(self._existing(container_id), wanted, written)

    def _existing(self, container_id: str) -> Sandbox:
        if (sandbox := self._registry.sandbox(container_id)) is None:
            raise NotFound(f"sandbox of container {container_id} not found")
        return sandbox

    def rename(self, container_id: str, name: str) -> Sandbox | None:
        """Tell the endpoints of a container its new name; returns its sandbox, None if it has none."""
        with self._locks.hold(container_id):
            self._reservations.rename(container_id, name)
            return self._sandboxes.rename(container_id, name)

    def sandbox(self, container_id: str) -> Sandbox | None:
        """Return the sandbox of a container as it stands, None if it has none."""
        return self._registry.sandbox(container_id)

    def inside(self, sandbox: str, function: Callable[[], Result]) -> Result:
        """Return `function()`, run in the namespace at `sandbox` ("": the host)."""
        found: Result = self._kernel.in_sandbox(sandbox, function)
        return found

    def host_links(self, sandbox: Sandbox) -> dict[str, int]:
        """Return the indexes of the host's links that lead into a sandbox, by name; raises KernelError."""
        names = (endpoint.host_link for endpoint in sandbox.endpoints if endpoint.host_link)
        found = ((name, self._kernel.link(name)) for name in names)
        return {name: link.index for name, link in found if link is not None}

    def observe(self) -> HostView:
        """Return what the kernel holds on the host just now; raises KernelError."""
        return observe(self._kernel)

    def sandboxes(self) -> list[Sandbox]:
        """Return all sandboxes that stand."""
        return self._registry.sandboxes()


def _flat(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run a teardown; its ExceptionGroup becomes one LinkspanError that names every problem."""
    try:
        return function(*arguments)
    except ExceptionGroup as group:
        problems = "; ".join(str(problem) for problem in group.exceptions)
        raise LinkspanError(f"{group.message}: {problems}") from group
