"""Logging, security and device options: what is refused, and how it is read."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.engine import option_rules
from linkspan.engine.configuration import complete_host_config
from linkspan.model.errors import LinkspanError
from linkspan.model.image import Image


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ({"LogConfig": {"Type": "splunk"}}, "logger: no log driver named 'splunk' is registered"),
        (
            {"LogConfig": {"Type": "json-file", "Config": {"bogus": "1"}}},
            "unknown log opt 'bogus' for json-file log driver",
        ),
        ({"LogConfig": {"Type": "", "Config": {"max-size": "abc"}}}, "invalid size: 'abc'"),
        ({"LogConfig": {"Type": "", "Config": {"max-file": "0"}}}, "max-file cannot be less than 1"),
        ({"LogConfig": {"Type": "", "Config": {"mode": "lazy"}}}, "logger: logging mode not supported: lazy"),
        ({"SecurityOpt": ["bogus"]}, 'invalid --security-opt 1: "bogus"'),
        ({"SecurityOpt": ["bogus=1"]}, 'invalid --security-opt 2: "bogus=1"'),
        (
            {"SecurityOpt": ["no-new-privileges=maybe"]},
            'invalid --security-opt value: "no-new-privileges=maybe"',
        ),
        ({"IpcMode": "bogus"}, "invalid IPC mode: bogus"),
        ({"PidMode": "container:"}, "invalid PID mode: container:"),
        ({"Runtime": "nope"}, "unknown or invalid runtime name: nope"),
        ({"Isolation": "hyperv"}, "invalid isolation 'hyperv' on linux"),
        (
            {"StorageOpt": {"size": "1G"}},
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        (
            {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]},
            'could not select device driver "" with capabilities: [[gpu]]',
        ),
    ],
)
def test_refused(host: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LinkspanError) as refused:
        option_rules.check(complete_host_config(host))
    assert str(refused.value) == sentence


def test_security_options_are_read() -> None:
    given = ["no-new-privileges:true", "seccomp=unconfined", "label=disable", "apparmor:unconfined"]
    assert option_rules.security_options(given) == {
        "no-new-privileges": "true",
        "seccomp": "unconfined",
        "label": "disable",
        "apparmor": "unconfined",
    }
    assert option_rules.security_options(["no-new-privileges=0"]) == {"no-new-privileges": "false"}


@pytest.mark.parametrize(
    ("text", "size"), [("10", 10), ("10k", 10240), ("1.5m", 1572864), ("1GB", 1 << 30), ("-1", -1)]
)
def test_sizes(text: str, size: int) -> None:
    assert option_rules.size_bytes(text) == size


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("linux/amd64", True),
        ("linux", True),
        ("amd64", True),
        ("linux/x86_64", True),
        ("linux/arm64/v8", False),
    ],
)
def test_platforms(image: Image, wanted: str, fits: bool) -> None:
    assert bool(option_rules.platform_differs(image, wanted)) is not fits


@pytest.fixture
def image() -> Image:
    return Image("sha256:" + "0" * 64, architecture="amd64")
