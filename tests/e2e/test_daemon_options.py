"""Every option of the daemon, from a flag or from daemon.json, shown by what it does to the kernel."""

from __future__ import annotations

import json
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from linkspan.lab import LabError

MTU = "com.docker.network.driver.mtu"


def addresses(stage, link):
    """The addresses of a link of the host, with their prefixes."""
    found = json.loads(stage.host("ip", "-j", "addr", "show", "dev", link).out)
    return {f"{info['local']}/{info['prefixlen']}" for info in found[0]["addr_info"]}


def link(stage, name):
    return json.loads(stage.host("ip", "-j", "-d", "link", "show", "dev", name).out)[0]


def has_link(stage, name):
    return stage.host("ip", "link", "show", "dev", name, check=False).code == 0


def sysctl(stage, key):
    return stage.host("cat", f"/proc/sys/{key}").text


def subnet(stage, name, family=0):
    return stage.network(name)["IPAM"]["Config"][family]["Subnet"]


# --- the default bridge ------------------------------------------------------------------------------------


def test_bip_fixed_cidr_default_gateway_and_mtu(stage_with):
    stage = stage_with(
        *("--bip", "10.9.0.1/24", "--fixed-cidr", "10.9.0.128/25"),
        *("--default-gateway", "10.9.0.254", "--mtu", "1400"),
    )
    assert "10.9.0.1/24" in addresses(stage, "docker0")
    assert link(stage, "docker0")["mtu"] == 1400
    stage.sleeper("one")
    assert stage.address("one") == "10.9.0.128"
    assert "default via 10.9.0.254 dev eth0" in stage.inside("one", "ip", "route").out
    assert "mtu 1400" in stage.inside("one", "ip", "link", "show", "eth0").out


def test_a_fixed_cidr_alone_is_the_subnet(stage_with):
    stage = stage_with("--fixed-cidr", "10.9.1.0/24")
    assert "10.9.1.1/24" in addresses(stage, "docker0")
    assert subnet(stage, "bridge") == "10.9.1.0/24"


def test_another_bip_takes_the_place_of_the_first(lab, stage_with):
    stage = stage_with("--bip", "10.9.0.1/24")
    lab.stop_daemon()
    lab.daemon("--bip", "10.9.5.1/24")
    found = {each for each in addresses(stage, "docker0") if ":" not in each}
    assert found == {"10.9.5.1/24"}
    stage.sleeper("one")
    assert stage.address("one") == "10.9.5.2"


def test_ipv6_bip6_fixed_cidr_v6_and_default_gateway_v6(lab, stage_with):
    stage = stage_with(
        *("--ipv6", "--bip6", "fd00:9::1/64", "--fixed-cidr-v6", "fd00:9::100/120"),
        *("--default-gateway-v6", "fd00:9::99"),
    )
    assert {"fd00:9::1/64", "172.17.0.1/16"} <= addresses(stage, "docker0")
    stage.sleeper("one")
    assert stage.inspect("one")["NetworkSettings"]["GlobalIPv6Address"] == "fd00:9::100"
    assert "default via fd00:9::99 dev eth0" in stage.inside("one", "ip", "-6", "route").out
    lab.stop_daemon()
    lab.daemon()
    assert "fd00:9::1/64" not in addresses(stage, "docker0")


def test_ipv6_alone_takes_a_subnet_of_this_daemons_own(stage_with):
    stage = stage_with("--ipv6")
    chosen = subnet(stage, "bridge", 1)
    assert chosen.startswith("fd") and chosen.endswith("/64")
    stage.sleeper("one")
    stage.host("busybox", "ping", "-c1", "-W3", f"{chosen.removesuffix('/64')}2")


def test_no_default_bridge(stage_with):
    stage = stage_with("--bridge", "none")
    assert not has_link(stage, "docker0")
    assert stage.docker("network", "ls", "--format", "{{.Name}}").lines == ["host", "none"]
    stage.docker("network", "create", "own")
    stage.sleeper("one", "--network", "own")
    assert stage.address("one", "own")


def test_a_bridge_made_by_hand(lab):
    for words in ("link add br9 type bridge", "addr add 10.44.0.7/24 dev br9", "link set br9 up"):
        lab.run("host", "ip", *words.split())
    lab.daemon("--bridge", "br9")
    assert not lab.run("host", "ip", "link", "show", "dev", "docker0", check=False).out
    id = lab.docker("run", "-d", "busybox", "sleep", "1000").text
    gateway = "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}"
    assert lab.docker("inspect", "-f", gateway, id).text == "10.44.0.1 10.44.0.7"
    lab.docker("rm", "-f", id)
    lab.stop_daemon()
    lab.daemon("--bridge", "none")
    assert "10.44.0.7/24" in lab.run("host", "ip", "addr", "show", "dev", "br9").out


@pytest.mark.parametrize("allowed", [True, False])
def test_icc(stage_with, allowed):
    stage = stage_with(f"--icc={str(allowed).lower()}")
    stage.web("web")
    stage.sleeper("other")
    url = f"http://{stage.address('web')}/"
    answer = stage.inside("other", "timeout", "2", "wget", "-qO-", url, check=False)
    assert bool(answer.text) is allowed
    assert stage.get("host", url)


# --- subnets -----------------------------------------------------------------------------------------------


def test_default_address_pools_and_their_end(stage_with):
    stage = stage_with(
        *("--default-address-pool", "base=10.200.0.0/23,size=24"),
        *("--default-address-pool", "base=10.201.0.0/16,size=16"),
    )
    assert subnet(stage, "bridge") == "10.200.0.0/24"
    stage.docker("network", "create", "n1")
    stage.docker("network", "create", "n2")
    assert (subnet(stage, "n1"), subnet(stage, "n2")) == ("10.200.1.0/24", "10.201.0.0/16")
    told = stage.fails("network", "create", "n3").err
    assert "all predefined address pools have been fully subnetted" in told
    assert "10.200.0.0/23 in /24, 10.201.0.0/16 in /16" in told
    assert "--default-address-pool" in told


def test_more_than_31_networks(own_stage):
    made = [own_stage.docker("network", "create", f"n{number}").text for number in range(33)]
    listed = json.loads(own_stage.docker("network", "inspect", *made).out)
    subnets = [each["IPAM"]["Config"][0]["Subnet"] for each in listed]
    assert subnets[29:] == ["192.168.240.0/20", "10.128.0.0/24", "10.128.1.0/24", "10.128.2.0/24"]
    assert len(set(subnets)) == 33


def test_subnets_that_any_route_or_resolver_of_the_host_has_are_skipped(lab):
    lab.run("host", "ip", "route", "add", "172.18.5.0/24", "dev", "eth0", "table", "52")
    lab.run("host", "ip", "route", "add", "172.19.0.0/16", "via", "10.0.0.9")
    lab.run("host", "sh", "-c", "echo nameserver 172.20.0.53 > /etc/resolv.conf")
    lab.daemon()
    lab.docker("network", "create", "one")
    assert "172.21.0.0/16" in lab.docker("network", "inspect", "one").out


def test_a_named_subnet_is_compared_with_the_hosts_routes(own_stage):
    own_stage.host("ip", "route", "add", "10.77.0.0/16", "via", "10.0.0.9", "table", "52")
    told = own_stage.fails("network", "create", "--subnet", "10.77.3.0/24", "vpn").err
    assert "overlaps with a route of this host (10.77.0.0/16 via 10.0.0.9 dev eth0 table 52)" in told
    told = own_stage.fails("network", "create", "--subnet", "10.0.0.0/8", "lan").err
    assert "(10.0.0.0/24 dev eth0)" in told
    told = own_stage.fails("network", "create", "--subnet", "172.17.9.0/24", "mine").err
    assert "invalid pool request: Pool overlaps with other one on this address space" in told
    wanted = ("--subnet", "10.77.3.0/24", "-o", "com.linkspan.network.allow_route_overlap=true")
    own_stage.docker("network", "create", *wanted, "allowed")
    own_stage.docker("network", "create", "--subnet", "10.88.0.0/24", "free")


def test_default_network_options(stage_with):
    stage = stage_with("--default-network-opt", f"bridge={MTU}=1300")
    stage.docker("network", "create", "one", "-o", "com.docker.network.bridge.name=br-one")
    stage.docker(
        "network", "create", "two", "-o", "com.docker.network.bridge.name=br-two", "-o", f"{MTU}=1200"
    )
    assert (link(stage, "br-one")["mtu"], link(stage, "br-two")["mtu"]) == (1300, 1200)
    assert link(stage, "docker0")["mtu"] == 1500


# --- the packet filter, forwarding and the proxy -----------------------------------------------------------


def test_ip_is_where_ports_are_published(stage_with):
    stage = stage_with("--ip", "127.0.0.1")
    stage.web("web", "-p", "8080:80")
    assert stage.docker("port", "web").lines == ["80/tcp -> 127.0.0.1:8080"]
    assert stage.get("host", "http://127.0.0.1:8080/")
    assert not stage.get("lan", "http://10.0.0.5:8080/", timeout=1)


def test_ip_masq_false(stage_with):
    stage = stage_with("--ip-masq=false")
    assert not [rule for rule in stage.rules("nat") if "MASQUERADE" in rule]


@pytest.mark.parametrize(("flag", "value"), [("--ip-forward", "1"), ("--ip-forward=false", "0")])
def test_ip_forward(stage_with, flag, value):
    stage = stage_with(flag, "--ip-forward-no-drop")
    assert sysctl(stage, "net/ipv4/ip_forward") == value
    assert "-P FORWARD ACCEPT" in stage.rules("filter")


def test_iptables_false_leaves_the_tables_alone_and_the_proxy_serves(stage_with):
    stage = stage_with("--iptables=false", "--ip6tables=false")
    stage.web("web", "-p", "8080:80")
    for family in ("iptables-save", "ip6tables-save"):
        assert "DOCKER" not in stage.host(family).out
    assert stage.get("lan", "http://10.0.0.5:8080/")


def test_ip6tables_false(stage_with):
    stage = stage_with("--ip6tables=false")
    assert "DOCKER" in stage.host("iptables-save").out
    assert "DOCKER" not in stage.host("ip6tables-save").out


def test_userland_proxy_false(stage_with):
    stage = stage_with("--userland-proxy=false")
    stage.web("web", "-p", "8080:80")
    assert sysctl(stage, "net/ipv4/conf/docker0/route_localnet") == "1"
    (veth,) = stage.veths()
    assert link(stage, veth)["linkinfo"]["info_slave_data"]["hairpin"] is True
    for place, url in (("host", "http://127.0.0.1:8080/"), ("lan", "http://10.0.0.5:8080/")):
        assert stage.get(place, url), url
    assert not stage.get("host", "http://[::1]:8080/", timeout=1)


def direct(stage):
    """Let the LAN's client send packets to containers by way of the host."""
    stage.lab.run("lan", "ip", "route", "add", "172.17.0.0/16", "via", "10.0.0.5")


@pytest.mark.parametrize("allowed", [False, True])
def test_allow_direct_routing(stage_with, allowed):
    stage = stage_with(f"--allow-direct-routing={str(allowed).lower()}")
    stage.web("web", "-p", "8080:80")
    direct(stage)
    assert bool(stage.get("lan", f"http://{stage.address('web')}/", timeout=1)) is allowed


def test_bridge_accept_fwmark(stage_with):
    stage = stage_with("--bridge-accept-fwmark", "0x1/0x3", "--allow-direct-routing")
    stage.web("web")
    direct(stage)
    url = f"http://{stage.address('web')}/"
    assert not stage.get("lan", url, timeout=1)
    mark = "-t mangle -A PREROUTING -i eth0 -j MARK --set-mark 5"
    stage.host("iptables", *mark.split(" "))
    assert stage.get("lan", url)


# --- containers --------------------------------------------------------------------------------------------


def test_dns_search_options_host_gateway_and_ulimits(stage_with):
    stage = stage_with(
        *(
            "--dns",
            "198.51.100.53",
            "--dns",
            "192.0.2.53",
            "--dns-search",
            "corp.test",
            "--dns-opt",
            "ndots:3",
        ),
        *("--host-gateway-ip", "10.0.0.5", "--host-gateway-ip", "fd00::5"),
        *("--default-ulimit", "nofile=111:222", "--default-ulimit", "core=0"),
    )
    stage.sleeper("one", "--add-host", "up:host-gateway", "--ulimit", "core=5")
    told = stage.inside("one", "cat", "/etc/resolv.conf").lines
    assert [line for line in told if line and not line.startswith("#")] == [
        "nameserver 198.51.100.53",
        "nameserver 192.0.2.53",
        "search corp.test",
        "options ndots:3",
    ]
    hosts = stage.inside("one", "cat", "/etc/hosts").out
    assert "10.0.0.5\tup\n" in hosts and "fd00::5\tup\n" in hosts
    assert stage.inside("one", "sh", "-c", "ulimit -Sn; ulimit -Hn").lines == ["111", "222"]
    limits = stage.inside("one", "grep", "core", "/proc/1/limits").text
    assert limits.split()[4:6] == ["5", "5"]


def test_no_new_privileges_and_a_seccomp_profile(stage_with, tmp_path):
    profile = tmp_path / "profile.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    stage = stage_with("--no-new-privileges", "--seccomp-profile", str(profile))
    stage.sleeper("plain")
    stage.sleeper("own", "--security-opt", "no-new-privileges=false", "--security-opt", "seccomp=unconfined")
    for name, value, code in (("plain", "1", 1), ("own", "0", 0)):
        assert stage.inside(name, "grep", "NoNewPrivs", "/proc/1/status").text.split()[1] == value
        assert stage.inside(name, "mkdir", "/made", check=False).code == code


# --- the daemon itself -------------------------------------------------------------------------------------


def test_the_file_says_what_flags_say(lab):
    file = lab.directory / "daemon.json"
    document = {
        "bip": "10.9.0.1/24",
        "mtu": 1400,
        "icc": False,
        "labels": ["a=b"],
        "debug": True,
        "insecure-registries": ["registry.test:5000"],
        "default-network-opts": {"bridge": {MTU: "1300"}},
        "storage-driver": "overlay2",
    }
    file.write_text(json.dumps(document))
    lab.daemon("--config-file", str(file))
    assert "inet 10.9.0.1/24" in lab.run("host", "ip", "addr", "show", "dev", "docker0").out
    info = json.loads(lab.docker("info", "--format", "{{json .}}").out)
    assert (info["Labels"], info["Debug"]) == (["a=b"], True)
    assert info["RegistryConfig"]["IndexConfigs"]["registry.test:5000"]["Secure"] is False
    assert "the option storage-driver means nothing here and is ignored" in lab.daemon_log()
    lab.docker("network", "create", "one")
    assert '"1300"' in lab.docker("network", "inspect", "one").out


@pytest.mark.parametrize(
    ("document", "flags", "text"),
    [
        ('{"foo": 1}', (), "the following directives don't match any configuration option: foo"),
        (
            '{"mtu": 1400}',
            ("--mtu=1300",),
            "the following directives are specified both as a flag and in the configuration file: "
            "mtu: (from flag: 1300, from file: 1400)",
        ),
        ('{"bip": "x"}', (), "invalid bip: invalid CIDR address: x"),
    ],
)
def test_a_wrong_file_is_one_line_and_exit_code_1(lab, document, flags, text):
    file = lab.directory / "daemon.json"
    file.write_text(document)
    with pytest.raises(LabError, match="the daemon exited 1") as met:
        lab.daemon("--config-file", str(file), *flags)
    assert f"unable to configure the Docker daemon with file {file}: " in str(met.value)
    assert text in str(met.value)
    assert len(str(met.value).splitlines()) == 2


def test_validate_and_version_touch_nothing(lab):
    daemon = [*lab.daemon_command, "--bip=10.9.0.1/24"]
    assert "configuration OK" in lab.run("host", *daemon, "--validate").out
    assert lab.run("host", *daemon, "-v").out.startswith("Linkspan version ")
    assert lab.run("host", *daemon, "--mtu=9", "--validate", check=False).code == 1
    assert not lab.data_root.exists()


def test_several_sockets_one_group_and_a_pidfile(lab):
    second = lab.directory / "second.sock"
    lab.daemon("-H", f"unix://{second}", "--group", "1234", "-l", "error")
    for path in (lab.socket, second):
        assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (0, 1234, 0o660)
        assert lab.docker("-H", f"unix://{path}", "version").out
    pid = (lab.directory / "linkspan.pid").read_text().strip()
    assert lab.run("host", "cat", f"/proc/{pid}/comm").text == "linkspand"
    assert "INFO" not in lab.daemon_log()
    assert lab.stop_daemon() == 0
    assert not lab.socket.exists() and not second.exists() and not (lab.directory / "linkspan.pid").exists()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--group", "nobody-has-it"), "group nobody-has-it not found"),
        (("-H", "fd://"), "sockets handed over by systemd are not taken"),
        (("-H", "tcp://0.0.0.0:2375"), "add --tlsverify --tlscacert --tlscert --tlskey"),
        (
            ("-H", "tcp://0.0.0.0:2376", "--tlsverify", "--tlscacert=/x", "--tlscert=/x", "--tlskey=/x"),
            "invalid TLS configuration: could not load X509 key pair",
        ),
        (("--bridge", "br77"), "bridge device with non default name br77 must be created manually"),
        (("--bip", "10.9.0.1/24", "--fixed-cidr", "10.8.0.0/24"), "--fixed-cidr 10.8.0.0/24 is not within"),
    ],
)
def test_what_cannot_be_is_told(lab, flags, text):
    with pytest.raises(LabError, match="the daemon exited 1") as met:
        lab.daemon(*flags)
    assert text in str(met.value)


def test_a_second_daemon_is_refused(lab):
    lab.daemon()
    other = ("--data-root", str(lab.directory / "d2"), "--exec-root", str(lab.directory / "e2"))
    pidfile = ("-p", str(lab.directory / "p2"))
    socket2 = ("-H", f"unix://{lab.directory / 's2'}", *pidfile)
    program = lab.daemon_command[0]
    for flags, text in (
        ((*lab.daemon_command[1:], *pidfile), f"another daemon uses {lab.data_root}: stop it first"),
        ((*socket2, *other[:2], "--exec-root", str(lab.exec_root)), f"another daemon uses {lab.exec_root}"),
        ((f"--host={lab.docker_host}", *other, *pidfile), f"another daemon is listening on {lab.socket}"),
        ((*other, "-p", str(lab.directory / "linkspan.pid")), "is still running"),
    ):
        refused = lab.run("host", program, *flags, check=False)
        assert refused.code == 1 and text in refused.err, refused.both
    assert lab.docker("version").out
    assert (lab.directory / "linkspan.pid").exists()


def test_a_service_manager_is_told_when_it_is_ready(lab):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(lab.directory / "notify.sock"))
        manager.settimeout(5)
        lab.daemon(env={"NOTIFY_SOCKET": str(lab.directory / "notify.sock")})
        assert manager.recv(100) == b"READY=1"
        lab.docker("run", "--rm", "busybox", "true")
        lab.stop_daemon()
        assert manager.recv(100) == b"STOPPING=1"


def certificates(lab):
    """Make an authority, a server's and a client's certificate; where they are."""
    script = """
cd "$1"
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -subj /CN=$1 "${@:2}"; }
new ca -x509 -days 2 -out ca.pem
new stranger -x509 -days 2 -out stranger.pem
echo "subjectAltName=IP:10.0.0.5" > names
for name in server client; do
  new $name -out $name.csr
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -out $name.pem -days 2 -extfile names
done
"""
    lab.run("host", "bash", "-euc", script, "bash", str(lab.directory))
    return lab.directory


def test_tls_sockets_let_in_clients_with_a_certificate_only(lab):
    where = certificates(lab)
    lab.daemon(
        *("-H", "tcp://10.0.0.5:2376", "--tlsverify", "--tlscacert", str(where / "ca.pem")),
        *("--tlscert", str(where / "server.pem"), "--tlskey", str(where / "server.key")),
    )

    def docker(*words, name="client", **options):
        tls = ("--tlsverify", "--tlscacert", f"{where}/ca.pem", "--tlscert", f"{where}/{name}.pem")
        tls += ("--tlskey", f"{where}/{name}.key")
        return lab.run("lan", "docker", "-H", "tcp://10.0.0.5:2376", *tls, *words, **options)

    assert docker("version", "--format", "{{.Server.Os}}").text == "linux"
    big = "x" * 300_000
    assert docker("run", "--rm", "-i", "busybox", "cat", input=big).out == big
    assert docker("run", "--rm", "busybox", "sh", "-c", "yes | head -c 3000000 | wc -c").text == "3000000"
    assert docker("run", "--rm", "-i", "busybox", "sh", "-c", "cat; exit 3", input="", check=False).code == 3
    stranger = docker("version", name="stranger", check=False)
    assert stranger.code == 1 and "Server" not in stranger.out
    plain = lab.run("lan", "docker", "-H", "tcp://10.0.0.5:2376", "version", check=False)
    assert plain.code == 1
    assert lab.run("lan", "curl", "-sk", "https://10.0.0.5:2376/info", check=False).code != 0
    assert lab.stop_daemon() == 0


def test_sighup_reloads_what_may_change(lab):
    file = lab.directory / "daemon.json"
    file.write_text(json.dumps({"labels": ["a=b"]}))
    daemon = lab.daemon("--config-file", str(file))
    since = str(time.time())

    def reload(document):
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        lines = lab.daemon_log().count("reloaded")
        daemon.send(signal.SIGHUP)
        deadline = time.monotonic() + 5
        while lab.daemon_log().count("reloaded") == lines and time.monotonic() < deadline:
            time.sleep(0.02)
        return json.loads(lab.docker("info", "--format", "{{json .}}").out)

    wanted = {"labels": ["a=c"], "debug": True, "live-restore": True, "bip": "10.99.0.1/24"}
    info = reload(wanted | {"insecure-registries": ["r.test"], "shutdown-timeout": 7})
    assert (info["Labels"], info["Debug"], info["LiveRestoreEnabled"]) == (["a=c"], True, True)
    assert info["RegistryConfig"]["IndexConfigs"]["r.test"]["Secure"] is False
    assert "10.99.0.1" not in lab.run("host", "ip", "addr").out
    assert reload('{"labels": ["a=d"], "foo": 1}')["Labels"] == ["a=c"]
    assert "don't match any configuration option: foo" in lab.daemon_log()
    assert reload({})["Labels"] == ["a=c"]
    until = ("--since", since, "--until", str(time.time() + 0.1), "--format", "{{json .}}")
    first, *more = map(json.loads, lab.docker("events", *until, "--filter", "type=daemon").lines)
    assert (first["Action"], first["Actor"]["ID"], len(more)) == ("reload", info["ID"], 1)
    assert first["Actor"]["Attributes"] == {
        "debug": "true",
        "insecure-registries": '["r.test"]',
        "labels": '["a=c"]',
        "live-restore": "true",
        "name": "host",
        "shutdown-timeout": "7",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_daemon_whatever_goes_on(lab, number):
    daemon = lab.daemon()
    polite = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
    for name in ("one", "two"):
        lab.docker("run", "-d", "--name", name, "busybox", "sh", "-c", polite)
    lab.start("lan", "sh", "-c", "sleep 1000 | busybox nc -l -p 5000")
    pull = "pull 10.0.0.9:5000/never:1"
    for words in ("events", "logs -f one", "attach one", "stats", "wait two", "exec two sleep 1000", pull):
        lab.start("host", "docker", "-H", lab.docker_host, *words.split())
    requests = (
        "",
        "POST /v1.44/images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc",
        "GET /v1.44/containers/one/export HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1.44/images/busybox/get HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    with ExitStack() as clients:
        for request in requests:
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(lab.socket))
            client.sendall(request.encode())
        time.sleep(0.5)
        begun = time.monotonic()
        daemon.send(number)
        assert daemon.wait(15) == 0
        assert time.monotonic() - begun < 6
    assert "Traceback" not in lab.daemon_log(200)


def test_containers_follow_the_hosts_name_servers(own_stage):
    own_stage.docker("network", "create", "own")
    own_stage.sleeper("plain")
    own_stage.sleeper("named", "--network", "own")
    own_stage.sleeper("edited")
    own_stage.inside("edited", "sh", "-c", "echo nameserver 9.9.9.9 > /etc/resolv.conf")
    own_stage.host("sh", "-c", "echo nameserver 192.0.2.77 > /etc/resolv.conf")

    def servers(name):
        return own_stage.inside(name, "cat", "/etc/resolv.conf").out

    own_stage.until(lambda: "192.0.2.77" in servers("plain"))
    assert "ExtServers: [host(192.0.2.77)]" in servers("named")
    assert servers("edited") == "nameserver 9.9.9.9\n"


# --- restarts ----------------------------------------------------------------------------------------------


class Town:
    """Containers of every kind, and what must be true of them."""

    HTTPD = (
        "busybox",
        "sh",
        "-c",
        "trap 'exit 0' TERM; httpd -p 0.0.0.0:80 -h /etc; while :; do sleep 0.05; done",
    )

    def __init__(self, stage):
        self.stage = stage
        stage.docker("network", "create", "--subnet", "10.55.0.0/24", "front")
        always = ("--restart", "always")
        self.ids = {
            "fixed": self._run("fixed", *always, "--network", "front", "--ip", "10.55.0.77", "-p", "8080:80"),
            "chosen": self._run("chosen", *always, "-p", "80"),
            "plain": self._run("plain", "-p", "8081:80"),
            "down": self._run("down", "--restart", "unless-stopped"),
        }
        stage.docker("stop", "down")
        self.port = stage.docker("port", "chosen", "80/tcp").lines[0].rpartition(":")[2]

    def _run(self, name, *flags):
        return self.stage.docker("run", "-d", "--name", name, *flags, *self.HTTPD).text

    def running(self):
        return sorted(self.stage.docker("ps", "--format", "{{.Names}}").lines)

    def serves(self, name, port):
        urls = [("lan", f"http://10.0.0.5:{port}/hostname"), ("host", f"http://127.0.0.1:{port}/hostname")]
        return all(self.stage.get(place, url) == self.ids[name][:12] for place, url in urls)

    def check(self, *running):
        self.stage.until(lambda: self.running() == sorted(running))
        self.stage.until(lambda: self.serves("fixed", 8080))
        self.stage.until(lambda: self.serves("chosen", self.port_now()))
        assert self.stage.address("fixed", "front") == "10.55.0.77"
        assert self.stage.inside("fixed", "nslookup", "fixed", check=False).out.count("10.55.0.77")

    def port_now(self):
        return self.stage.docker("port", "chosen", "80/tcp").lines[0].rpartition(":")[2]


def test_live_restore_keeps_everything_running(lab, stage_with):
    stage = stage_with("--live-restore")
    town = Town(stage)
    before = {name: stage.inspect(name)["State"]["Pid"] for name in ("fixed", "chosen", "plain")}
    assert lab.stop_daemon() == 0
    assert town.serves("fixed", 8080) and town.serves("plain", 8081)
    lab.daemon("--live-restore")
    town.check("fixed", "chosen", "plain")
    assert town.port_now() == town.port
    assert {name: stage.inspect(name)["State"]["Pid"] for name in before} == before
    stage.docker("rm", "-f", "plain")
    assert not stage.get("lan", "http://10.0.0.5:8081/", timeout=1)
    assert stage.docker("run", "-d", "-p", "8081:80", "busybox", "sleep", "9").text


def test_without_live_restore_containers_stop_and_come_back_as_they_wish(lab, own_stage):
    town = Town(own_stage)
    assert lab.stop_daemon() == 0
    assert not own_stage.veths()
    assert not lab.run("host", "pgrep", "-f", "httpd|conmon|linkspan-proxy", check=False).out
    lab.daemon()
    town.check("fixed", "chosen")
    state = own_stage.inspect("plain")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    assert own_stage.inspect("down")["State"]["Status"] == "exited"


def test_after_a_crash_everything_still_runs(lab, own_stage):
    town = Town(own_stage)
    lab.kill_daemon()
    assert town.serves("fixed", 8080)
    lab.daemon()
    town.check("fixed", "chosen", "plain")


REBOOT = """
pkill -9 conmon; pkill -9 linkspan-proxy; pkill -9 -f '[h]ttpd -p' ; sleep 0.2
for netns in "$1"/netns/*; do umount "$netns"; done
awk -v root="$2" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r -n1 umount
rm -rf "$1"
for link in docker0 $(ip -o link | grep -o 'br-[0-9a-f]*'); do ip link del "$link"; done
for family in iptables ip6tables; do
  for table in filter nat raw; do $family -t $table -F; $family -t $table -X; done
done
echo 0 > /proc/sys/net/ipv4/ip_forward
true
"""


def test_after_a_reboot_containers_come_back_with_their_addresses_and_ports(lab, own_stage):
    town = Town(own_stage)
    lab.kill_daemon()
    lab.run("host", "bash", "-c", REBOOT, "bash", str(lab.exec_root), str(lab.data_root))
    assert not own_stage.veths() and not lab.exec_root.exists()
    lab.daemon()
    town.check("fixed", "chosen")
    assert own_stage.inspect("plain")["State"]["Status"] == "exited"
    own_stage.docker("start", "plain")
    assert town.serves("plain", 8081)


# --- who has it? -------------------------------------------------------------------------------------------


def test_errors_name_who_has_a_port(own_stage):
    own_stage.sleeper("holder", "-p", "8080:80")
    told = own_stage.fails("run", "-p", "8080:80", "busybox", "true").err
    assert "Bind for 0.0.0.0:8080 failed: port is already allocated (by container holder)" in told
    own_stage.docker("rename", "holder", "renamed")
    told = own_stage.fails("run", "-p", "127.0.0.1:8080:80", "busybox", "true").err
    assert "Bind for 127.0.0.1:8080 failed: port is already allocated (by container renamed)" in told
    own_stage.lab.serve_http("host", 9090, "mine")
    own_stage.until(lambda: own_stage.get("host", "http://127.0.0.1:9090/") == "mine")
    told = own_stage.fails("run", "-p", "9090:80", "busybox", "true").err
    assert "failed to bind host port 0.0.0.0:9090/tcp: address already in use (by process " in told
    pid = told.partition("(by process ")[2].partition(",")[0]
    assert own_stage.host("cat", f"/proc/{pid}/comm").text in told
    assert "busybox" in own_stage.host("readlink", f"/proc/{pid}/exe").text
