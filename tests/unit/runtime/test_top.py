"""ps's table, cut to a container."""

import os

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime import top

TABLE = "UID PID PPID CMD\nroot 1 0 init\nroot 22 1 sh -c sleep 5\nroot - - -\nroot 23 1 other\nshort\n"


def test_rows_of_the_container_with_their_threads():
    titles, rows = top.cut(TABLE, {22})
    assert titles == ["UID", "PID", "PPID", "CMD"]
    assert rows == [["root", "22", "1", "sh -c sleep 5"], ["root", "-", "-", "-"]]


def test_a_table_without_pids_is_refused():
    with pytest.raises(InvalidParameter, match="Couldn't find PID field in ps output"):
        top.cut("CMD\nsh\n", {1})
    with pytest.raises(InvalidParameter, match="Couldn't find PID field"):
        top.cut("", {1})


def test_ps_itself():
    titles, rows = top.processes([os.getpid()], "-o pid,args -e")
    assert titles[0] == "PID" and [row[0] for row in rows] == [str(os.getpid())]
    with pytest.raises(InvalidParameter, match="ps: "):
        top.processes([], "--no-such-option")
