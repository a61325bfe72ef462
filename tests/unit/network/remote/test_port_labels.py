"""The labels by which plugins learn of a container's ports."""

from __future__ import annotations

from ipaddress import ip_address

from linkspan.model.ports import PublishRequest
from linkspan.network.remote.port_labels import EXPOSED, PORT_MAP, port_labels


def test_ports_are_told_by_protocol_number_as_dockers_types_write_them():
    wishes = (
        PublishRequest("tcp", 80, ip_address("127.0.0.1"), 8080, 8089),
        PublishRequest("sctp", 9),
    )
    assert port_labels(wishes, (("udp", 53),)) == {
        PORT_MAP: [
            {"Proto": 6, "IP": "", "Port": 80, "HostIP": "127.0.0.1", "HostPort": 8080, "HostPortEnd": 8089},
            {"Proto": 132, "IP": "", "Port": 9, "HostIP": "", "HostPort": 0, "HostPortEnd": 0},
        ],
        EXPOSED: [{"Proto": 17, "Port": 53}],
    }
