"""A survey taken apart: what there is, which is sent when it changes, and the counters, sent every second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTERS = ("RxBytes", "RxPackets", "RxDropped", "TxBytes", "TxPackets", "TxDropped")


def apart(survey: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Return the survey without counters, and the counters (in their order) by the name of the host's link.

    Those of a container's link are seen from the container, as in the survey. Links without a host end
    (macvlan) have none.
    """
    counters: dict[str, list[int]] = {}
    return {
        "Host": {"Interfaces": [_without(each, "Name", counters) for each in survey["Host"]["Interfaces"]]},
        "Networks": survey["Networks"],
        "Containers": [
            {**each, "Endpoints": [_without(point, "HostLink", counters) for point in each["Endpoints"]]}
            for each in survey["Containers"]
        ],
    }, counters


def _without(link: Mapping[str, Any], key: str, counters: dict[str, list[int]]) -> dict[str, Any]:
    if link[key]:
        counters[link[key]] = [link[name] for name in COUNTERS]
    return {name: value for name, value in link.items() if name not in COUNTERS}
