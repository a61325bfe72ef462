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
    assert len(keeper) == 301
    seen = [(verb, entries, [named(each) for each in given]) for verb, entries, given in keeper.messages()]
    assert [(verb, sum(entry[5] for entry in entries)) for verb, entries, _ in seen] == [
        ("add relay", 253),
        ("add relay", 47),
        ("add hold", 1),
    ]
    _, entries, names = seen[1]
    assert entries[0][:6] == ("tcp", "0.0.0.0", 8253, "172.17.0.2", 333, 47)
    assert (names[0], names[-1]) == ("port253", "port299")


def test_what_is_given_can_be_given_again(keeper):
    keeper.keep("add relay", [("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 2, "")], descriptors(2))
    for _ in range(3):
        assert [named(each) for _, _, given in keeper.messages() for each in given] == ["port0", "port1"]


def test_one_high_descriptor_holds_many_ports(keeper):
    def numbers():
        return {int(each.name) for each in Path("/proc/self/fd").iterdir()}

    before = numbers()
    keeper.keep("add relay", [("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 200, "")], descriptors(200))
    (added,) = numbers() - before
    assert added >= LOW
    keeper.drop([("tcp", "0.0.0.0", 80, "", 0, 200, "")])
    assert numbers() == before


def test_what_is_dropped_is_closed_and_the_rest_is_kept(keeper):
    reading, writing = os.pipe()
    others = descriptors(2)
    keeper.keep(
        "add relay", [("tcp", "0.0.0.0", 80, "172.17.0.2", 80, 3, "")], [others[0], writing, others[1]]
    )
    keeper.drop([("tcp", "0.0.0.0", 81, "", 0, 1, ""), ("tcp", "0.0.0.0", 99, "", 0, 5, "")])
    assert os.read(reading, 1) == b"", "the last writer of the pipe is gone"
    os.close(reading)
    assert len(keeper) == 2
    given = [(entries, [named(each) for each in found]) for _, entries, found in keeper.messages()]
    assert [[entry[2] for entry in entries] for entries, _ in given] == [[80, 82]]
    assert [names for _, names in given] == [["port0", "port1"]]
