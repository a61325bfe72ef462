"""The survey says which veth is whose."""

from __future__ import annotations


def test_interfaces_are_those_that_are_not_ours(seen):
    assert [each["Name"] for each in seen["Host"]["Interfaces"]] == ["lo", "eth0"]


def test_networks_know_their_bridge_and_members(seen):
    bridge, _, back = seen["Networks"]
    assert (bridge["Name"], bridge["Bridge"], bridge["Index"], bridge["Internal"]) == (
        "bridge",
        "docker0",
        4,
        False,
    )
    assert back["Internal"]
    assert back["Project"] == "shop"
    assert sorted(back["Containers"]) == ["1" * 64, "2" * 64]


def test_endpoints_name_both_ends_and_count_from_the_container(seen):
    web = next(each for each in seen["Containers"] if each["Name"] == "web")
    first = web["Endpoints"][0]
    assert (first["HostLink"], first["HostIndex"], first["Link"], first["LinkIndex"]) == (
        "veth0000001",
        5,
        "eth0",
        2,
    )
    assert (first["RxBytes"], first["TxBytes"], first["RxDropped"]) == (2000, 10, 3)
    assert [each["Gateway"] for each in web["Endpoints"]] == [True, False]


def test_containers_come_in_order_with_their_state(seen):
    assert [(each["Name"], each["State"]) for each in seen["Containers"]] == [
        ("db", "running"),
        ("direct", "running"),
        ("off", "exited"),
        ("side", "running"),
        ("web", "running"),
    ]
