"""The grammar of -v, --mount, --tmpfs, VOLUME and --volumes-from."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.engine.mounts import mount_requests, overlaid, volumes_from
from linkspan.model.container import MountPoint
from linkspan.model.errors import InvalidParameter


def points(host: dict[str, Any], config: dict[str, Any] | None = None) -> list[MountPoint]:
    return [request.point for request in mount_requests(config or {}, host)]


def test_binds() -> None:
    named, bind, anonymous = points({"Binds": ["vol:/a:ro,nocopy", "/src/:/b/../c:rshared", "/d"]})
    assert (named.type, named.name, named.destination, named.read_only, named.no_copy) == (
        "volume",
        "vol",
        "/a",
        True,
        True,
    )
    assert (bind.type, bind.source, bind.destination, bind.propagation) == ("bind", "/src", "/c", "rshared")
    assert bind.create_source
    assert (anonymous.anonymous, anonymous.destination) == (True, "/d")


def test_mounts() -> None:
    bind, volume, tmpfs = mount_requests(
        {},
        {
            "Mounts": [
                {"Type": "bind", "Source": "/s", "Target": "/a", "BindOptions": {"NonRecursive": True}},
                {
                    "Type": "volume",
                    "Source": "vol",
                    "Target": "/b",
                    "VolumeOptions": {"Labels": {"l": "1"}, "DriverConfig": {"Options": {"type": "tmpfs"}}},
                },
                {"Type": "tmpfs", "Target": "/c", "TmpfsOptions": {"SizeBytes": 1024, "Mode": 0o1777}},
            ]
        },
    )
    assert bind.point.options == ("bind",)
    assert not bind.point.create_source
    assert (volume.labels, volume.driver_options) == ((("l", "1"),), (("type", "tmpfs"),))
    assert tmpfs.point.options == ("noexec", "nosuid", "nodev", "mode=1777", "size=1024")


def test_a_volume_of_the_image_gives_way_to_what_is_mounted_there() -> None:
    found = points({"Binds": ["/s:/a"], "Tmpfs": {"/b": ""}}, {"Volumes": {"/a": {}, "/b": {}, "/c": {}}})
    assert [(p.type, p.destination) for p in found] == [("bind", "/a"), ("volume", "/c")]


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"Binds": ["a:b"]}, "mount path must be absolute"),
        ({"Binds": ["/a:/"]}, "destination can't be '/'"),
        ({"Binds": ["/a:/b:rw:x"]}, "invalid volume specification: '/a:/b:rw:x'"),
        ({"Binds": ["/a::rw"]}, "invalid volume specification"),
        ({"Binds": ["/a:/b:rx"]}, "invalid mode: rx"),
        ({"Binds": ["/a:/b:ro,rw"]}, "invalid mode: ro,rw"),
        ({"Binds": ["./a:/b"]}, "includes invalid characters for a local volume name"),
        ({"Binds": ["/a:/b", "/c:/b"]}, "Duplicate mount point: /b"),
        ({"Binds": ["/a:/b"], "Tmpfs": {"/b": ""}}, "Duplicate mount point: /b"),
        ({"Mounts": [{"Type": "bind", "Source": "/a"}]}, "field Target must not be empty"),
        ({"Mounts": [{"Type": "bind", "Target": "/a"}]}, "field Source must not be empty"),
        ({"Mounts": [{"Type": "bind", "Source": "a", "Target": "/a"}]}, "mount path must be absolute"),
        ({"Mounts": [{"Type": "bind", "Source": "/a", "Target": "a"}]}, "mount path must be absolute"),
        ({"Mounts": [{"Type": "bind", "Source": "/a", "Target": "/"}]}, "destination can't be '/'"),
        (
            {
                "Mounts": [
                    {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"Propagation": "x"}}
                ]
            },
            "invalid propagation mode: x",
        ),
        ({"Mounts": [{"Type": "volume", "Target": "/b", "ReadOnly": True}]}, "anonymous volumes"),
        (
            {"Mounts": [{"Type": "volume", "Target": "/b", "VolumeOptions": {"Subpath": "../x"}}]},
            "subpath must be a relative path",
        ),
        (
            {"Mounts": [{"Type": "tmpfs", "Source": "x", "Target": "/b"}]},
            "field Source must not be specified",
        ),
        ({"Mounts": [{"Type": "npipe", "Target": "/b"}]}, "mount type unknown"),
    ],
)
def test_refusals(host: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        points(host)
    assert text in str(error.value)


def test_volumes_from() -> None:
    assert volumes_from("web") == ("web", None)
    assert volumes_from("web:ro") == ("web", True)
    assert volumes_from("web:rw") == ("web", False)
    for wrong in ("", ":ro", "web:x"):
        with pytest.raises(InvalidParameter):
            volumes_from(wrong)


def test_own_mounts_lie_over_borrowed_ones_and_parents_come_first() -> None:
    lower = [MountPoint("bind", "/1", "/a/b"), MountPoint("bind", "/2", "/a")]
    found = overlaid(lower, [MountPoint("bind", "/3", "/a")])
    assert [(p.source, p.destination) for p in found] == [("/3", "/a"), ("/1", "/a/b")]
