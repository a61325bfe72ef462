"""The schema itself, and what its errors become."""

from __future__ import annotations

import textwrap

import pytest
from jsonschema import Draft202012Validator

from linkspan.compose.schema import problems, validator
from linkspan.compose.source import read


def told(text: str) -> list[str]:
    return [str(each) for each in problems(read(textwrap.dedent(text), "f.yaml")[0])]


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(validator().schema)


def test_every_definition_is_used():
    text = str(validator().schema)
    unused = [name for name in validator().schema["$defs"] if f"#/$defs/{name}'" not in text]
    assert unused == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("servces: {}", 'f.yaml:1: servces: unknown key "servces": did you mean "services"?'),
        (
            "services:\n  web:\n    imagee: x",
            'f.yaml:3: services.web.imagee: unknown key "imagee": did you mean "image"?',
        ),
        (
            "services: {w: {replicas: 2}}",
            'f.yaml:1: services.w.replicas: unknown key "replicas": write it as deploy',
        ),
        ("services: {w: {ports: '80'}}", 'f.yaml:1: services.w.ports: must be a list, not "80"'),
        ("services: {w: null}", "f.yaml:1: services.w: must be a mapping, not empty"),
        ("services: {w: {image: 5}}", "f.yaml:1: services.w.image: must be a text, not 5"),
        ("services: {'a b': {}}", 'f.yaml:1: services.a b: "a b" cannot be a name here'),
        ("services: {w: {cgroup: hots}}", '"hots" is none of host, private (did you mean "host"?)'),
        (
            "services:\n  w:\n    depends_on:\n      db: {condition: healthy}",
            'f.yaml:4: services.w.depends_on.db.condition: "healthy" is none of',
        ),
        (
            "services: {w: {networks: {n: {ipv4_adress: x}}}}",
            'services.w.networks.n.ipv4_adress: unknown key "ipv4_adress": did you mean "ipv4_address"?',
        ),
        ("services: {w: {environment: {A: [1]}}}", "services.w.environment.A: must be a text"),
        ("services: {w: {volumes: [{source: a}]}}", 'services.w.volumes[0]: the key "type" is missing'),
        (
            "networks: {n: {ipam: {config: {subnet: x}}}}",
            "networks.n.ipam.config: must be a list, not a mapping",
        ),
        ("volumes: [a]", "f.yaml:1: volumes: must be a mapping, not a list"),
        ("services: {w: {pull_policy: sometimes}}", '"sometimes" is not allowed here'),
        ("services: {w: {healthcheck: {tets: x}}}", 'did you mean "test"?'),
    ],
)
def test_errors_name_place_key_and_remedy(text, expected):
    assert expected in "\n".join(told(text))


def test_extensions_are_allowed_everywhere():
    assert told("x-a: 1\nservices: {w: {x-b: 2, deploy: {x-c: 3}}}\nnetworks: {n: {x-d: 1}}") == []


def test_the_new_network_fields_are_known():
    text = "services: {w: {networks: {n: {gw_priority: 1, interface_name: e, mac_address: x, priority: 1}}}}"
    assert told(text + "\nnetworks: {n: {enable_ipv4: false, enable_ipv6: true}}") == []


def test_all_problems_come_in_the_order_of_the_file():
    found = told("services:\n  a:\n    imag: x\n  b:\n    port: [1]\n    tty: 3\n")
    assert [line.split(":")[1] for line in found] == ["3", "5", "6"]


def test_a_reset_is_no_problem():
    assert told("services: {w: {ports: !reset null, volumes: !override ['a:/b']}}") == []
