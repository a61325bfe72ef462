"""conmon's log file: parsing, tails, selections, following."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkspan.runtime import logs
from linkspan.runtime.logs import Parser, Record, Selection

AT = "2024-01-02T03:04:0{}.123456789+00:00"
BASE = logs.nanoseconds("2024-01-02T03:04:00+00:00")


def _line(second: int, stream: str, data: bytes) -> bytes:
    whole = data.endswith(b"\n")
    head = f"{AT.format(second)} {stream} {'F' if whole else 'P'} ".encode()
    return head + data + (b"" if whole else b"\n")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [
        _line(1, "stdout", b"one\n"),
        _line(2, "stdout", b"par"),
        _line(3, "stderr", b"err\n"),
        _line(4, "stdout", b"tial\n"),
        _line(5, "stdout", b"\n"),
        _line(6, "stdout", b"end"),
    ]
    path = tmp_path / "container.log"
    path.write_bytes(b"".join(lines))
    return path


def _bytes(records):
    return [record.data for record in records]


def test_records_carry_time_stream_and_bytes(log):
    records = list(logs.read(log))
    assert records[0] == Record(BASE + 1_123_456_789, "stdout", b"one\n", True)
    assert _bytes(records) == [b"one\n", b"par", b"err\n", b"tial\n", b"\n", b"end"]
    assert [record.starts for record in records] == [True, True, True, False, True, True]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (0, []),
        (1, [b"end"]),
        (2, [b"\n", b"end"]),
        (3, [b"tial\n", b"\n", b"end"]),
        (4, [b"par", b"err\n", b"tial\n", b"\n", b"end"]),
        (5, [b"one\n", b"par", b"err\n", b"tial\n", b"\n", b"end"]),
        (99, [b"one\n", b"par", b"err\n", b"tial\n", b"\n", b"end"]),
    ],
)
def test_tail_counts_lines_not_records(log, tail, expected):
    assert _bytes(logs.read(log, tail=tail)) == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(0, 12), st.integers(1, 64))
def test_tail_agrees_with_reading_everything(tmp_path_factory, lines, tail, block):
    path = tmp_path_factory.mktemp("log") / "l"
    data = [line.replace(b"\n", b"") + b"\n" for line in lines]
    path.write_bytes(b"".join(_line(1, "stdout", line) for line in data))
    original, logs._BLOCK = logs._BLOCK, block
    try:
        assert _bytes(logs.read(path, tail=tail)) == (data[-tail:] if tail else [])
    finally:
        logs._BLOCK = original


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_cut_anyhow_come_back(data, step):
    pieces = data.split(b"\n")
    lines = [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    raw = b"".join(_line(1, "stdout", line) for line in lines)
    parser = Parser()
    records = [r for start in range(0, len(raw), step) for r in parser.feed(raw[start : start + step])]
    assert b"".join(_bytes(records)) == data


def test_selections(log):
    assert _bytes(logs.read(log, selection=Selection(stdout=False))) == [b"err\n"]
    assert b"err\n" not in _bytes(logs.read(log, selection=Selection(stderr=False)))
    window = Selection(since=BASE + 3_000_000_000, until=BASE + 5_000_000_000)
    assert _bytes(logs.read(log, selection=window)) == [b"err\n", b"tial\n"]


def test_an_offset_starts_where_an_attachment_began(log):
    offset = logs.size(log)
    with log.open("ab") as file:
        file.write(_line(7, "stderr", b"new\n"))
    assert _bytes(logs.read(log, offset=offset)) == [b"new\n"]


def test_no_file_is_no_output(tmp_path):
    assert list(logs.read(tmp_path / "none")) == []
    assert logs.size(tmp_path / "none") == 0


def test_an_unfinished_record_waits_and_nonsense_is_skipped(log):
    with log.open("ab") as file:
        file.write(b"nonsense\n" + _line(7, "stdout", b"cut\n")[:-2])
    assert _bytes(logs.read(log))[-1] == b"end"
    assert _bytes(logs.read(log, tail=1)) == [b"end"]


def test_times():
    assert logs.nanoseconds("2024-01-02T04:04:00.5+01:00") == BASE + 500_000_000
    assert logs.nanoseconds("2024-01-02T01:04:00.000000001-02:00") == BASE + 1
    assert logs.nanoseconds("2024-01-02T03:04:00.25Z") == BASE + 250_000_000
    assert logs.timestamp(BASE + 25) == "2024-01-02T03:04:00.000000025Z"


async def _collect(follower, into):
    async for record in follower:
        into.append(record.data)


async def test_following_ends_with_the_container_and_loses_nothing(log):
    ended = asyncio.get_running_loop().create_future()
    seen, other = [], []
    tasks = [
        asyncio.create_task(_collect(logs.follow(log, ended=ended), seen)),
        asyncio.create_task(_collect(logs.follow(log, ended=ended, tail=1), other)),
    ]
    await asyncio.sleep(0.02)
    assert len(seen) == 6
    with log.open("ab") as file:
        file.write(_line(7, "stdout", b"more\n"))
    await asyncio.sleep(0.02)
    assert seen[-1] == b"more\n"
    with log.open("ab") as file:
        file.write(_line(8, "stdout", b"last\n"))
    ended.set_result(None)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert seen[-1] == b"last\n"
    assert other == [b"end", b"more\n", b"last\n"]


async def test_following_begins_before_the_file_and_stops_at_until(tmp_path):
    path, seen = tmp_path / "later.log", []
    selection = Selection(until=BASE + 3_000_000_000)
    task = asyncio.create_task(_collect(logs.follow(path, selection=selection), seen))
    await asyncio.sleep(0.02)
    with path.open("ab") as file:
        file.write(_line(1, "stdout", b"a\n") + _line(9, "stdout", b"b\n"))
    await asyncio.wait_for(task, 5)
    assert seen == [b"a\n"]
