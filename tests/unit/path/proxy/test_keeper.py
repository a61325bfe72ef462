"""The keeper owns one descriptor a port, gives them on in order, and closes what is dropped."""

import os
from pathlib import Path

import pytest

from linkspan.path.proxy.keeper import LOW, Keeper
from linkspan.path.proxy.wire import Entry


def descriptors(count: int) -> list[int]:
    return [os.memfd_create(f"port{number}") for number in range(count)]


def named(descriptor: int) -> str:
    return (
        str(Path(f"/proc/self/fd/{descriptor}").readlink()).removeprefix("/memfd:").removesuffix(" (deleted)")
    )


@pytest.fixture
def keeper():
    made = Keeper()
    yield made
    made.close()


def test_everything_is_given_on_in_messages_of_the_kernels_size_with_each_port_its_own_socket(keeper):
    run: Entry = ("tcp", "0.0.0.0", 8000, "172.17.0.2", 80, 300, "10.0.0.0/8")
    alone: Entry = ("udp", "::", 53, "172.17.0.3", 53, 1, "")
    keeper.keep("add relay", [run], descriptors(300))
    keeper.keep("add hold", [alone], descriptors(1))
    messages = list(keeper.messages())
    assert [(verb, len(entries), len(given)) for verb, entries, given in messages] == [
        ("add hold", 1, 1),
        ("add relay", 253, 253),
        ("add relay", 47, 47),
    ]
    _, entries, given = messages[2]
    assert entries[0] == ("tcp", "0.0.0.0", 8253, "172.17.0.2", 333, 1, "10.0.0.0/8")
    assert named(given[0]) == "port253"


def test_low_descriptors_are_left_to_others(keeper):
    keeper.keep("add relay", [("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 2, "")], descriptors(2))
    ((_, _, given),) = keeper.messages()
    assert min(given) >= LOW
    assert [named(each) for each in given] == ["port0", "port1"]


def test_what_is_dropped_is_closed(keeper):
    keeper.keep("add relay", [("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 3, "")], descriptors(3))
    ((_, _, given),) = keeper.messages()
    keeper.drop([("tcp", "0.0.0.0", 81, "", 0, 5, "")])
    assert len(keeper) == 1
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(given[1])
    os.fstat(given[0])


def test_where_the_limit_leaves_no_room_that_is_told_and_nothing_is_kept(keeper, monkeypatch, caplog):
    monkeypatch.setattr("linkspan.path.proxy.keeper.resource.getrlimit", lambda _what: (1024, 1024))
    high = [os.dup2(each, 600 + each) for each in descriptors(1)]
    keeper.keep("add relay", [("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 1, "")], high)
    assert not keeper
    assert "1 published ports would not outlive a crash of the proxy" in caplog.text
