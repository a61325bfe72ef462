"""Dockerfile instructions of import and commit."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.images.changes import apply_changes


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ('CMD ["sh", "-c", "x"]', "Cmd", ["sh", "-c", "x"]),
        ("CMD sh -c x", "Cmd", ["/bin/sh", "-c", "sh -c x"]),
        ("CMD [broken", "Cmd", ["/bin/sh", "-c", "[broken"]),
        ('entrypoint ["/x"]', "Entrypoint", ["/x"]),
        ("ENV A=1 B='two words'", "Env", ["PATH=/bin", "A=1", "B=two words"]),
        ("ENV A one and more", "Env", ["PATH=/bin", "A=one and more"]),
        ("ENV PATH=/x", "Env", ["PATH=/x"]),
        ("EXPOSE 80 53/udp 90-91", "ExposedPorts", {"80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}}),
        ('LABEL a="b c" d=e', "Labels", {"a": "b c", "d": "e"}),
        ("USER 1:2", "User", "1:2"),
        ("VOLUME /a /b", "Volumes", {"/a": {}, "/b": {}}),
        ('VOLUME ["/a b"]', "Volumes", {"/a b": {}}),
        ("WORKDIR sub", "WorkingDir", "/srv/sub"),
        ("WORKDIR /else", "WorkingDir", "/else"),
        ("STOPSIGNAL SIGINT", "StopSignal", "SIGINT"),
        ("ONBUILD RUN x", "OnBuild", ["RUN x"]),
        ("HEALTHCHECK NONE", "Healthcheck", {"Test": ["NONE"]}),
        ("HEALTHCHECK CMD wget -q x", "Healthcheck", {"Test": ["CMD-SHELL", "wget -q x"]}),
        (
            'HEALTHCHECK --interval=5s --retries=2 CMD ["true"]',
            "Healthcheck",
            {"Test": ["CMD", "true"], "Interval": 5 * 10**9, "Retries": 2},
        ),
    ],
)
def test_instructions(change: str, field: str, value: Any) -> None:
    base = {"Env": ["PATH=/bin"], "WorkingDir": "/srv"}
    assert apply_changes(base, [change])[field] == value


def test_several_in_order_and_the_base_is_untouched() -> None:
    base: dict[str, Any] = {"Env": ["A=1"]}
    assert apply_changes(base, ["ENV A=2\nENV B=3", "", "USER x"]) == {"Env": ["A=2", "B=3"], "User": "x"}
    assert base == {"Env": ["A=1"]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("RUN x", "RUN is not a valid change command"),
        ("CMD", "CMD requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", "Syntax error - can't find = in 'B'"),
        ("ENV A='1", "can't parse ENV"),
        ("EXPOSE x", "invalid containerPort: x"),
        ("EXPOSE 0", "invalid containerPort: 0"),
        ("EXPOSE 80/icmp", "invalid containerPort: 80/icmp"),
        ("HEALTHCHECK x", "Unknown type"),
        ("HEALTHCHECK --interval=x CMD y", "bad value"),
    ],
)
def test_bad_instructions(change: str, sentence: str) -> None:
    with pytest.raises(InvalidParameter, match=sentence):
        apply_changes({}, [change])
