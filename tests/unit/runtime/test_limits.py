"""Resource limits in OCI form."""

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime import limits
from linkspan.runtime.process import Rate, Resources

MIB = 1 << 20


def test_nothing_set_is_nothing():
    assert limits.section(Resources()) == {}
    assert limits.section(Resources(memory=0, cpu_shares=0, pids_limit=0, memory_swappiness=-1)) == {}


def test_swap_defaults_to_twice_the_memory():
    assert limits.section(Resources(memory=64 * MIB))["memory"] == {"limit": 64 * MIB, "swap": 128 * MIB}
    given = Resources(memory=64 * MIB, memory_swap=-1, memory_reservation=MIB, memory_swappiness=0)
    expected = {"limit": 64 * MIB, "swap": -1, "reservation": MIB, "swappiness": 0}
    assert limits.section(given)["memory"] == expected
    assert limits.section(Resources(memory=MIB), swap_accounting=False)["memory"] == {"limit": MIB}
    assert limits.section(Resources(oom_kill_disable=True))["memory"] == {"disableOOMKiller": True}


def test_cpu_pids_and_block_io():
    given = Resources(nano_cpus=1_500_000_000, cpu_shares=512, cpuset_cpus="0-1", cpuset_mems="0")
    expected = {"shares": 512, "quota": 150_000, "period": 100_000, "cpus": "0-1", "mems": "0"}
    assert limits.section(given)["cpu"] == expected
    given = Resources(cpu_quota=5000, cpu_period=10_000, pids_limit=-1, blkio_weight=300)
    assert limits.section(given) == {
        "cpu": {"quota": 5000, "period": 10_000},
        "pids": {"limit": -1},
        "blockIO": {"weight": 300},
    }


def test_device_rules():
    assert limits.device_rules(True) == [{"allow": True, "access": "rwm"}]
    rules = limits.device_rules(False, ("b 8:* rw",))
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert {"allow": True, "type": "c", "access": "rwm", "major": 1, "minor": 3} in rules
    assert rules[-1] == {"allow": True, "type": "b", "access": "rw", "major": 8}
    with pytest.raises(InvalidParameter, match="invalid device cgroup rule format: 'nonsense'"):
        limits.device_rules(False, ("nonsense",))


def test_rates_of_block_devices():
    given = Resources(
        rates=(Rate("ReadBps", 8, 0, 1000), Rate("ReadBps", 8, 16, 5), Rate("WriteIOps", 8, 0, 7))
    )
    assert limits.section(given) == {
        "blockIO": {
            "throttleReadBpsDevice": [
                {"major": 8, "minor": 0, "rate": 1000},
                {"major": 8, "minor": 16, "rate": 5},
            ],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 7}],
        }
    }
