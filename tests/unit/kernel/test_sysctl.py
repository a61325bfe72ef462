"""Keys of kernel parameters as sysctl(8) writes them."""

from pathlib import Path

import pytest

from linkspan.kernel import sysctl


def test_dots_separate_and_a_slash_is_a_dot_inside_a_name():
    assert sysctl.path_of("net.ipv4.conf.eth0/50.forwarding") == Path(
        "/proc/sys/net/ipv4/conf/eth0.50/forwarding"
    )


@pytest.mark.parametrize("key", ["", "net..x", "net.//.x"])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(OSError, match="is no kernel parameter"):
        sysctl.path_of(key)


def test_a_key_that_begins_with_a_slash_separator_is_a_path():
    assert sysctl.path_of("net/ipv4/conf/eth0.50/forwarding") == Path(
        "/proc/sys/net/ipv4/conf/eth0.50/forwarding"
    )


def test_a_parameter_is_read_and_an_unknown_one_is_not_found():
    assert sysctl.read("kernel.ostype") == "Linux"
    with pytest.raises(FileNotFoundError):
        sysctl.read("net.ipv4.no_such_parameter")


def test_setting_what_is_set_writes_nothing():
    assert sysctl.exchange("kernel.ostype", "Linux") == "Linux"
