"""What no schema sees, told with its place."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "services:\n  web:\n    image: x\n    depends_on: [dbb]\n  db: {image: x}",
            'compose.yaml:4: services.web.depends_on.dbb: there is no service "dbb": did you mean "db"?',
        ),
        (
            "services:\n  web: {image: x, depends_on: [zzz]}\n  db: {image: x}",
            'services.web.depends_on.zzz: there is no service "zzz" (there are: web, db)',
        ),
        (
            "services:\n  web: {image: x, depends_on: [db]}\n  db: {image: x, profiles: [p]}",
            'services.web.depends_on.db: needs "db", which is off: switch it on with --profile p',
        ),
        (
            "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n"
            "  c: {image: x, depends_on: [a]}",
            "compose.yaml:2: services.a.depends_on.b: services depend on each other in a circle: "
            "a -> b -> c -> a",
        ),
        ("services: {a: {image: x, depends_on: [a]}}", "in a circle: a -> a"),
        (
            "services:\n  a: {image: x, networks: [frnt]}\nnetworks: {front: }",
            'services.a.networks.frnt: "frnt" is not defined: did you mean "front"?',
        ),
        (
            "services:\n  a: {image: x, volumes: ['dta:/x']}",
            'services.a.volumes[0]: "dta" is not defined: define it under the top-level `volumes:`',
        ),
        ("services: {a: {image: x, secrets: [s]}}", 'services.a.secrets[0]: "s" is not defined'),
        ("services: {a: {command: x}}", "services.a: has neither `image` nor `build`"),
        (
            "services: {a: {image: x, network_mode: host, networks: [default]}}",
            "network_mode: cannot be together",
        ),
        ("services: {a: {image: x, network_mode: 'srvice:b'}}", "is none of bridge, host, none, service:X"),
        (
            "services: {a: {image: x, network_mode: 'service:b', ports: ['80:80']}, b: {image: x}}",
            "a.ports: cannot be published by a service with the network of another: publish them at b",
        ),
        ("services: {a: {image: x, network_mode: 'service:b'}}", 'a.network_mode: there is no service "b"'),
        (
            "services: {a: {image: x, restart: sometimes}}",
            "is none of no, always, unless-stopped, on-failure[:N]",
        ),
        ("services: {a: {image: x, mac_address: zz}}", "is not a MAC address"),
        ("services: {a: {image: x, container_name: n, scale: 2}}", "only one container can have this name"),
        (
            "services: {a: {image: x, container_name: n}, b: {image: x, container_name: n}}",
            'services.b.container_name: "n" is also the name of service a',
        ),
        ("services: {a: {image: x, volumes: ['/a', '/a/']}}", "/a is already the target of volumes[0]"),
        (
            "services:\n  a: {image: x, ports: ['80:80']}\n  b:\n    image: x\n    ports:\n    - '80:81'",
            "compose.yaml:6: services.b.ports: 80/tcp is already published by service a: give one of them",
        ),
        ("services: {a: {image: x, ports: ['80:80', '80:81']}}", "80/tcp is published twice"),
        ("services: {a: {image: x, scale: 2, ports: ['80:80']}}", "2 containers cannot all publish 80/tcp"),
        (
            "services: {a: {image: x}}\nnetworks: {default: {ipam: {config: [{subnet: 10.0.0.1/24}]}}}",
            'networks.default.ipam.config[0]: "10.0.0.1/24" has host bits set: write 10.0.0.0/24',
        ),
        (
            "services: {a: {image: x}}\nnetworks: {default: {ipam: {config: [{subnet: ten}]}}}",
            "is not a subnet: write it like 172.30.0.0/24",
        ),
        (
            "services: {a: {image: x}}\n"
            "networks: {default: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.1.1}]}}}",
            "gateway: 10.0.1.1 is not an address of 10.0.0.0/24",
        ),
        (
            "services: {a: {image: x}}\n"
            "networks: {default: {ipam: {config: [{subnet: 10.0.0.0/24, ip_range: 10.1.0.0/25}]}}}",
            "ip_range: 10.1.0.0/25 does not lie within 10.0.0.0/24",
        ),
        (
            "services: {a: {image: x, networks: [n, m]}}\nnetworks:\n"
            "  n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}\n"
            "  m: {ipam: {config: [{subnet: 10.1.0.0/24}]}}",
            "10.0.0.0/8 overlaps 10.1.0.0/24 of network m",
        ),
        (
            "services: {a: {image: x, networks: {n: {ipv4_address: 10.9.0.5}}}}\n"
            "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}",
            "ipv4_address: 10.9.0.5 is not in a subnet of network n: its subnets are 10.0.0.0/24",
        ),
        (
            "services: {a: {image: x, networks: {n: {ipv4_address: 10.9.0.5}}}}\nnetworks: {n: }",
            "give it one: networks.n.ipam.config[0].subnet",
        ),
        (
            "services:\n  a: {image: x, networks: {n: {ipv4_address: 10.0.0.5}}}\n"
            "  b: {image: x, networks: {n: {ipv4_address: 10.0.0.5}}}\n"
            "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}",
            "services.b.networks.n.ipv4_address: 10.0.0.5 is also the address of service a",
        ),
        ("services: {a: {image: x, networks: {default: {ipv4_address: abc}}}}", '"abc" is not an IP address'),
    ],
)
def test_refused(desk, text, expected):
    found = desk.refused(text)
    assert expected in "\n".join(found)
    assert all(line.startswith("compose.yaml:") for line in found)


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {image: x, ports: ['127.0.0.1:80:80']}, b: {image: x, ports: ['127.0.0.2:80:80']}}",
        "services: {a: {image: x, ports: ['80:80']}, b: {image: x, ports: ['80:80/udp']}}",
        "services: {a: {image: x, scale: 3, ports: ['8000-8010:80']}}",
        "services: {a: {image: x, scale: 3, ports: ['80']}}",
        "services: {a: {image: x, scale: 0, ports: ['80:80']}, b: {image: x, ports: ['80:80']}}",
        "services: {a: {image: x, depends_on: {b: {condition: service_started, required: false}}}}",
        "services: {a: {image: x, network_mode: mynet}}",
        "services: {a: {image: x, network_mode: host, ports: ['80:80']}, b: {image: x, ports: ['80:80']}}",
    ],
)
def test_allowed(desk, text):
    desk.load(text)


def test_down_and_ps_do_not_look(desk):
    assert desk.load("services: {a: {image: x, depends_on: [gone]}}", check=False).services["a"]
