"""Host devices by path."""

from pathlib import Path

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.devices import DeviceNode, host_devices, look_up, rate
from linkspan.runtime.failures import RuntimeFailure
from linkspan.runtime.process import Device, Rate


def test_a_node_is_looked_up():
    (node,) = look_up([Device("/dev/null", "/dev/mine", "rw")])
    assert (node.path, node.kind, node.major, node.minor) == ("/dev/mine", "c", 1, 3)
    assert node.rule == "c 1:3 rw"
    block = DeviceNode("/dev/d", "b", 8, 1, 0o660, 0, 6)
    assert block.rule == "b 8:1 rwm"


def test_what_is_no_device_is_refused(tmp_path: Path):
    begin = 'error gathering device information while adding custom device "'
    with pytest.raises(RuntimeFailure) as caught:
        look_up([Device("/dev/not-there", "/dev/x")])
    assert str(caught.value) == f'{begin}/dev/not-there": no such file or directory'
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeFailure) as caught:
        look_up([Device(str(tmp_path / "file"), "/dev/x")])
    assert str(caught.value) == f'{begin}{tmp_path / "file"}": not a device node'
    with pytest.raises(RuntimeFailure, match="no devices found in"):
        look_up([Device(str(tmp_path), "/dev/x")])


def test_a_privileged_container_sees_the_host_s():
    paths = {node.path for node in host_devices()}
    assert "/dev/null" in paths
    assert not any(path.startswith(("/dev/pts", "/dev/shm")) for path in paths)


def test_the_rate_of_a_device_is_told_by_its_number():
    assert rate("ReadBps", "/dev/null", 5) == Rate("ReadBps", 1, 3, 5)
    with pytest.raises(InvalidParameter, match=r"^error gathering device information of /dev/nowhere"):
        rate("ReadBps", "/dev/nowhere", 5)
