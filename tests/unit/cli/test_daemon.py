"""dockerd's flags and daemon.json become settings."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from linkspan.cli import daemon
from linkspan.cli.daemon_flags import FILE_KEYS, IGNORED, MEANT, REFUSED
from linkspan.cli.flags import UsageError, parse
from linkspan.engine.settings import DaemonSettings
from linkspan.model.errors import InvalidParameter


def settings(*words):
    return daemon.settings_from(parse(daemon.COMMAND, words))


@pytest.fixture(autouse=True)
def no_file_of_this_machine(monkeypatch, tmp_path):
    flag = next(flag for flag in MEANT if flag.name == "config-file")
    monkeypatch.setattr(flag, "default", str(tmp_path / "daemon.json"))


def test_defaults_are_the_settings_defaults():
    assert daemon.settings_from(parse(daemon.COMMAND, [])) == DaemonSettings()


def test_every_kind_of_flag():
    made = settings(
        *(
            "-H",
            "unix:///a",
            "-H",
            "tcp://127.0.0.1:1",
            "--data-root",
            "/d",
            "--exec-root=/e",
            "-p",
            "/p",
            "-D",
        ),
        *("--bip", "10.1.0.1/24", "--fixed-cidr=10.1.0.128/25", "-b", "br7", "--mtu", "1400", "--icc=false"),
        *("--ip", "127.0.0.1", "--userland-proxy=false", "--default-address-pool", "base=10.0.0.0/8,size=24"),
        *(
            "--default-gateway",
            "10.1.0.9",
            "--dns",
            "9.9.9.9",
            "--storage-driver",
            "overlay2",
            "--live-restore",
        ),
    )
    assert made.hosts == ("unix:///a", "tcp://127.0.0.1:1")
    assert (made.data_root, made.exec_root, made.pidfile, made.debug) == (
        Path("/d"),
        Path("/e"),
        Path("/p"),
        True,
    )
    network = made.network
    assert (network.bip, network.fixed_cidr) == (IPv4Interface("10.1.0.1/24"), IPv4Network("10.1.0.128/25"))
    assert (network.bridge, network.mtu, network.icc, network.userland_proxy) == ("br7", 1400, False, False)
    assert (network.default_bind_address, network.default_gateway) == (
        IPv4Address("127.0.0.1"),
        IPv4Address("10.1.0.9"),
    )
    assert network.default_address_pools[0].size == 24
    assert network.exec_root == Path("/e")
    assert (made.dns, made.ignored, made.live_restore) == (("9.9.9.9",), ("storage-driver",), True)


@pytest.mark.parametrize(
    "words",
    [
        ["--bip", "10.1.0.1"],
        ["--bip", "nonsense"],
        ["--fixed-cidr", "10.1.0.1/24"],
        ["--ip", "nonsense"],
        ["--dns", "nonsense"],
        ["--mtu", "large"],
        ["--firewall-backend", "nonsense"],
        ["--nonsense"],
        ["extra"],
    ],
)
def test_wrong_values_are_told(words):
    with pytest.raises(UsageError):
        settings(*words)


def test_a_wrong_pool():
    with pytest.raises(InvalidParameter):
        settings("--default-address-pool", "base=10.0.0.0/8,size=4")


@pytest.mark.parametrize("flag", REFUSED, ids=lambda flag: flag.name)
def test_protection_that_is_not_there_is_refused(flag):
    value = "true" if flag.kind == "bool" else "x"
    with pytest.raises(UsageError, match="protection is not available"):
        settings(f"--{flag.name}={value}")


def test_no_flag_twice():
    names = [flag.name for flag in (*MEANT, *REFUSED, *IGNORED)]
    assert len(names) == len(set(names))
    assert set(FILE_KEYS.values()) <= set(names)


def with_file(tmp_path, document, *words):
    path = tmp_path / "given.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return daemon.settings_from(parse(daemon.COMMAND, ["--config-file", str(path), *words]))


def test_the_file(tmp_path):
    made = with_file(
        tmp_path,
        {
            "bip": "10.1.0.1/24",
            "icc": False,
            "mtu": 1400,
            "hosts": ["unix:///a"],
            "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
            "features": {"x": True},
        },
    )
    assert (made.network.bip, made.network.icc, made.network.mtu) == (
        IPv4Interface("10.1.0.1/24"),
        False,
        1400,
    )
    assert made.hosts == ("unix:///a",)
    assert made.network.default_address_pools[0].size == 24
    assert made.ignored == ("feature",)


@pytest.mark.parametrize(
    ("document", "words", "text"),
    [
        ({"nonsense": 1}, [], "don't match any configuration option: nonsense"),
        (
            {"mtu": 1400},
            ["--mtu", "1500"],
            r"specified both as a flag and in the configuration file: mtu: \(from flag",
        ),
        ("{", [], "unable to configure the daemon with file"),
    ],
)
def test_a_wrong_file(tmp_path, document, words, text):
    with pytest.raises(UsageError, match=text):
        with_file(tmp_path, document, *words)


def test_a_file_that_was_asked_for_must_exist():
    with pytest.raises(UsageError, match="no such file"):
        daemon.settings_from(parse(daemon.COMMAND, ["--config-file", "/nowhere/x.json"]))


def test_help_version_validate(capsys):
    assert daemon.main(["--help"]) == 0
    assert "--bip string" in capsys.readouterr().out
    assert daemon.main(["--version"]) == 0
    assert daemon.main(["--validate", "--mtu", "1400"]) == 0
    assert "configuration OK" in capsys.readouterr().out
    assert daemon.main(["--bip", "x"]) == 1
