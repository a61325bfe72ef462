"""A survey taken apart."""

from __future__ import annotations

from linkspan.web.figures import COUNTERS, apart

TRAFFIC = dict(zip(COUNTERS, (1, 2, 3, 4, 5, 6), strict=True))
SURVEY = {
    "Host": {"Interfaces": [{"Name": "eth0", **TRAFFIC}]},
    "Networks": [{"Name": "bridge"}],
    "Containers": [
        {"Name": "web", "Endpoints": [{"HostLink": "veth1", "Link": "eth0", **TRAFFIC}]},
        {"Name": "leased", "Endpoints": [{"HostLink": "", "Link": "eth0", **TRAFFIC}]},
    ],
}


def test_counters_go_apart_by_the_name_of_the_hosts_link():
    structure, counters = apart(SURVEY)
    assert counters == {"eth0": [1, 2, 3, 4, 5, 6], "veth1": [1, 2, 3, 4, 5, 6]}
    assert structure == {
        "Host": {"Interfaces": [{"Name": "eth0"}]},
        "Networks": [{"Name": "bridge"}],
        "Containers": [
            {"Name": "web", "Endpoints": [{"HostLink": "veth1", "Link": "eth0"}]},
            {"Name": "leased", "Endpoints": [{"HostLink": "", "Link": "eth0"}]},
        ],
    }


def test_what_flows_changes_nothing_of_what_there_is():
    busy = {**SURVEY, "Host": {"Interfaces": [{"Name": "eth0", **TRAFFIC, "RxBytes": 99}]}}
    assert apart(busy)[0] == apart(SURVEY)[0]
    assert apart(busy)[1]["eth0"][0] == 99
