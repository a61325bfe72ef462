"""Where plugins are looked for, and in which order."""

from __future__ import annotations

import json
import socket

import pytest

from linkspan.model.errors import LinkspanError, NotFound
from linkspan.network.remote.discovery import Place, find, parse


@pytest.fixture
def places(tmp_path):
    sockets, etc, lib = (tmp_path / name for name in ("s", "etc", "lib"))
    for directory in (sockets, etc, lib):
        directory.mkdir()
    return sockets, (etc, lib)


def listen(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def test_a_socket_goes_before_files(places):
    sockets, specs = places
    (specs[0] / "demo.spec").write_text("tcp://localhost:8080\n")
    assert find("demo", sockets, specs) == Place(host="localhost", port=8080)
    listen(sockets / "demo.sock")
    assert find("demo", sockets, specs) == Place(socket=str(sockets / "demo.sock"))


def test_sockets_and_files_may_be_in_a_directory_of_their_own(places):
    sockets, specs = places
    (sockets / "one").mkdir()
    listen(sockets / "one" / "one.sock")
    (specs[1] / "two").mkdir()
    (specs[1] / "two" / "two.json").write_text(json.dumps({"Name": "two", "Addr": "unix:///run/two.sock"}))
    assert find("one", sockets, specs).socket.endswith("one/one.sock")
    assert find("two", sockets, specs) == Place(socket="/run/two.sock")


@pytest.mark.parametrize("name", ["nosuch", "", "../etc"])
def test_what_is_not_there(places, name):
    with pytest.raises(NotFound, match="in v1 plugin registry: plugin not found"):
        find(name, *places)


@pytest.mark.parametrize(("file", "text"), [("x.json", "[]"), ("x.json", "{}"), ("x.spec", "gopher://h")])
def test_files_that_cannot_be_understood(places, file, text):
    sockets, specs = places
    (specs[0] / file).write_text(text)
    with pytest.raises(LinkspanError, match="cannot be understood"):
        find("x", sockets, specs)


@pytest.mark.parametrize("address", ["", "unix://", "tcp://host", "tcp://:80", "ftp://h:1"])
def test_addresses_that_are_none(address):
    with pytest.raises(ValueError, match="invalid plugin address"):
        parse(address)
