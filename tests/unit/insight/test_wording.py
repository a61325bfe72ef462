"""How ports and networks are written."""

from __future__ import annotations

from linkspan.insight.wording import port, ports, traits


def binding(address, host, inner, count=1):
    return {"Protocol": "tcp", "HostIp": address, "HostPort": host, "ContainerPort": inner, "Count": count}


def test_ports():
    assert port(binding("0.0.0.0", 8080, 80)) == "8080 → 80/tcp"
    assert port(binding("10.0.0.5", 8080, 80, 3)) == "10.0.0.5:8080-8082 → 80-82/tcp"
    assert port(binding("fd00::1", 8080, 80)) == "[fd00::1]:8080 → 80/tcp"


def test_a_port_on_every_address_is_written_once():
    v4, v6 = binding("0.0.0.0", 80, 80), binding("::", 80, 80)
    assert ports([v4, v6]) == ["80 → 80/tcp"]
    assert ports([v6]) == ["[::]:80 → 80/tcp"]
    assert ports([v4, binding("::", 81, 80)]) == ["80 → 80/tcp", "[::]:81 → 80/tcp"]


def test_traits():
    assert traits({"Internal": True, "Icc": False, "Parent": "eth0"}) == ["internal", "icc off", "on eth0"]
    assert traits({"Internal": False, "Icc": True, "Parent": ""}) == []
