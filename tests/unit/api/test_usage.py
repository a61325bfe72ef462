"""Summaries of what things take on the disk."""

from __future__ import annotations

from linkspan.api.usage import summaries


def summary(active: int, total: int, size: int, free: int) -> dict[str, int]:
    return {"ActiveCount": active, "TotalCount": total, "TotalSize": size, "Reclaimable": free}


def test_counts_and_bytes_of_every_kind() -> None:
    found = summaries(
        {
            "container": [
                {"State": "running", "SizeRw": 5},
                {"State": "exited", "SizeRw": 7},
                {"State": "created"},
            ],
            "image": [
                {"Containers": 1, "Size": 100, "SharedSize": 40},
                {"Containers": 0, "Size": 90, "SharedSize": 40},
            ],
            "volume": [
                {"UsageData": {"Size": 3, "RefCount": 0}},
                {"UsageData": {"Size": 4, "RefCount": 2}},
            ],
            "build-cache": [{"InUse": False, "Size": 9}],
        },
        150,
    )
    assert found == {
        "container": summary(1, 3, 12, 7),
        "image": summary(1, 2, 150, 90),
        "volume": summary(1, 2, 7, 3),
        "build-cache": summary(0, 1, 9, 9),
    }


def test_only_what_was_asked_for() -> None:
    assert summaries({"build-cache": []}, 0) == {"build-cache": summary(0, 0, 0, 0)}
