"""Counters of cgroup v1 and v2 in Docker's shape."""

from pathlib import Path

from linkspan.runtime import figures


def _write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_v2(tmp_path):
    stat = "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled 1\nthrottled_usec 7\n"
    _write(
        tmp_path,
        l__c__cpu_dot_stat=stat,
        l__c__memory_dot_current="100\n",
        l__c__memory_dot_max="max\n",
        l__c__memory_dot_stat="anon 60\n",
        l__c__pids_dot_current="2\n",
        l__c__pids_dot_max="max\n",
        l__c__io_dot_stat="8:0 rbytes=10 wbytes=20 rios=1\n",
        l__c__cgroup_dot_procs="7\n3\n",
        l__c__sub__cgroup_dot_procs="5\n",
    )
    found = figures.statistics(tmp_path, "/l/c", True)
    cpu = found["cpu_stats"]["cpu_usage"]
    assert cpu == {"total_usage": 5000, "usage_in_kernelmode": 2000, "usage_in_usermode": 3000}
    assert found["cpu_stats"]["throttling_data"]["throttled_time"] == 7000
    assert found["cpu_stats"]["online_cpus"] >= 1 and found["cpu_stats"]["system_cpu_usage"] > 0
    assert found["memory_stats"] == {"usage": 100, "stats": {"anon": 60}}
    assert found["pids_stats"] == {"current": 2, "limit": 2**64 - 1}
    assert found["blkio_stats"]["io_service_bytes_recursive"] == [
        {"major": 8, "minor": 0, "op": "read", "value": 10},
        {"major": 8, "minor": 0, "op": "write", "value": 20},
    ]
    assert figures.processes(tmp_path, "/l/c", True) == [3, 5, 7]
    assert figures.processes(tmp_path, "/none", True) == []


def test_v1(tmp_path):
    _write(
        tmp_path,
        cpuacct__l__c__cpuacct_dot_usage="5000\n",
        cpuacct__l__c__cpuacct_dot_usage_percpu="2000 3000\n",
        cpuacct__l__c__cpuacct_dot_stat="user 1\nsystem 2\n",
        cpu__l__c__cpu_dot_stat="nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
        memory__l__c__memory_dot_usage_in_bytes="100\n",
        memory__l__c__memory_dot_limit_in_bytes="9223372036854771712\n",
        pids__l__c__pids_dot_current="1\n",
        pids__l__c__pids_dot_max="10\n",
        pids__l__c__cgroup_dot_procs="4\n",
        blkio__l__c__blkio_dot_throttle_dot_io_service_bytes="8:0 Read 1\nTotal 1\n",
    )
    found = figures.statistics(tmp_path, "/l/c", False)
    assert found["cpu_stats"]["cpu_usage"]["percpu_usage"] == [2000, 3000]
    assert found["memory_stats"]["usage"] == 100
    assert 0 < found["memory_stats"]["limit"] < 1 << 62
    assert found["pids_stats"] == {"current": 1, "limit": 10}
    assert found["blkio_stats"]["io_service_bytes_recursive"] == [
        {"major": 8, "minor": 0, "op": "Read", "value": 1}
    ]
    assert figures.processes(tmp_path, "/l/c", False) == [4]


def test_removing_takes_what_is_empty(tmp_path):
    (tmp_path / "cpu/l/c/sub").mkdir(parents=True)
    (tmp_path / "pids/l").mkdir(parents=True)
    figures.remove(tmp_path, "/l/c", False)
    assert not (tmp_path / "cpu/l/c").exists()
    figures.remove(tmp_path, "/l", False)
    assert not (tmp_path / "cpu/l").exists() and not (tmp_path / "pids/l").exists()
    (tmp_path / "l/c").mkdir(parents=True)
    figures.remove(tmp_path, "/l/c", True)
    assert not (tmp_path / "l/c").exists()
