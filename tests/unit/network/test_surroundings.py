"""The host's files: resolvers that no subnet may hide, and mounts."""

from __future__ import annotations

from pathlib import Path

from linkspan.network.surroundings import is_mounted, resolver_subnets


def test_resolvers(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# nameserver 1.1.1.1\nnameserver 172.17.0.53\nnameserver fe80::1%eth0\nnameserver x\nsearch a\n"
    )
    behind = tmp_path / "resolved.conf"
    behind.write_text("nameserver 172.17.0.53\nnameserver 10.1.1.1\n")
    found = resolver_subnets((path, tmp_path / "missing", behind))
    assert [str(subnet) for subnet in found] == ["172.17.0.53/32", "fe80::1/128", "10.1.1.1/32"]


def test_mounts(tmp_path):
    plain = tmp_path / "file"
    plain.touch()
    assert is_mounted(Path("/proc")) and not is_mounted(plain) and not is_mounted(tmp_path / "missing")
