"""Fixed addresses are kept for their containers, in the order of asking."""

from __future__ import annotations

import threading
import time
from ipaddress import ip_address, ip_network

import pytest

from linkspan.model.errors import Forbidden, LinkspanError
from linkspan.model.network import EndpointConfig, EndpointRequest, NetworkSpec, PoolRequest
from linkspan.model.sandbox import ContainerIdentity
from linkspan.network.registry import Registry
from linkspan.network.reservations import Reservations
from linkspan.store.database import Store

FIXED = ip_address("10.9.0.2")


def wish(network: str = "front", address=FIXED) -> EndpointRequest:
    return EndpointRequest(network, EndpointConfig(ipv4=address))


@pytest.fixture
def kept(house):
    """A network whose first address is kept for web, which does not run."""
    house.network("front", "10.9.0.0/24")
    house.controller.reserve(house.request("web").container, [wish(), wish("unknown")])
    return house


def test_dynamic_allocation_passes_over_it(kept):
    assert str(kept.join("db", "front").endpoints[0].ipv4.ip) == "10.9.0.3"


def test_only_its_container_gets_it(kept):
    with pytest.raises(LinkspanError, match=r"Address already in use \(by container web\)"):
        kept.join("db", wish())
    assert kept.join("web", wish()).endpoints[0].ipv4.ip == FIXED
    kept.controller.leave(kept.request("web").container.id)
    assert str(kept.join("cache", "front").endpoints[0].ipv4.ip) == "10.9.0.3"


def test_the_next_in_line_gets_it_after_the_removal(kept):
    kept.controller.reserve(kept.request("db").container, [wish()])
    kept.controller.release(kept.request("web").container.id)
    with pytest.raises(LinkspanError, match=r"\(by container db\)"):
        kept.join("cache", wish())
    assert kept.join("db", wish()).endpoints[0].ipv4.ip == FIXED


def test_it_outlives_the_daemon(kept):
    kept.restart()
    assert kept.controller.reserving() == [kept.request("web").container.id]
    assert str(kept.join("db", "front").endpoints[0].ipv4.ip) == "10.9.0.3"
    kept.controller.release(kept.request("web").container.id, "front")
    assert kept.controller.reserving() == []
    assert kept.join("cache", "front").endpoints[0].ipv4.ip == FIXED


def test_it_goes_with_the_network(kept):
    kept.controller.remove_network("front")
    assert kept.controller.reserving() == [] and kept.store.all("claim") == []


def test_releasing_what_nobody_keeps_is_fine(house):
    house.controller.release(house.request("web").container.id)


def test_a_failed_connect_keeps_nothing(kept):
    kept.join("db", "bridge")
    with pytest.raises(Forbidden):
        kept.controller.connect(kept.request("db").container, wish())
    assert kept.controller.reserving() == [kept.request("web").container.id]


def test_a_reservation_is_named_by_the_containers_new_name(kept):
    kept.controller.rename(kept.request("web").container.id, "shop")
    with pytest.raises(LinkspanError, match=r"\(by container shop\)"):
        kept.join("db", wish())


def test_who_writes_sandboxes_and_who_gives_up_addresses_do_not_wait_for_each_other(tmp_path):
    store = Store(tmp_path / "state.db")
    registry = Registry(store)
    reservations = Reservations(registry)
    reservations.reserve(ContainerIdentity("c1", "web"), [])
    store.put("claim", "c1", {"container": "c1", "name": "web", "since": 1, "addresses": []})
    reservations.load()
    writing = threading.Event()

    def write() -> None:
        with store.transaction():
            writing.set()
            time.sleep(0.05)
            registry.sandbox("c1")

    threads = [
        threading.Thread(target=write, daemon=True),
        threading.Thread(target=lambda: writing.wait() and reservations.release("c1"), daemon=True),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    assert reservations.owners() == []
    store.close()


@pytest.mark.parametrize(
    ("address", "holder"),
    [
        ("10.9.1.1", "the gateway of network small"),
        ("10.9.1.3", "the auxiliary address printer of network small"),
        ("10.9.1.7", "network small itself: it is the first or the last of 10.9.1.0/29"),
    ],
)
def test_what_the_network_keeps_for_itself_is_named(house, address, holder):
    pool = PoolRequest(ip_network("10.9.1.0/29"), auxiliary=(("printer", ip_address("10.9.1.3")),))
    house.controller.create_network(NetworkSpec("small", pools=(pool,)))
    with pytest.raises(LinkspanError, match=rf"Address already in use \(by {holder}\)"):
        house.join("web", wish("small", ip_address(address)))
