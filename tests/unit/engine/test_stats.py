"""Counters of links, and the answer for a container that is down."""

from __future__ import annotations

from linkspan.engine.configuration import complete_config, complete_host_config
from linkspan.engine.stats import network_counters, stopped_document
from linkspan.model.container import Container

TEXT = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     10       1    0    0    0     0          0         0       10       1    0    0    0     0       0          0
  eth0: 1234 5 6 7 0 0 0 0 89 10 11 12 0 0 0 0
"""  # noqa: E501


def test_network_counters() -> None:
    assert network_counters(TEXT) == {
        "eth0": {
            "rx_bytes": 1234,
            "rx_packets": 5,
            "rx_errors": 6,
            "rx_dropped": 7,
            "tx_bytes": 89,
            "tx_packets": 10,
            "tx_errors": 11,
            "tx_dropped": 12,
        }
    }


def test_a_stopped_container_has_zeros() -> None:
    container = Container("1", "web", "", "", "", "x", (), complete_config({}), complete_host_config({}))
    document = stopped_document(container)
    assert (document["name"], document["id"]) == ("/web", "1")
    assert document["cpu_stats"]["cpu_usage"]["total_usage"] == 0
