"""Rows of ps and ls."""

from __future__ import annotations

import pytest

from linkspan.compose import labels, listing
from linkspan.compose.state import container


def row(status: str, **changes):
    return {
        "Id": "1" * 64,
        "Names": ["/shop-a-1"],
        "State": "running",
        "Status": status,
        "Image": "busybox",
        "Command": "sleep 1",
        "Created": 5,
        "Labels": {labels.PROJECT: "shop", labels.SERVICE: "a", labels.FILES: "/x/compose.yaml"},
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
        **changes,
    }


@pytest.mark.parametrize(
    ("status", "health", "code"),
    [
        ("Up 2 seconds (healthy)", "healthy", 0),
        ("Up 2 seconds (health: starting)", "starting", 0),
        ("Up 2 seconds (unhealthy)", "unhealthy", 0),
        ("Exited (3) 2 seconds ago", "", 3),
        ("Up 2 seconds", "", 0),
    ],
)
def test_a_row(status, health, code):
    found = listing.document(container(row(status)), lambda ports: "P", lambda created: "ago")
    assert (found["Health"], found["ExitCode"], found["Name"], found["Ports"]) == (
        health,
        code,
        "shop-a-1",
        "P",
    )
    assert found["Publishers"] == [
        {"URL": "0.0.0.0", "TargetPort": 80, "PublishedPort": 8080, "Protocol": "tcp"}
    ]


def test_projects():
    rows = [row("Up"), row("Up", State="exited"), row("Up", Labels={})]
    assert listing.projects(container(each) for each in rows) == [
        {"Name": "shop", "Status": "exited(1), running(1)", "ConfigFiles": "/x/compose.yaml"}
    ]
