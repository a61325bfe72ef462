"""The process that has a port is found, from a copy of /proc and from the real one."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address

import pytest

from linkspan.kernel.port_holders import Holder, port_holder

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 {} 1 0\n"
ANY6 = "0" * 32


@pytest.fixture
def proc(tmp_path):
    """Web servers on 10.0.0.5:80 (process 7) and [::]:443 (process 8), an open connection on port 81."""
    net = tmp_path / "thread-self" / "net"
    net.mkdir(parents=True)
    lines = [LINE.format("0500000A:0050", "0A", 100), LINE.format("0500000A:0051", "01", 101)]
    net.joinpath("tcp").write_text(HEAD + "".join(lines))
    net.joinpath("tcp6").write_text(HEAD + LINE.format(f"{ANY6}:01BB", "0A", 200))
    net.joinpath("udp").write_text(HEAD + LINE.format("00000000:0035", "07", 300))
    for pid, name, inode in ((7, "nginx", 100), (8, "apache2", 200), (9, "dnsmasq", 999)):
        files = tmp_path / str(pid) / "fd"
        files.mkdir(parents=True)
        files.joinpath("3").symlink_to(f"socket:[{inode}]")
        tmp_path.joinpath(str(pid), "comm").write_text(f"{name}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("protocol", "address", "port", "holder"),
    [
        ("tcp", "10.0.0.5", 80, Holder(7, "nginx")),
        ("tcp", "0.0.0.0", 80, Holder(7, "nginx")),
        ("tcp", "10.0.0.6", 80, None),
        ("tcp", "::", 80, None),
        ("tcp", "0.0.0.0", 81, None),
        ("tcp", "0.0.0.0", 443, Holder(8, "apache2")),
        ("udp", "0.0.0.0", 443, None),
        ("udp", "127.0.0.1", 53, None),
        ("sctp", "0.0.0.0", 80, None),
    ],
)
def test_what_keeps_a_port_from_being_bound(proc, protocol, address, port, holder):
    assert port_holder(protocol, ip_address(address), port, proc) == holder


def test_it_is_told_in_a_few_words():
    assert str(Holder(7, "nginx")) == "process 7, nginx"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_our_own_socket_is_found(kind):
    with socket.socket(socket.AF_INET, kind) as ours:
        ours.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            ours.listen()
        protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
        holder = port_holder(protocol, ip_address("0.0.0.0"), ours.getsockname()[1])
    assert holder is not None
    assert holder.pid == os.getpid()
