"""Traffic: sums of a network, connections by address and by published port, and the rules that drop."""

from __future__ import annotations

from ipaddress import ip_address

from linkspan.cli.traffic import view
from linkspan.insight.metrics import exposition
from linkspan.insight.traffic import COUNTERS, dropping, dropping_nft, traffic
from linkspan.kernel.conntrack import Flow


def flow(source, destination, reply, port, protocol=6):
    return Flow(ip_address(source), ip_address(destination), ip_address(reply), protocol, port, b"")


def point(address, received):
    counters = dict.fromkeys(COUNTERS, 0) | {"RxBytes": received, "TxPackets": 2}
    return {"NetworkId": "n1", "IPv4": address, "IPv6": "", **counters}


PORT = {"Protocol": "tcp", "HostIp": "0.0.0.0", "HostPort": 8080, "ContainerPort": 80, "Count": 2}
SURVEY = {
    "Host": {"Interfaces": [{"Addresses": ["10.0.0.5/24"]}]},
    "Networks": [
        {"Name": "front", "Id": "n1", "Driver": "bridge", "Addresses": ["10.5.0.1/24"]},
        {"Name": "host", "Id": "n2", "Driver": "host", "Addresses": []},
    ],
    "Containers": [
        {"Name": "web", "Id": "c1", "Endpoints": [point("10.5.0.2/24", 100)], "Ports": [PORT]},
        {"Name": "db", "Id": "c2", "Endpoints": [point("10.5.0.3/24", 11)], "Ports": []},
        {"Name": "down", "Id": "c3", "Endpoints": [], "Ports": []},
    ],
}
FLOWS = [
    flow("10.0.0.9", "10.0.0.5", "10.5.0.2", 8081),  # translated
    flow("127.0.0.1", "127.0.0.1", "127.0.0.1", 8080),  # taken by the proxy
    flow("10.5.0.1", "10.5.0.2", "10.5.0.2", 80),  # and carried on by it
    flow("10.5.0.2", "10.5.0.3", "10.5.0.3", 5432),
    flow("10.5.0.3", "192.0.2.1", "192.0.2.1", 8080),  # somebody else's port
    flow("10.0.0.9", "10.0.0.5", "10.5.0.2", 8080, protocol=17),
]
SAVED = """\
*filter
:INPUT ACCEPT [5:300]
[7:420] -A DOCKER ! -i docker0 -o docker0 -m comment --comment "linkspan: it's ours" -j DROP
[9:99] -A DOCKER -d 172.17.0.2/32 -j ACCEPT
COMMIT
*raw
[1:60] -A PREROUTING -d 10.0.0.1/32 -j REJECT --reject-with icmp-port-unreachable
COMMIT
"""
LISTED = """\
table ip linkspan {
	chain forward {
		oifname @internal counter packets 3 bytes 180 drop
		counter packets 4 bytes 1 accept
	}
}
"""


def found():
    return traffic(SURVEY, FLOWS, dropping(SAVED, 4))


def test_sums_and_connections():
    document = found()
    assert [(each["Name"], each["RxBytes"], each["Connections"]) for each in document["Containers"]] == [
        ("web", 100, 4),
        ("db", 11, 2),
    ]
    (network,) = document["Networks"]
    assert (network["RxBytes"], network["TxPackets"]) == (111, 4)
    assert [(each["Container"], each["Connections"]) for each in document["Ports"]] == [("web", 2)]


def test_the_rules_that_drop():
    assert [(each["Table"], each["Rule"], each["Packets"], each["Bytes"]) for each in found()["Drops"]] == [
        ("filter", "DOCKER ! -i docker0 -o docker0 -j DROP", 7, 420),
        ("raw", "PREROUTING -d 10.0.0.1/32 -j REJECT --reject-with icmp-port-unreachable", 1, 60),
    ]
    (rule,) = dropping_nft(LISTED, 4)
    assert (rule["Table"], rule["Rule"]) == ("ip linkspan", "forward oifname @internal drop")
    assert (rule["Packets"], rule["Bytes"]) == (3, 180)


def test_the_text_of_prometheus():
    text = exposition(found()).decode()
    assert 'linkspan_container_receive_bytes_total{container="web",id="c1"} 100.0\n' in text
    assert 'rule="DOCKER ! -i docker0 -o docker0 -j DROP",table="filter"} 420.0\n' in text


def test_sums_at_first_and_then_rates():
    before, after = found(), found()
    assert "RX/s" not in view(before, None, 1)
    after["Containers"][0]["RxBytes"] += 4000
    lines = view(after, before, 2).splitlines()
    assert lines[0].split()[:2] == ["CONTAINER", "RX/s"]
    assert lines[1].split()[:2] == ["web", "2kB"] and lines[2].split()[:2] == ["db", "0B"]
    assert "0.0.0.0:8080-8081/tcp   web         2" in view(after, before, 2)
