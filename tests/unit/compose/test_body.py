"""Services as create calls."""

from __future__ import annotations

import io
import tarfile

from linkspan.compose import body, labels
from linkspan.compose.body_mounts import written_files


def created(desk, text: str, service: str = "a", number: int = 1, **given):
    project = desk.load(text)
    return body.create(project, project.services[service], number, **given)


def test_the_least_body(desk):
    found = created(desk, "services: {a: {image: busybox}}", image_id="sha256:1")
    assert found["Image"] == "busybox"
    assert found["HostConfig"] == {
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "NetworkMode": "shop_default",
    }
    assert found["NetworkingConfig"]["EndpointsConfig"] == {"shop_default": {"Aliases": ["shop-a-1", "a"]}}
    wanted = {
        labels.PROJECT: "shop",
        labels.SERVICE: "a",
        labels.NUMBER: "1",
        labels.ONEOFF: "False",
        labels.IMAGE: "sha256:1",
        labels.WORKING_DIRECTORY: str(desk.directory),
        labels.FILES: str(desk.directory / "compose.yaml"),
        labels.DEPENDS_ON: "",
    }
    assert wanted.items() <= found["Labels"].items()


def test_config_fields(desk):
    found = created(
        desk,
        """\
        services:
          a:
            image: x
            command: echo hi
            entrypoint: [sh]
            hostname: h
            domainname: d
            user: "1"
            working_dir: /w
            tty: true
            stdin_open: true
            environment: {B: 2, A: 1, UNSET: }
            labels: {mine: "1"}
            expose: ["90", "91-92/udp"]
            stop_signal: SIGINT
            stop_grace_period: 90s
            depends_on: {b: {condition: service_healthy, restart: true}}
          b: {image: x}
        """,
    )
    assert (found["Cmd"], found["Entrypoint"]) == (["echo", "hi"], ["sh"])
    assert (found["Hostname"], found["Domainname"], found["User"], found["WorkingDir"]) == (
        "h",
        "d",
        "1",
        "/w",
    )
    assert (found["Tty"], found["OpenStdin"], found["StopSignal"], found["StopTimeout"]) == (
        True,
        True,
        "SIGINT",
        90,
    )
    assert found["Env"] == ["A=1", "B=2"]
    assert set(found["ExposedPorts"]) == {"90/tcp", "91/udp", "92/udp"}
    assert found["Labels"]["mine"] == "1"
    assert found["Labels"][labels.DEPENDS_ON] == "b:service_healthy:true"


def test_health_checks(desk):
    check = "{test: [CMD, t], interval: 1s, retries: 2, start_interval: 5ms}"
    text = f"services: {{a: {{image: x, healthcheck: {check}}}}}"
    assert created(desk, text)["Healthcheck"] == {
        "Test": ["CMD", "t"],
        "Interval": 10**9,
        "StartInterval": 5 * 10**6,
        "Retries": 2,
    }
    off = created(desk, "services: {a: {image: x, healthcheck: {disable: true}}}")
    assert off["Healthcheck"] == {"Test": ["NONE"]}


def test_ports(desk):
    found = created(
        desk, "services: {a: {image: x, ports: ['8080:80', '[::1]:81:80', '70', '9000-9010:53/udp']}}"
    )
    assert found["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "::1", "HostPort": "81"}],
        "70/tcp": [{"HostIp": "", "HostPort": ""}],
        "53/udp": [{"HostIp": "", "HostPort": "9000-9010"}],
    }


def test_every_field_of_an_endpoint(desk):
    found = created(
        desk,
        """\
        services:
          a:
            image: x
            links: [b:db]
            external_links: [other]
            networks:
              low: {}
              top:
                aliases: [one]
                ipv4_address: 172.30.0.9
                ipv6_address: "fd01::9"
                link_local_ips: [169.254.1.1]
                mac_address: "02:42:ac:11:00:99"
                driver_opts: {x: 1}
                interface_name: foo0
                gw_priority: 7
                priority: 100
          b: {image: x, scale: 2, networks: [top]}
        networks:
          low:
          top: {ipam: {config: [{subnet: 172.30.0.0/24}, {subnet: "fd01::/64"}]}}
        """,
    )
    assert found["HostConfig"]["NetworkMode"] == "shop_top"
    links = ["shop-b-1:db", "shop-b-2:db", "other:other"]
    assert found["NetworkingConfig"]["EndpointsConfig"] == {
        "shop_top": {
            "Aliases": ["shop-a-1", "a", "one"],
            "Links": links,
            "IPAMConfig": {
                "IPv4Address": "172.30.0.9",
                "IPv6Address": "fd01::9",
                "LinkLocalIPs": ["169.254.1.1"],
            },
            "MacAddress": "02:42:ac:11:00:99",
            "DriverOpts": {"x": "1", "com.docker.network.endpoint.ifname": "foo0"},
            "GwPriority": 7,
        },
        "shop_low": {"Aliases": ["shop-a-1", "a"], "Links": links},
    }


def test_network_modes(desk):
    def mode(text: str) -> tuple[str, dict]:
        found = created(desk, f"services: {{a: {{image: x, network_mode: '{text}'}}, b: {{image: x}}}}")
        return found["HostConfig"]["NetworkMode"], found["NetworkingConfig"]["EndpointsConfig"]

    assert mode("host") == ("host", {})
    assert mode("none") == ("none", {})
    assert mode("service:b") == ("container:shop-b-1", {})
    assert mode("container:x") == ("container:x", {})


def test_a_services_mac_address_is_its_networks(desk):
    found = created(desk, "services: {a: {image: x, mac_address: '02:42:ac:11:00:01'}}")
    assert found["NetworkingConfig"]["EndpointsConfig"]["shop_default"]["MacAddress"] == "02:42:ac:11:00:01"


def test_mounts(desk):
    host = created(
        desk,
        """\
        services:
          a:
            image: x
            volumes:
              - data:/d
              - ./src:/src:ro,z
              - /anon
              - {type: tmpfs, target: /t, tmpfs: {size: 1k, mode: 0700}}
              - {type: bind, source: ./must, target: /must}
              - {type: volume, source: data, target: /sub, volume: {subpath: s}}
              - {type: bind, source: ./p, target: /p, read_only: true, bind: {propagation: rslave}}
            tmpfs: ["/run:size=1m"]
            secrets: [s, {source: s, target: /etc/s}]
            configs: [{source: c, target: /etc/c}, c]
            volumes_from: [b:ro, "container:x"]
          b: {image: x}
        volumes: {data: {name: mydata}}
        secrets: {s: {file: ./s.txt}}
        configs: {c: {file: ./c.txt}}
        """,
        inherited={"/anon": "f" * 64, "/gone": "e" * 64},
    )["HostConfig"]
    here = str(desk.directory)
    assert host["Binds"] == ["mydata:/d:rw", f"{here}/src:/src:ro,z", f"{'e' * 64}:/gone"]
    assert host["Tmpfs"] == {"/run": "size=1m"}
    assert host["VolumesFrom"] == ["shop-b-1:ro", "x"]
    mounts = {each["Target"]: each for each in host["Mounts"]}
    assert mounts["/anon"]["Source"] == "f" * 64
    assert mounts["/t"]["TmpfsOptions"] == {"SizeBytes": 1024, "Mode": 0o700}
    assert mounts["/must"]["Source"] == f"{here}/must"
    assert mounts["/sub"]["VolumeOptions"] == {"Subpath": "s"}
    assert mounts["/p"]["BindOptions"] == {"Propagation": "rslave"}
    assert mounts["/run/secrets/s"] == {
        "Type": "bind",
        "Source": f"{here}/s.txt",
        "Target": "/run/secrets/s",
        "ReadOnly": True,
    }
    assert {"/etc/s", "/etc/c", "/c"} <= set(mounts)


def test_written_secrets_and_configs(desk):
    project = desk.load(
        """\
        services: {a: {image: x, configs: [{source: c, target: /etc/c, mode: 0400, uid: "5"}], secrets: [s]}}
        configs: {c: {content: "hello $$x"}}
        secrets: {s: {environment: TOKEN}}
        """,
        environment={"TOKEN": "t"},
    )
    with tarfile.open(fileobj=io.BytesIO(written_files(project, project.services["a"]))) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive}
        config = archive.getmember("etc/c")
    assert found == {"run/secrets/s": b"t", "etc/c": b"hello $x"}
    assert (config.mode, config.uid) == (0o400, 5)
    plain = desk.load("services: {a: {image: x}}")
    assert written_files(plain, plain.services["a"]) == b""


def test_limits(desk):
    host = created(
        desk,
        """\
        services:
          a:
            image: x
            mem_limit: 100m
            memswap_limit: -1
            mem_reservation: 10m
            shm_size: 64m
            cpus: 1.5
            cpuset: "0"
            pids_limit: 10
            oom_score_adj: 5
            ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}
            devices: [/dev/null]
            blkio_config: {weight: 20, device_write_iops: [{path: /dev/x, rate: 3}]}
        """,
    )["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["MemoryReservation"]) == (104857600, -1, 10485760)
    assert (host["ShmSize"], host["NanoCpus"], host["CpusetCpus"]) == (67108864, 1_500_000_000, "0")
    assert (host["PidsLimit"], host["OomScoreAdj"], host["BlkioWeight"]) == (10, 5, 20)
    assert host["Ulimits"][1] == {"Name": "nproc", "Soft": 1, "Hard": 2}
    assert host["Devices"][0]["CgroupPermissions"] == "rwm"
    assert host["BlkioDeviceWriteIOps"] == [{"Path": "/dev/x", "Rate": 3}]


def test_deploy_stands_in(desk):
    host = created(
        desk,
        """\
        services:
          a:
            image: x
            deploy:
              resources: {limits: {memory: 50m, cpus: "0.5", pids: 9}, reservations: {memory: 5m}}
              restart_policy: {condition: on-failure, max_attempts: 3}
        """,
    )["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (52428800, 500_000_000, 9)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_host_fields(desk):
    host = created(
        desk,
        """\
        services:
          a:
            image: x
            restart: on-failure:5
            init: false
            ipc: "service:b"
            pid: host
            privileged: true
            read_only: true
            cap_add: [NET_ADMIN]
            dns: 1.1.1.1
            dns_search: [x.y]
            dns_opt: [ndots:1]
            extra_hosts: ["h:host-gateway", "six=::1"]
            sysctls: {net.core.somaxconn: 5}
            logging: {driver: json-file, options: {max-size: 1m}}
          b: {image: x}
        """,
    )["HostConfig"]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 5}
    assert host["Init"] is False
    assert (host["IpcMode"], host["PidMode"]) == ("container:shop-b-1", "host")
    assert (host["Privileged"], host["ReadonlyRootfs"], host["CapAdd"]) == (True, True, ["NET_ADMIN"])
    assert (host["Dns"], host["DnsSearch"], host["DnsOptions"]) == (["1.1.1.1"], ["x.y"], ["ndots:1"])
    assert host["ExtraHosts"] == ["h:host-gateway", "six:::1"]
    assert host["Sysctls"] == {"net.core.somaxconn": "5"}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
