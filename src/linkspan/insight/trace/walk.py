"""A packet's walk from place to place: routes, hooks, bridges, the proxy, and who takes it in the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from linkspan.insight.trace.hooks import Met, Passage, passed
from linkspan.insight.trace.packet import Packet, unspecified
from linkspan.insight.trace.ruleset import FORWARD, INPUT, OUTPUT, POSTROUTING, PREROUTING
from linkspan.insight.trace.world import HOST, Binding, NoWay, Seat, Socket, Topology, Way, World
from linkspan.model.addresses import Address

PROXY = "linkspan-proxy"
_FARTHEST = 12

ARRIVES, LEAVES, STOPPED, REFUSED, LOST = "arrives", "leaves", "stopped", "refused", "lost"


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of the way: where, what happens, the packet as it is then, the rules that it met."""

    place: str
    words: str
    packet: Packet
    met: tuple[Met, ...] = ()
    hook: str = ""


@dataclass(slots=True)
class Walk:
    """The whole way. `verdict` is arrives, leaves, stopped (by `culprit`), refused or lost."""

    steps: list[Step] = field(default_factory=list)
    verdict: str = ""
    words: str = ""
    culprit: Met | None = None
    place: str = HOST
    remedy: str = ""
    proxied: bool = False


class Walker:
    """Walks through a world."""

    def __init__(self, world: World, topology: Topology) -> None:
        self._world = world
        self._topology = topology
        self._walk = Walk()

    def from_inside(self, place: str, packet: Packet) -> Walk:
        """Follow a packet that a program at `place` sends."""
        self._send(place, packet, 0)
        return self._walk

    def from_outside(self, packet: Packet, link: str) -> Walk:
        """Follow a packet that comes in on a link of the host."""
        self._say(HOST, f"comes in on {link}", packet)
        self._receive(HOST, replace(packet, incoming=link), 0)
        return self._walk

    def _say(
        self, place: str, words: str, packet: Packet, passage: Passage | None = None, hook: str = ""
    ) -> None:
        met = tuple(passage.met) if passage else ()
        self._walk.steps.append(Step(place, words, packet, met, hook))

    def _end(self, verdict: str, place: str, words: str, remedy: str = "") -> None:
        walk = self._walk
        walk.verdict, walk.place, walk.words, walk.remedy = verdict, place, words, remedy

    def _pass(self, place: str, hook: str, packet: Packet) -> Packet | None:
        """Lead it past a hook; None when it was stopped there."""
        passage = passed(self._world.tables(place), hook, packet, self._world.kind(place))
        if passage.met:
            self._say(place, "", passage.packet, passage, hook)
        if passage.stopped is None:
            return self._masqueraded(place, passage.packet) if passage.masqueraded else passage.packet
        self._walk.culprit = passage.stopped
        done = "rejected" if passage.stopped.verdict == "reject" else "dropped"
        self._end(STOPPED, place, f"{done} in {self._topology.name(place)}, {hook}")
        return None

    def _masqueraded(self, place: str, packet: Packet) -> Packet:
        """The packet with the source that MASQUERADE gives: the one for the link that it leaves by."""
        own = replace(packet, source=unspecified(packet.version), incoming="")
        try:
            source = self._world.way(place, own).source
        except NoWay:
            source = None
        return replace(packet, source=source or packet.source)

    def _way(self, place: str, packet: Packet) -> Way | None:
        try:
            return self._world.way(place, packet)
        except NoWay as error:
            self._end(
                LOST,
                place,
                f"{self._topology.name(place)} has no route to {packet.destination}: {error}",
                "an internal network has no way out; otherwise see `ip route` there",
            )
            return None

    def _send(self, place: str, packet: Packet, depth: int) -> None:
        way = self._way(place, packet)
        if way is None:
            return
        packet = replace(packet, incoming="", outgoing=way.link, source=_source(packet, way))
        self._say(place, f"sent by {way.link}" + (f" via {way.via}" if way.via else ""), packet)
        after = self._pass(place, OUTPUT, packet)
        if after is None:
            return
        if after.destination != packet.destination:
            way = self._way(place, after)
            if way is None:
                return
            after = replace(after, outgoing=way.link)
        self._go_out(place, after, way, depth)

    def _go_out(self, place: str, packet: Packet, way: Way, depth: int) -> None:
        after = self._pass(place, POSTROUTING, packet)
        if after is None:
            return
        if way.local:
            self._receive(place, replace(after, incoming="lo", outgoing=""), depth + 1, known=way)
        elif place == HOST:
            self._leave_host(after, way, depth)
        else:
            self._leave_container(place, after, way, depth)

    def _leave_host(self, packet: Packet, way: Way, depth: int) -> None:
        seat = self._topology.beyond(way.link, way.via or packet.destination)
        bridged = any(each.bridge == way.link for each in self._topology.seats)
        if seat is not None:
            self._say(HOST, f"{way.link} → {seat.host_link} → {seat.link} of {seat.container}", packet)
            self._receive(seat.place, replace(packet, incoming=seat.link, outgoing=""), depth + 1)
        elif bridged:
            words = f"no container on {way.link} has {way.via or packet.destination}: nobody answers ARP"
            self._end(LOST, HOST, words, "see `linkspan links`: the container may be stopped or elsewhere")
        else:
            to = f"to {way.via}" if way.via else f"to its neighbour {packet.destination}"
            self._end(LEAVES, HOST, f"leaves the host by {way.link}, {to}")

    def _leave_container(self, place: str, packet: Packet, way: Way, depth: int) -> None:
        seat = self._topology.leaving(place, way.link)
        if seat is None:
            self._end(LEAVES, place, f"leaves by {way.link}, which Linkspan did not make")
        elif not seat.bridge:
            self._end(LEAVES, place, f"leaves by {way.link} onto the wire of {seat.network}'s parent")
        else:
            self._cross(seat, packet, way, depth)

    def _cross(self, seat: Seat, packet: Packet, way: Way, depth: int) -> None:
        """From a container into its bridge: to a neighbour, or to the host as its gateway."""
        hop = way.via or packet.destination
        self._say(seat.place, f"{seat.link} → {seat.host_link} → {seat.bridge}", packet)
        peer = self._topology.beyond(seat.bridge, hop)
        local = self._world.kind(HOST)(hop) == "local"
        if peer is None and not local:
            words = f"nobody on {seat.bridge} has {hop}: nobody answers ARP"
            self._end(LOST, HOST, words, "see `linkspan links`; networks are cut off from each other")
        elif peer is None:
            self._receive(HOST, replace(packet, incoming=seat.bridge, outgoing=""), depth + 1)
        else:
            self._bridge(peer, packet, depth)

    def _bridge(self, peer: Seat, packet: Packet, depth: int) -> None:
        """Between two ports of a bridge, which netfilter sees only if br_netfilter says so."""
        key = "iptables" if packet.version == 4 else "ip6tables"
        frame = replace(packet, incoming=peer.bridge, outgoing=peer.bridge)
        if self._world.sysctl(HOST, f"net.bridge.bridge-nf-call-{key}") == "1":
            for hook in (PREROUTING, FORWARD, POSTROUTING):
                after = self._pass(HOST, hook, frame)
                if after is None:
                    return
                frame = after
        self._say(
            HOST, f"bridged by {peer.bridge} → {peer.host_link} → {peer.link} of {peer.container}", frame
        )
        self._receive(peer.place, replace(frame, incoming=peer.link, outgoing=""), depth + 1)

    def _receive(self, place: str, packet: Packet, depth: int, known: Way | None = None) -> None:
        if depth > _FARTHEST:
            self._end(LOST, place, "goes round in circles", "see the routes of the host")
            return
        if self._is_martian(place, packet):
            words = f"dropped by the kernel: {packet.destination} may come from lo only (a martian)"
            self._end(LOST, place, words, "publish on another address than a loopback one")
            return
        after = packet if known else self._pass(place, PREROUTING, packet)
        if after is None:
            return
        way = known or self._way(place, after)
        if way is None:
            return
        if way.local:
            inside = self._pass(place, INPUT, after)
            if inside is not None:
                self._deliver(place, inside, depth)
        else:
            self._forward(place, replace(after, outgoing=way.link), way, depth)

    def _is_martian(self, place: str, packet: Packet) -> bool:
        if packet.incoming == "lo" or not packet.destination.is_loopback:
            return False
        key = f"net.ipv4.conf.{packet.incoming.replace('.', '/')}.route_localnet"
        return packet.version == 6 or self._world.sysctl(place, key) != "1"

    def _forward(self, place: str, packet: Packet, way: Way, depth: int) -> None:
        key = "net.ipv4.ip_forward" if packet.version == 4 else "net.ipv6.conf.all.forwarding"
        if self._world.sysctl(place, key) != "1":
            words = f"{self._topology.name(place)} does not forward: {key} is 0"
            self._end(STOPPED, place, words, f"sysctl -w {key}=1")
            return
        after = self._pass(place, FORWARD, packet)
        if after is not None:
            self._go_out(place, after, way, depth)

    def _deliver(self, place: str, packet: Packet, depth: int) -> None:
        name = self._topology.name(place)
        if packet.protocol == "icmp":
            self._end(ARRIVES, place, f"{name} answers the ping")
            return
        socket = _chosen([each for each in self._world.sockets(place) if each.takes(packet)])
        if socket is None:
            port = f"{packet.protocol} port {packet.destination_port}"
            remedy = f"start the program there, or have it listen on {packet.destination} or every address"
            self._end(REFUSED, place, f"nobody listens on {port} of {packet.destination} in {name}", remedy)
        elif place == HOST and socket.program == PROXY:
            self._proxy(packet, depth)
        else:
            self._end(ARRIVES, place, f"taken by {socket.program or 'a program'} in {name}")

    def _proxy(self, packet: Packet, depth: int) -> None:
        binding = next((each for each in self._topology.bindings if each.meets(packet)), None)
        seat = _served(self._topology, binding, packet.version) if binding else None
        if binding is None or seat is None:
            self._end(REFUSED, HOST, f"{PROXY} holds the port, and knows no container for it")
            return
        port = binding.inner + packet.destination_port - binding.port
        address = next((a for a in seat.addresses if a.version == packet.version), seat.addresses[0])
        onward = Packet(packet.protocol, unspecified(address.version), address, 0, port)
        self._walk.proxied = True
        self._say(HOST, f"{PROXY} takes it, and opens a connection of its own to {onward.target}", packet)
        self._send(HOST, onward, depth + 1)


def _source(packet: Packet, way: Way) -> Address:
    return way.source if packet.source.is_unspecified and way.source else packet.source


def _served(topology: Topology, binding: Binding, version: int) -> Seat | None:
    own = [each for each in topology.seats if each.container == binding.container and each.addresses]
    return next((s for s in own if any(a.version == version for a in s.addresses)), own[0] if own else None)


def _chosen(sockets: list[Socket]) -> Socket | None:
    """An exact address comes before every address."""
    return next((each for each in sockets if each.address is not None), sockets[0] if sockets else None)
