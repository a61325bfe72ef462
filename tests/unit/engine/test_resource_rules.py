"""Limits that Docker refuses, adapts or warns of."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.engine import resource_rules
from linkspan.model.errors import Conflict, InvalidParameter
from linkspan.runtime.machine import Abilities, numbers

MIB = 1 << 20
MACHINE = Abilities(frozenset({0, 1}))


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ({"MemoryReservation": MIB}, "Minimum memory reservation allowed is 6MB"),
        (
            {"Memory": 10 * MIB, "MemoryReservation": 20 * MIB},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"MemorySwappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
        (
            {"NanoCpus": 3_000_000_000},
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        ({"CpuQuota": 10}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        (
            {"CpuPeriod": 10},
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        ({"CpusetCpus": "0-7"}, "Requested CPUs are not available - requested 0-7, available: 0-1"),
        ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus"),
        ({"CpusetMems": "3"}, "Requested memory nodes are not available - requested 3, available: 0"),
        ({"BlkioWeight": 5}, "Range of blkio weight is from 10 to 1000"),
    ],
)
def test_refused(host: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        resource_rules.check(host, MACHINE)
    assert str(refused.value) == sentence


def test_accepted() -> None:
    resource_rules.check(
        {"Memory": 64 * MIB, "MemorySwap": -1, "CpusetCpus": "0,1", "CpuQuota": -1, "NanoCpus": 0}, MACHINE
    )


@pytest.mark.parametrize(
    ("present", "wanted", "sentence"),
    [
        (
            {"NanoCpus": 1},
            {"CpuPeriod": 5000},
            "CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        ({"NanoCpus": 1}, {"CpuQuota": 5000}, "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (
            {"CpuPeriod": 5000},
            {"NanoCpus": 1},
            "Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            {"MemorySwap": 10 * MIB},
            {"Memory": 20 * MIB},
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time",
        ),
    ],
)
def test_updates_that_contradict(present: dict[str, Any], wanted: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Conflict) as refused:
        resource_rules.check_update(present, wanted)
    assert sentence in str(refused.value)


def test_swap_is_twice_the_memory_unless_given() -> None:
    assert resource_rules.adapted({"Memory": 10, "MemorySwap": 0}, MACHINE)["MemorySwap"] == 20
    assert resource_rules.adapted({"Memory": 10, "MemorySwap": -1}, MACHINE)["MemorySwap"] == -1


def test_what_the_kernel_lacks_is_dropped_with_a_warning() -> None:
    machine = Abilities(frozenset({0}), weighs_block_io=False)
    host = {"BlkioWeight": 500}
    assert resource_rules.adapted(host, machine)["BlkioWeight"] == 0
    (warning,) = resource_rules.warnings(host, machine)
    assert "Weight discarded" in warning


@pytest.mark.parametrize("text", ["0", "0-3", "0,2-4,9"])
def test_number_lists(text: str) -> None:
    assert resource_rules.spelled(numbers(text)) == text


def test_a_device_that_is_limited_no_more_gets_no_rate() -> None:
    before = {"BlkioDeviceReadBps": [{"Path": "/dev/a", "Rate": 5}, {"Path": "/dev/b", "Rate": 6}]}
    after = {"BlkioDeviceReadBps": [{"Path": "/dev/b", "Rate": 7}], "Memory": 1}
    found = resource_rules.lifted(before, after)
    assert found["BlkioDeviceReadBps"] == [{"Path": "/dev/b", "Rate": 7}, {"Path": "/dev/a", "Rate": 0}]
    assert (found["BlkioDeviceWriteBps"], found["Memory"]) == ([], 1)
