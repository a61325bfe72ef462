"""Progress messages."""

from __future__ import annotations

import pytest

from linkspan.runtime.images.progress import human, layer_progress, layer_status, status


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1_234_567, "1.235MB"), (5 * 10**9, "5GB"), (3e15, "3000TB")],
)
def test_sizes_are_decimal(size: float, text: str) -> None:
    assert human(size) == text


def test_messages_have_the_fields_that_clients_read() -> None:
    assert status("Pulling", "1") == {"status": "Pulling", "id": "1"}
    assert status("Done") == {"status": "Done"}
    assert layer_status("Waiting", "a") == {"status": "Waiting", "progressDetail": {}, "id": "a"}
    message = layer_progress("Downloading", "a", 5, 10)
    assert message["progressDetail"] == {"current": 5, "total": 10}
    assert message["progress"] == "[" + "=" * 25 + ">" + " " * 24 + "]  5B/10B"
    assert layer_progress("x", "a", 10, 10)["progress"].startswith("[" + "=" * 50 + ">]")
    assert layer_progress("x", "a", 10, 0)["progress"] == "10B"
