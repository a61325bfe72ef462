"""What `docker create` refuses, in Docker's words."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.engine.configuration import complete_config, complete_host_config
from linkspan.engine.validation import check_endpoint_modes, check_restart_policy, validate
from linkspan.model.errors import InvalidParameter
from linkspan.runtime.machine import Abilities


def check(config: dict[str, Any], host: dict[str, Any]) -> list[str]:
    completed = complete_config({"Image": "busybox", **config})
    return validate(
        completed, complete_host_config(host), completed["Hostname"], Abilities(frozenset({0, 1}))
    )


def test_an_ordinary_container_passes() -> None:
    assert check({"Env": ["A=b", "C"], "StopSignal": "SIGINT", "ExposedPorts": {"80/tcp": {}}}, {}) == []


def test_published_ports_mean_nothing_on_the_hosts_network() -> None:
    assert check({}, {"NetworkMode": "host", "PortBindings": {"80/tcp": [{"HostPort": "80"}]}}) == [
        "Published ports are discarded when using host network mode"
    ]


SHARED = {"NetworkMode": "container:web"}


@pytest.mark.parametrize(
    ("config", "host", "text"),
    [
        ({"Hostname": "h"}, SHARED, "conflicting options: hostname and the network mode"),
        ({}, {**SHARED, "Dns": ["1.1.1.1"]}, "conflicting options: dns and the network mode"),
        (
            {},
            {**SHARED, "ExtraHosts": ["a:1.2.3.4"]},
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (
            {"MacAddress": "02:00:00:00:00:01"},
            SHARED,
            "conflicting options: mac-address and the network mode",
        ),
        (
            {},
            {**SHARED, "PortBindings": {"80/tcp": []}},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            {},
            {**SHARED, "PublishAllPorts": True},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            {"ExposedPorts": {"80/tcp": {}}},
            SHARED,
            "conflicting options: port exposing and the container type network mode",
        ),
        ({}, {**SHARED, "Links": ["a:b"]}, "container type network can't be used with links"),
        ({}, {"NetworkMode": "container:"}, "invalid container format container:<name|id>"),
        ({}, {"NetworkMode": "host", "Links": ["a:b"]}, "host type networking can't be used with links"),
        ({"MacAddress": "x"}, {"NetworkMode": "host"}, "mac-address and the network mode"),
        ({"Hostname": "h"}, {"UTSMode": "host"}, "hostname and the UTS mode"),
        (
            {"WorkingDir": "rel"},
            {},
            "the working directory 'rel' is invalid, it needs to be an absolute path",
        ),
        ({"Env": ["=x"]}, {}, "invalid environment variable: =x"),
        ({"StopSignal": "SIGFOO"}, {}, "invalid signal: SIGFOO"),
        ({"ExposedPorts": {"x/tcp": {}}}, {}, "invalid port specification"),
        ({"Healthcheck": {"Interval": 5}}, {}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Retries": -1}}, {}, "Retries in Healthcheck cannot be negative"),
        ({"Healthcheck": {"Test": ["RUN", "x"]}}, {}, "unknown healthcheck type"),
        (
            {},
            {"AutoRemove": True, "RestartPolicy": {"Name": "always"}},
            "can't create 'AutoRemove' container with restart policy",
        ),
        ({}, {"ExtraHosts": ["nonsense"]}, 'bad format for add-host: "nonsense"'),
        ({}, {"ExtraHosts": ["a:b"]}, 'invalid IP address in add-host: "b"'),
        ({}, {"Dns": ["x"]}, "invalid DNS address: x"),
        ({}, {"Memory": 1024}, "Minimum memory limit allowed is 6MB"),
        ({}, {"Memory": 8 << 20, "MemorySwap": 7 << 20}, "Minimum memoryswap limit"),
        ({}, {"MemorySwap": 8 << 20}, "always set the Memory limit when using Memoryswap"),
        ({}, {"NanoCpus": -1}, "range of CPUs is from 0.01 to 2.00"),
        ({}, {"NanoCpus": 1, "CpuQuota": 5000}, "Nano CPUs and CPU Quota cannot both be set"),
        ({}, {"ShmSize": -1}, "SHM size can not be less than 0"),
        ({}, {"OomScoreAdj": 2000}, "range for oom score adj"),
        ({}, {"LogConfig": {"Type": "splunk"}}, "no log driver named 'splunk' is registered"),
    ],
)
def test_refusals(config: dict[str, Any], host: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        check(config, host)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"Name": "sometimes"}, "unknown policy 'sometimes'; use one of"),
        ({"Name": "always", "MaximumRetryCount": 3}, "can only be used with 'on-failure'"),
        (
            {"Name": "no", "MaximumRetryCount": -3},
            "can only be used with 'on-failure' and cannot be negative",
        ),
        ({"Name": "on-failure", "MaximumRetryCount": -1}, "maximum retry count cannot be negative"),
    ],
)
def test_restart_policies_that_cannot_be(policy: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid restart policy") as error:
        check_restart_policy(policy)
    assert text in str(error.value)


def test_host_gateway_is_an_address() -> None:
    assert check({}, {"ExtraHosts": ["a:host-gateway", "b:[::1]", "c:::1"]}) == []


@pytest.mark.parametrize("mode", ["host", "none", "container:x"])
def test_private_modes_allow_no_other_network(mode: str) -> None:
    check_endpoint_modes(mode, [mode])
    with pytest.raises(InvalidParameter, match="cannot attach both user-defined and non-user-defined"):
        check_endpoint_modes(mode, ["n1"])


def test_other_modes_allow_several() -> None:
    check_endpoint_modes("n1", ["n1", "n2"])
