"""How a start that failed is told."""

from __future__ import annotations

import pytest

from linkspan.engine.configuration import complete_config, complete_host_config
from linkspan.engine.failures import explain
from linkspan.model.container import Container
from linkspan.model.errors import Forbidden, InvalidParameter, LinkspanError
from linkspan.runtime.failures import RuntimeFailure

CONTAINER = Container("1", "web", "", "", "", "x", (), complete_config({}), complete_host_config({}))


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (RuntimeFailure("executable file not found in $PATH", 127), InvalidParameter, 127),
        (RuntimeFailure("permission denied", 126), InvalidParameter, 126),
        (RuntimeFailure("something else"), RuntimeFailure, 128),
        (Forbidden("port is already allocated"), Forbidden, 128),
        (OSError("disk full"), LinkspanError, 128),
        (ExceptionGroup("g", [ValueError("a"), ValueError("b")]), LinkspanError, 128),
    ],
)
def test_exit_codes(error: Exception, kind: type[Exception], code: int) -> None:
    failure = explain(error, CONTAINER)
    assert (type(failure.error), failure.code) == (kind, code)


def test_a_mount_of_a_file_on_a_directory_gets_dockers_hint() -> None:
    failure = explain(RuntimeFailure("mount a to b: Not a directory"), CONTAINER)
    assert "Are you trying to mount a directory onto a file (or vice-versa)?" in str(failure.error)
    assert failure.code == 127


def test_a_group_tells_all_of_it() -> None:
    assert str(explain(ExceptionGroup("g", [ValueError("a"), KeyError()]), CONTAINER).error) == "a; KeyError"
