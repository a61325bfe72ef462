"""The figures of `linkspan top` in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
WAYS = {"Rx": "receive", "Tx": "transmit"}
WHATS = {"Bytes": "bytes", "Packets": "packets", "Dropped": "dropped_packets"}


class _Figures(Collector):
    """Prometheus' view of one traffic document."""

    def __init__(self, traffic: Mapping[str, Any]) -> None:
        self._traffic = traffic

    def collect(self) -> Iterator[Metric]:
        for kind, key in (("container", "Containers"), ("network", "Networks")):
            labels = [kind, "id"]
            for way, verb in WAYS.items():
                for what, noun in WHATS.items():
                    name = f"linkspan_{kind}_{verb}_{noun}"
                    family = CounterMetricFamily(name, f"{noun} on the links of a {kind}", labels=labels)
                    for each in self._traffic[key]:
                        family.add_metric([each["Name"], each["Id"]], each[way + what])
                    yield family
            gauge = GaugeMetricFamily(f"linkspan_{kind}_connections", "tracked flows", labels=labels)
            for each in self._traffic[key]:
                gauge.add_metric([each["Name"], each["Id"]], each["Connections"])
            yield gauge
        yield self._ports()
        yield from self._drops()

    def _ports(self) -> Metric:
        labels = ["container", "protocol", "host_ip", "host_port", "container_port"]
        keys = ("Container", "Protocol", "HostIp", "HostPort", "ContainerPort")
        gauge = GaugeMetricFamily("linkspan_port_connections", "flows to a published port", labels=labels)
        for each in self._traffic["Ports"]:
            gauge.add_metric([str(each[key]) for key in keys], each["Connections"])
        return gauge

    def _drops(self) -> Iterator[Metric]:
        for what in ("Packets", "Bytes"):
            sums: dict[tuple[str, ...], int] = {}
            for each in self._traffic["Drops"]:
                key: tuple[str, ...] = (f"ipv{each['Family']}", each["Table"], each["Rule"])
                sums[key] = sums.get(key, 0) + each[what]
            noun = what.lower()
            name = f"linkspan_rule_dropped_{noun}"
            family = CounterMetricFamily(name, f"{noun} a rule dropped", labels=["family", "table", "rule"])
            for key, value in sums.items():
                family.add_metric(key, value)
            yield family


def exposition(traffic: Mapping[str, Any]) -> bytes:
    """Return a document of `insight.traffic` in the text exposition format."""
    registry = CollectorRegistry()
    registry.register(_Figures(traffic))
    return generate_latest(registry)
