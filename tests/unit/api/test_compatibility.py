"""Bodies of POST /containers/create as clients of each API version mean them."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.api.compatibility import ENDPOINT_SYSCTLS, adapted
from linkspan.model.errors import InvalidParameter, LinkspanError

MAC, OTHER = "02:42:ac:11:00:02", "02:42:ac:11:00:03"
Body = dict[str, Any]


def endpoints(body: Body, version: tuple[int, int]) -> Any:
    return adapted(body, version)[0]["NetworkingConfig"]["EndpointsConfig"]


def host(body: Body, version: tuple[int, int]) -> Any:
    return adapted(body, version)[0]["HostConfig"]


def on(*names: str, mode: str = "", **more: Any) -> Body:
    return {
        "HostConfig": {"NetworkMode": mode, **more},
        "NetworkingConfig": {"EndpointsConfig": dict.fromkeys(names)},
    }


def test_the_default_network_is_the_bridge() -> None:
    assert host({}, (1, 56))["NetworkMode"] == "bridge"
    assert endpoints(on("default", mode="default"), (1, 56)) == {"bridge": {}}
    assert host(on(mode="n"), (1, 56))["NetworkMode"] == "n"


def test_several_endpoints_need_a_new_client() -> None:
    assert list(endpoints(on("a", "b"), (1, 44))) == ["a", "b"]
    with pytest.raises(InvalidParameter) as caught:
        adapted(on("a", "b"), (1, 43))
    assert str(caught.value) == "Container cannot be created with multiple network endpoints: a, b"


def test_the_body_of_the_client_stays_as_it_is() -> None:
    body = {"MacAddress": MAC, **on("n", mode="n", Sysctls={"net.ipv4.conf.eth0.x": "1"})}
    before = repr(body)
    adapted(body, (1, 44))
    assert repr(body) == before


def test_gateway_priorities_begin_with_1_48() -> None:
    body = {"NetworkingConfig": {"EndpointsConfig": {"n": {"GwPriority": 7}}}}
    assert endpoints(body, (1, 48))["n"]["GwPriority"] == 7
    assert endpoints(body, (1, 47))["n"]["GwPriority"] == 0


def test_defaults_of_old_clients() -> None:
    assert host({}, (1, 39))["IpcMode"] == "shareable"
    assert "IpcMode" not in host({}, (1, 40))
    assert "Annotations" not in host({"HostConfig": {"Annotations": {"a": "b"}}}, (1, 42))
    health = {"Healthcheck": {"Test": ["CMD", "x"], "StartInterval": 5}}
    assert adapted(health, (1, 43))[0]["Healthcheck"]["StartInterval"] == 0
    assert adapted(health, (1, 44))[0]["Healthcheck"]["StartInterval"] == 5


def test_the_mac_address_of_a_container_belongs_to_the_network_of_its_mode() -> None:
    body = {"MacAddress": MAC, **on("n", mode="n")}
    for version, warnings in (((1, 43), 0), ((1, 44), 1), ((1, 51), 1)):
        found, said = adapted(body, version)
        assert found["NetworkingConfig"]["EndpointsConfig"] == {
            "n": {"MacAddress": MAC} | ({} if version >= (1, 48) else {"GwPriority": 0})
        }
        assert len(said) == warnings
    assert endpoints({"MacAddress": MAC}, (1, 51)) == {"bridge": {"MacAddress": MAC}}


def test_old_clients_cannot_mean_the_mac_address_of_an_endpoint() -> None:
    body = {"NetworkingConfig": {"EndpointsConfig": {"n": {"MacAddress": MAC}}}}
    assert endpoints(body, (1, 43))["n"]["MacAddress"] == ""
    assert endpoints(body, (1, 44))["n"]["MacAddress"] == MAC


@pytest.mark.parametrize(
    ("body", "version", "said"),
    [
        (
            {"MacAddress": MAC},
            (1, 52),
            "container-wide MAC address no longer supported; use endpoint-specific MAC address instead",
        ),
        (
            {"MacAddress": MAC, **on(mode="host")},
            (1, 43),
            "conflicting options: mac-address and the network mode",
        ),
        (
            {"MacAddress": MAC, **on("other", mode="n")},
            (1, 44),
            "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks",
        ),
        (
            {
                "MacAddress": MAC,
                "HostConfig": {"NetworkMode": "n"},
                "NetworkingConfig": {"EndpointsConfig": {"n": {"MacAddress": OTHER}}},
            },
            (1, 44),
            "the container-wide MAC address must match the endpoint-specific MAC address "
            "for the main network, or be left empty",
        ),
    ],
)
def test_mac_addresses_that_are_refused(body: Body, version: tuple[int, int], said: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        adapted(body, version)
    assert str(caught.value) == said


def test_sysctls_of_eth0_move_to_the_endpoint() -> None:
    body = on("n", mode="n", Sysctls={"net.ipv4.conf.eth0.log_martians": "1", "net.core.somaxconn": "9"})
    body["NetworkingConfig"]["EndpointsConfig"]["n"] = {"DriverOpts": {ENDPOINT_SYSCTLS: "a=b"}}
    found, said = adapted(body, (1, 47))
    moved = "net.ipv4.conf.IFNAME.log_martians=1"
    assert found["HostConfig"]["Sysctls"] == {"net.core.somaxconn": "9"}
    assert found["NetworkingConfig"]["EndpointsConfig"]["n"]["DriverOpts"] == {
        ENDPOINT_SYSCTLS: f"{moved},a=b"
    }
    assert said == [
        f'Migrated sysctl "net.ipv4.conf.eth0.log_martians" to DriverOpts{{"{ENDPOINT_SYSCTLS}":"{moved}"}}.'
    ]


def test_sysctls_of_interfaces_that_are_refused() -> None:
    of_eth0 = {"HostConfig": {"Sysctls": {"net.ipv4.conf.eth0.log_martians": "1"}}}
    with pytest.raises(LinkspanError, match=r"must be supplied using driver option 'com\.docker"):
        adapted(of_eth0, (1, 48))
    with pytest.raises(LinkspanError, match=r"unable to determine network endpoint for sysctl net\.ipv4"):
        adapted({"HostConfig": {"Sysctls": {"net.ipv4.conf.eth1.log_martians": "1"}}}, (1, 47))
    shared = on(mode="host", Sysctls={"net.ipv4.conf.eth0.log_martians": "1"})
    assert host(shared, (1, 56))["Sysctls"] == {"net.ipv4.conf.eth0.log_martians": "1"}


def test_an_empty_list_of_bindings_is_one_to_any_port() -> None:
    body = {"HostConfig": {"PortBindings": {"80/tcp": [], "81/tcp": [{"HostPort": "1"}], "82/tcp": None}}}
    any_port = [{"HostIp": "", "HostPort": ""}]
    for version in ((1, 24), (1, 56)):
        assert host(body, version)["PortBindings"] == {
            "80/tcp": any_port,
            "81/tcp": [{"HostPort": "1"}],
            "82/tcp": any_port,
        }
    assert adapted(body, (1, 51))[1] == []
    assert "empty list of port-bindings: 80/tcp, 82/tcp." in adapted(body, (1, 52))[1][0]


@pytest.mark.parametrize(
    ("mount", "version", "said"),
    [
        ({"Type": "bind", "VolumeOptions": {}}, (1, 42), "VolumeOptions must not be specified on mount type"),
        (
            {"Type": "volume", "BindOptions": {}},
            (1, 42),
            'BindOptions must not be specified on mount type "volume"',
        ),
        ({"Type": "bind", "BindOptions": {"ReadOnlyForceRecursive": True}}, (1, 43), "needs API v1.44"),
        ({"Type": "volume", "VolumeOptions": {"Subpath": "x"}}, (1, 44), "needs API v1.45 or newer"),
        ({"Type": "image"}, (1, 47), 'Mount type "Image" needs API v1.48 or newer'),
    ],
)
def test_mounts_that_are_refused(mount: Body, version: tuple[int, int], said: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        adapted({"HostConfig": {"Mounts": [mount]}}, version)
    assert said in str(caught.value)


def test_old_clients_may_name_options_of_other_mount_types() -> None:
    mounts = [{"Type": "bind", "Source": "/a", "VolumeOptions": {}, "TmpfsOptions": {}}]
    found = host({"HostConfig": {"Mounts": mounts}}, (1, 41))["Mounts"]
    assert found == [{"Type": "bind", "Source": "/a", "VolumeOptions": None, "TmpfsOptions": None}]
