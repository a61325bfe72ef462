"""Networks: subnets in Docker's order, options, refusals in Docker's words, nothing left by a failure."""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import ip_address, ip_network

import pytest

from linkspan.blueprint.facts import Fence, Masquerade, SkipOwnBridge
from linkspan.blueprint.parts import Address, Bridge, Sysctl
from linkspan.model.errors import Conflict, Forbidden, InvalidParameter, LinkspanError, NotFound, Unavailable
from linkspan.model.network import NetworkSpec, PoolRequest
from linkspan.network.options import BRIDGE


def test_subnets_come_in_dockers_order_and_skip_the_hosts_routes(house):
    house.kernel.routes = [ip_network("172.19.5.0/24"), ip_network("10.0.0.0/8")]
    found = [str(house.network(f"n{number}").pools[0].subnet) for number in range(3)]
    assert found == ["172.18.0.0/16", "172.20.0.0/16", "172.21.0.0/16"]


def test_a_network_is_a_bridge_with_its_gateway(house):
    network = house.network("front")
    assert network.bridge == f"br-{network.id[:12]}"
    bridge = next(part for part in house.kernel.of(Bridge) if part.name == network.bridge)
    assert bridge.owner == f"linkspan:network:{network.id}" and bridge.mtu == 1500 and bridge.mac
    assert any(
        part.link == network.bridge and str(part.interface) == "172.18.0.1/16"
        for part in house.kernel.of(Address)
    )
    subnet = network.pools[0].subnet
    assert {
        Fence(network.bridge, subnet),
        Masquerade(subnet, network.bridge),
        SkipOwnBridge(network.bridge),
    } <= set(house.firewall.facts)


def test_removing_a_network_takes_everything_away(house):
    before = house.snapshot()
    network = house.network("front")
    house.controller.remove_network(network.id[:10])
    assert house.snapshot() == before
    assert house.network("again").pools[0].subnet == network.pools[0].subnet


def test_a_failure_at_any_step_of_creating_leaves_nothing(house):
    before = house.snapshot()
    for step in (1, 2):
        house.faults.arm(step)
        with pytest.raises(LinkspanError, match=r"Input/output error"):
            house.network("front")
        assert house.snapshot() == before


def test_removing_goes_on_after_an_error(house):
    house.network("front")
    house.faults.arm(1)
    with pytest.raises(LinkspanError, match=r"removing network front: doing remove"):
        house.controller.remove_network("front")
    with pytest.raises(NotFound):
        house.controller.network("front")


def test_options_of_a_bridge_network(house):
    options = {
        BRIDGE + "name": "br-mine",
        BRIDGE + "enable_icc": "false",
        BRIDGE + "enable_ip_masquerade": "false",
        "com.docker.network.driver.mtu": "1400",
        "com.docker.network.container_iface_prefix": "net",
    }
    network = house.network("front", options=tuple(options.items()))
    assert network.bridge == "br-mine"
    assert next(part for part in house.kernel.of(Bridge) if part.name == "br-mine").mtu == 1400
    facts = [fact for fact in house.firewall.facts if fact.bridge == "br-mine"]
    assert facts == [Fence("br-mine", network.pools[0].subnet, icc=False)]
    assert Sysctl("net.bridge.bridge-nf-call-iptables", "1") in house.kernel.parts
    assert house.join("web", "front").endpoints[0].link == "net0"


def test_an_internal_network_has_no_masquerading_and_no_gateway_for_its_containers(house):
    network = house.network("inside", internal=True)
    facts = [fact for fact in house.firewall.facts if fact.bridge == network.bridge]
    assert facts == [Fence(network.bridge, network.pools[0].subnet, internal=True)]
    sandbox = house.join("web", "inside", publish=[(8080, 80)])
    assert sandbox.endpoints[0].gateway4 is None and sandbox.bindings == ()


def test_a_link_that_exists_is_adopted_and_one_that_is_no_bridge_refused(house):
    house.kernel.give("br0", "bridge")
    house.kernel.give("lan", "veth")
    assert house.network("a", options=((BRIDGE + "name", "br0"),)).adopted
    with pytest.raises(Forbidden, match=r"existing interface lan is not a bridge"):
        house.network("b", options=((BRIDGE + "name", "lan"),))


def test_ip_range_gateway_and_auxiliary_addresses(house):
    pool = PoolRequest(
        ip_network("10.1.0.0/16"),
        ip_network("10.1.5.0/24"),
        ip_address("10.1.5.254"),
        (("router", ip_address("10.1.5.0")), ("DefaultGatewayIPv4", ip_address("10.1.0.9"))),
    )
    network = house.controller.create_network(NetworkSpec("front", pools=(pool,)))
    endpoint = house.join("web", "front").endpoints[0]
    assert network.pools[0].gateway == ip_address("10.1.5.254")
    assert str(endpoint.ipv4) == "10.1.5.1/16"
    assert endpoint.gateway4 == ip_address("10.1.0.9")


def test_a_subnet_of_zeros_says_only_how_big_it_shall_be(house):
    network = house.network("small", "0.0.0.0/28")
    assert str(network.pools[0].subnet) == "172.18.0.0/28" and not network.subnets_configured


def test_a_full_subnet_says_so(house):
    house.network("tiny", "10.1.0.0/30")
    house.join("web", "tiny")
    with pytest.raises(LinkspanError, match=r"no available addresses on this pool") as caught:
        house.join("db", "tiny")
    assert caught.value.status == Unavailable.status


def test_ipv6_networks_get_a_ula_subnet(house):
    network = house.network("six", enable_ipv6=True)
    assert [pool.subnet.prefixlen for pool in network.pools] == [16, 64]
    assert network.pools[1].subnet.subnet_of(ip_network("fd00::/8"))
    endpoint = house.join("web", "six").endpoints[0]
    assert endpoint.ipv6.ip == network.pools[1].subnet[2]
    assert endpoint.gateway6 == network.pools[1].subnet[1]


def test_refusals(house):
    house.network("front", "10.1.0.0/24", options=((BRIDGE + "name", "br-a"),))
    cases = [
        (NetworkSpec("bridge"), Forbidden, "operation is not permitted on predefined bridge network"),
        (NetworkSpec("front"), Conflict, "network with name front already exists"),
        (NetworkSpec(" "), InvalidParameter, "name is empty"),
        (NetworkSpec("x", driver="weird"), NotFound, "could not find plugin weird in v1 plugin registry"),
        (NetworkSpec("x", driver="overlay"), Forbidden, "This node is not a swarm manager"),
        (NetworkSpec("x", scope="swarm"), Forbidden, "This node is not a swarm manager"),
        (NetworkSpec("x", ingress=True), Forbidden, "This node is not a swarm manager"),
        (NetworkSpec("x", driver="host"), Forbidden, 'only one instance of "host" network is allowed'),
        (NetworkSpec("x", enable_ipv4=False), InvalidParameter, "IPv4 or IPv6 must be enabled"),
        (
            NetworkSpec("x", pools=(PoolRequest(ip_network("10.1.0.128/25")),)),
            Forbidden,
            "invalid pool request: Pool overlaps with other one on this address space",
        ),
        (
            NetworkSpec(
                "x", pools=(PoolRequest(ip_network("10.2.0.0/24")), PoolRequest(ip_network("10.3.0.0/24")))
            ),
            Forbidden,
            "bridge driver doesn't support multiple subnets",
        ),
        (
            NetworkSpec(
                "x",
                "macvlan",
                pools=(PoolRequest(ip_network("10.2.0.0/24")), PoolRequest(ip_network("10.2.0.0/25"))),
            ),
            Forbidden,
            "invalid pool request: Pool overlaps with other one on this address space",
        ),
        (
            NetworkSpec("x", options=((BRIDGE + "gateway_mode_ipv4", "isolated"),)),
            InvalidParameter,
            "gateway mode 'isolated' can only be used for an internal network",
        ),
        (NetworkSpec("x", ipam_driver="nosuch"), InvalidParameter, "could not find plugin nosuch"),
        (
            NetworkSpec("x", options=((BRIDGE + "name", "a-name-far-too-long"),)),
            InvalidParameter,
            "invalid bridge name a-name-far-too-long: a link name has at most 15 characters",
        ),
        (
            NetworkSpec("x", options=((BRIDGE + "name", "br-a"),)),
            Forbidden,
            r"cannot create network \w+ \(br-a\): conflicts with network \w+ \(br-a\):"
            " networks have same bridge name",
        ),
    ]
    before = house.snapshot()
    for spec, kind, text in cases:
        with pytest.raises(kind, match=text):
            house.controller.create_network(spec)
        assert house.snapshot() == before


def test_a_network_in_use_or_predefined_stays(house):
    house.network("front")
    sandbox = house.join("web", "front")
    endpoint = sandbox.endpoints[0]
    with pytest.raises(Forbidden) as caught:
        house.controller.remove_network("front")
    assert str(caught.value) == (
        "error while removing network: network front has active endpoints"
        f' (name:"web" id:"{endpoint.id[:12]}")'
    )
    with pytest.raises(Forbidden, match=r"^bridge is a pre-defined network and cannot be removed$"):
        house.controller.remove_network("bridge")


def test_looking_up(house):
    network = house.network("front")
    for reference in (network.id, "front", network.id[:6]):
        assert house.controller.network(reference) == network
    ids = [house.network(f"n{number}", f"10.{number + 1}.0.0/24").id for number in range(20)]
    digit, count = Counter(i[0] for i in [*ids, network.id]).most_common(1)[0]
    with pytest.raises(
        InvalidParameter, match=rf"^network {digit} is ambiguous \(\d+ matches found"
    ) as caught:
        house.controller.network(digit)
    assert int(re.findall(r"\((\d+) ", str(caught.value))[0]) >= count
    with pytest.raises(NotFound, match=r"^network  not found$"):
        house.controller.network("")


def test_options_of_the_daemon_fill_in_what_a_network_does_not_say(build):
    key = "com.docker.network.driver.mtu"
    house = build(default_network_options=(("bridge", key, "1400"), ("macvlan", "other", "x")))
    assert house.network("plain").options == ((key, "1400"),)
    assert house.network("own", options=((key, "1300"),)).options == ((key, "1300"),)


def test_a_subnet_that_the_host_has_a_route_into_is_refused(house):
    with pytest.raises(Forbidden, match=r"overlaps with a route of this host \(10\.0\.2\.0/24 dev eth0\)"):
        house.network("n", "10.0.2.128/25")
    assert house.network("m", "10.0.3.0/24").pools


def test_options_may_say_the_families(house):
    both = house.network("both", options=(("com.docker.network.enable_ipv6", "true"),))
    assert [pool.subnet.version for pool in both.pools] == [4, 6] and both.enable_ipv6
    assert house.kernel.kept == 1
    six = (("com.docker.network.enable_ipv6", "1"), ("com.docker.network.enable_ipv4", "false"))
    assert [pool.subnet.version for pool in house.network("six", options=six).pools] == [6]
    said = house.network("said", options=six, enable_ipv6=False, families_said=(4, 6))
    assert [pool.subnet.version for pool in said.pools] == [4] and said.options == ()
    with pytest.raises(InvalidParameter, match=r'driver-opt "com.docker.network.enable_ipv6" is not a valid'):
        house.network("bad", options=(("com.docker.network.enable_ipv6", "maybe"),))
    with pytest.raises(InvalidParameter, match="IPv4 or IPv6 must be enabled"):
        house.network("neither", options=(("com.docker.network.enable_ipv4", "false"),))


def test_the_default_bridge_takes_the_uplinks_mtu_unless_told(build):
    def mtu(house):
        return dict(house.controller.network("bridge").options)["com.docker.network.driver.mtu"]

    house = build()
    house.kernel.mtu = 1420
    house.restart()
    assert mtu(house) == "1420"
    assert house.network("user").mtu == 1420
    assert mtu(build(mtu=1300)) == "1300"


def test_new_endpoints_tell_their_neighbours(house):
    count, interval = "com.docker.network.advertise_addr_nmsgs", "com.docker.network.advertise_addr_ms"
    house.network("quick", options=((count, "2"), (interval, "250")))
    endpoint = house.join("web", "quick").endpoints[0]
    (told,) = house.kernel.announced
    assert (told.link, told.mac, told.count, told.interval) == ("eth0", endpoint.mac, 2, 0.25)
    assert told.addresses == (endpoint.ipv4.ip,)
