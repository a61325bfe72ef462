"""dockerd's flags and daemon.json become settings."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from linkspan.cli import daemon
from linkspan.cli.daemon_flags import FILE_KEYS, IGNORED, MEANT, REFUSED
from linkspan.cli.flags import UsageError, parse
from linkspan.engine.settings import DaemonSettings, TlsFiles
from linkspan.model.errors import InvalidParameter
from linkspan.runtime.process import Ulimit


def settings(*words):
    return daemon.settings_from(parse(daemon.COMMAND, words))


@pytest.fixture(autouse=True)
def no_file_of_this_machine(monkeypatch, tmp_path):
    flag = next(flag for flag in MEANT if flag.name == "config-file")
    monkeypatch.setattr(flag, "default", str(tmp_path / "daemon.json"))


def test_defaults_are_the_settings_defaults():
    assert daemon.settings_from(parse(daemon.COMMAND, [])) == DaemonSettings()


def test_the_environment_may_do_without_the_bridge_filter(monkeypatch):
    monkeypatch.setenv("DOCKER_IGNORE_BR_NETFILTER_ERROR", "1")
    assert settings().network.bridge_filter_optional


def test_every_kind_of_flag():
    made = settings(
        *("-H", "unix:///a", "-H", "unix:///b", "--data-root", "/d", "--exec-root=/e", "-p", "/p", "-D"),
        *("--dns", "9.9.9.9", "--storage-driver", "overlay2", "--live-restore", "--shutdown-timeout=-1"),
        *("--default-ulimit", "nofile=10:20", "--https-proxy", "http://p:1", "--group", "g", "-l", "warning"),
    )
    assert made.hosts == ("unix:///a", "unix:///b")
    assert (made.data_root, made.exec_root, made.pidfile) == (Path("/d"), Path("/e"), Path("/p"))
    assert (made.debug, made.log_level, made.group) == (True, "warn", "g")
    assert (made.dns, made.ignored, made.live_restore) == (("9.9.9.9",), ("storage-driver",), True)
    assert (made.default_ulimits, made.shutdown_timeout) == ((Ulimit("nofile", 10, 20),), -1)
    assert made.proxies == (("HTTPS_PROXY", "http://p:1"),)


def test_every_kind_of_network_flag():
    network = settings(
        *("--bip", "10.1.0.1/24", "--fixed-cidr=10.1.0.128/25", "--mtu", "1400", "--icc=false"),
        *("--ip", "127.0.0.1", "--userland-proxy=false", "--default-address-pool", "base=10.0.0.0/8,size=24"),
        *("--default-gateway", "10.1.0.9", "--ipv6", "--bip6", "fd00::1/64", "--exec-root=/e"),
        *("--fixed-cidr-v6", "fd00::/80", "--default-gateway-v6", "fd00::9", "--allow-direct-routing"),
        *("--bridge-accept-fwmark", "0x1/0x3", "--default-network-opt", "bridge=a.b=c=d"),
    ).network
    assert (network.bip, network.fixed_cidr) == (IPv4Interface("10.1.0.1/24"), IPv4Network("10.1.0.128/25"))
    assert (network.mtu, network.icc, network.userland_proxy) == (1400, False, False)
    assert network.default_bind_address == IPv4Address("127.0.0.1")
    assert network.default_gateway == IPv4Address("10.1.0.9")
    assert network.default_address_pools[0].size == 24
    assert network.exec_root == Path("/e")
    assert (network.ipv6, str(network.bip6), str(network.fixed_cidr_v6)) == (True, "fd00::1/64", "fd00::/80")
    assert (str(network.default_gateway_v6), network.allow_direct_routing) == ("fd00::9", True)
    assert network.accept_fwmark == "0x1/0x3"
    assert network.default_network_options == (("bridge", "a.b", "c=d"),)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--bip 10.1.0.1", 'invalid argument "10.1.0.1" for "--bip" flag: invalid CIDR address: 10.1.0.1'),
        ("--bip nonsense", "invalid CIDR address: nonsense"),
        ("--bip 10.1.0.0/24", "address of a network"),
        ("--bip6 10.1.0.1/24", 'for "--bip6" flag'),
        ("--fixed-cidr nonsense", 'for "--fixed-cidr" flag'),
        ("--ip nonsense", "IP address is not correctly formatted: nonsense"),
        ("--dns nonsense", 'invalid argument "nonsense" for "--dns" flag: IP address is not correctly'),
        ("--dns-search a/b", "a/b is not a valid domain"),
        ("--mtu large", "strconv.ParseInt"),
        ("--mtu=-1", "invalid default MTU: -1"),
        ("--mtu 9", "must be between 68 and 65535"),
        ("--firewall-backend nonsense", "firewall-backend"),
        ("--log-level loud", "invalid logging level: loud"),
        ("--label =x", "invalid label '=x': empty name"),
        ("--label a=b --label a=c", "conflict labels for a=b and a=c"),
        ("--bridge-accept-fwmark x", 'invalid firewall mark "x"'),
        ("--bridge-accept-fwmark 1/", 'invalid firewall mask "1/"'),
        ("--default-ulimit nofile", "invalid ulimit argument: nofile"),
        ("--default-ulimit files=1", "invalid ulimit type: files"),
        ("--default-ulimit nofile=x", "invalid ulimit argument: nofile=x"),
        ("--default-ulimit nofile=9:1", "soft limit must be less than or equal to hard limit: 9 > 1"),
        ("--default-network-opt bridge=x", "invalid key value pair format in default network options"),
        ("--default-address-pool base=10.0.0.0/8,size=4", "size 4 does not fit in 10.0.0.0/8"),
        ("-b br7 --bip 10.1.0.1/24", "You specified -b & --bip, mutually exclusive options"),
        ("--icc=false --iptables=false", "You specified --iptables=false with --icc=false"),
        ("-H fd://", "sockets handed over by systemd are not taken"),
        ("-H ftp://x", "invalid bind address format: ftp://x"),
        ("-H tcp://x:1", "it needs an IP address"),
        ("-H tcp://127.0.0.1:99999", "invalid port in bind address"),
        ("-H tcp://127.0.0.1:1", "add --tlsverify --tlscacert --tlscert --tlskey"),
        ("-H tcp://127.0.0.1:1 --tls=false", "add --tlsverify"),
        ("--tls", "add --tlsverify"),
        ("--tlsverify --tlscert c", "--tlsverify needs --tlscacert, --tlskey too"),
        ("--nonsense", "unknown flag: --nonsense"),
        ("extra", "accepts no arguments"),
    ],
)
def test_wrong_values_are_told(words, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        settings(*words.split())


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("unix://", "unix:///run/linkspan/linkspan.sock"),
        ("tcp://", "tcp://127.0.0.1:2376"),
        ("tcp://0.0.0.0", "tcp://0.0.0.0:2376"),
        ("tcp://:1234", "tcp://127.0.0.1:1234"),
        ("tcp://[::1]:7", "tcp://[::1]:7"),
        ("10.0.0.1:7", "tcp://10.0.0.1:7"),
    ],
)
def test_sockets_may_be_written_short(given, meant):
    made = settings("-H", given, "--tlsverify", "--tlscacert=/a", "--tlscert=/c", "--tlskey=/k")
    assert made.hosts == (meant,)
    assert made.tls == TlsFiles(Path("/a"), Path("/c"), Path("/k"))


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
            "labels": ["a=b"],
            "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
            "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 20, "Soft": 10}},
            "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1234"}},
            "host-gateway-ips": ["10.0.0.1", "fd00::1"],
            "features": {"x": True},
            "proxies": {"http-proxy": "http://p:1"},
            "builder": {"gc": {"enabled": True}},
        },
        "--debug",
    )
    network = made.network
    assert (network.bip, network.icc, network.mtu) == (IPv4Interface("10.1.0.1/24"), False, 1400)
    assert (made.hosts, made.labels, made.debug) == (("unix:///a",), ("a=b",), True)
    assert network.default_address_pools[0].size == 24
    assert network.default_network_options == (("bridge", "com.docker.network.driver.mtu", "1234"),)
    assert made.default_ulimits == (Ulimit("nofile", 10, 20),)
    assert made.host_gateway_addresses == ("10.0.0.1", "fd00::1")
    assert made.proxies == (("HTTP_PROXY", "http://p:1"),)
    assert made.ignored == ("feature",)
    assert {"label", "icc", "mtu"} <= made.from_file
    assert "debug" not in made.from_file


@pytest.mark.parametrize(("given", "meant"), [("builtin", ""), ("unconfined", "unconfined"), (None, "{}")])
def test_a_profile_of_system_calls(tmp_path, given, meant):
    file = tmp_path / "profile.json"
    file.write_text("{}")
    made = settings("--seccomp-profile", given or str(file), "--no-new-privileges")
    assert (made.seccomp_profile, made.no_new_privileges) == (meant, True)


@pytest.mark.parametrize("text", ["", " ", "{}", "\ufeff{}"])
def test_an_empty_file_says_nothing(tmp_path, text):
    assert with_file(tmp_path, text) == DaemonSettings()


def test_the_old_key_for_one_host_gateway(tmp_path):
    assert with_file(tmp_path, {"host-gateway-ip": "10.0.0.1"}).host_gateway_addresses == ("10.0.0.1",)


WRONG_TYPE = "json: cannot unmarshal {} into Go struct field Config.{} of type {}"


@pytest.mark.parametrize(
    ("document", "words", "text"),
    [
        (
            {"nonsense": 1, "mtu": 9, "more": {"deep": 1}},
            "",
            "the following directives don't match any configuration option: nonsense, deep",
        ),
        (
            {"mtu": 1400, "labels": ["a=b"]},
            "--mtu 1500 --label c=d --label e=f",
            "the following directives are specified both as a flag and in the configuration file: "
            "mtu: (from flag: 1500, from file: 1400), labels: (from flag: [c=d e=f], from file: [a=b])",
        ),
        ({"debug": "yes"}, "", WRONG_TYPE.format("string", "debug", "bool")),
        ({"debug": 1}, "", WRONG_TYPE.format("number", "debug", "bool")),
        ({"mtu": "1400"}, "", WRONG_TYPE.format("string", "mtu", "int")),
        ({"mtu": 1.5}, "", WRONG_TYPE.format("number 1.5", "mtu", "int")),
        ({"bip": True}, "", WRONG_TYPE.format("bool", "bip", "string")),
        ({"dns": "1.1.1.1"}, "", WRONG_TYPE.format("string", "dns", "[]string")),
        ({"dns": [1]}, "", WRONG_TYPE.format("number", "dns", "string")),
        ([], "", "json: cannot unmarshal array into Go value of type config.Config"),
        ("{", "", "unexpected end of JSON input"),
        ('{"debug": true,}', "", "invalid character '}' looking for beginning of object key string"),
        ("{} {}", "", "invalid character '{' after top-level value"),
        (
            {"default-address-pools": {}},
            "",
            "json: cannot unmarshal object into Go struct field Config.default-address-pools "
            "of type []*ipamutils.NetworkToSplit",
        ),
        ({"fixed-cidr": "x"}, "", "flags failed: invalid fixed-cidr: invalid CIDR address: x"),
        ({"default-gateway": "x"}, "", "default-gateway: IP address is not correctly formatted: x"),
        (
            {"log-level": "loud"},
            "",
            "merged configuration validation from file and command line flags failed: invalid logging level",
        ),
        ({"dns": ["x"]}, "", "flags failed: invalid dns: IP address is not correctly formatted: x"),
        ({"hosts": ["tcp://1.2.3.4:5"]}, "", "add --tlsverify"),
        ({"selinux-enabled": True}, "", "protection is not available here"),
        ({"seccomp-profile": "/nowhere"}, "", "opening seccomp profile (/nowhere) failed"),
    ],
)
def test_a_wrong_file(tmp_path, document, words, text):
    with pytest.raises(UsageError, match=re.escape(text)) as met:
        with_file(tmp_path, document, *words.split())
    path = tmp_path / "given.json"
    assert str(met.value).startswith(f"unable to configure the Docker daemon with file {path}: ")


def test_a_file_that_was_asked_for_must_exist():
    text = r"with file /nowhere/x.json: open /nowhere/x.json: no such file or directory"
    with pytest.raises(UsageError, match=text):
        daemon.settings_from(parse(daemon.COMMAND, ["--config-file", "/nowhere/x.json"]))


def test_reading_again_tells_what_is_wrong_as_an_error_of_the_daemon(tmp_path):
    path = tmp_path / "given.json"
    path.write_text('{"nonsense": 1}')
    with pytest.raises(InvalidParameter, match="don't match any configuration option"):
        daemon._again(["--config-file", str(path)])


def test_help_version_validate(capsys):
    assert daemon.main(["--help"]) == 0
    assert "--bip string" in capsys.readouterr().out
    assert daemon.main(["--version"]) == 0
    assert daemon.main(["--validate", "--mtu", "1400"]) == 0
    assert "configuration OK" in capsys.readouterr().out
    assert daemon.main(["--bip", "x"]) == 1
