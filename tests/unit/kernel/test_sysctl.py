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
    with pytest.raises(ValueError, match="is no kernel parameter"):
        sysctl.path_of(key)


def test_an_unknown_parameter_reads_as_none():
    assert sysctl.read("net.ipv4.no_such_parameter") is None
    assert sysctl.read("kernel.ostype") == "Linux"
