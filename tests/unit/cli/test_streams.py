"""Frames of the multiplexed stream, and moments."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkspan.cli import streams
from linkspan.cli.flags import UsageError


def frame(stream, payload):
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))), st.integers(1, 30))
def test_frames_come_out_however_they_are_cut(frames, step):
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    demultiplexer = streams.Demultiplexer()
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    assert [each for piece in pieces for each in demultiplexer.feed(piece)] == frames


def test_show_sorts_stdout_and_stderr(capfd):
    streams.show([frame(1, b"out\n") + frame(2, b"err\n")[:5], frame(2, b"err\n")[5:]], raw=False)
    assert capfd.readouterr() == ("out\n", "err\n")
    streams.show([b"raw"], raw=True)
    assert capfd.readouterr().out == "raw"


def test_moments():
    assert streams.moment("") is None
    assert streams.moment("12.5") == "12.5"
    assert streams.moment("1970-01-01T00:01:00Z") == "60.000000000"
    assert float(streams.moment("10m")) == pytest.approx(time.time() - 600, abs=5)
    with pytest.raises(UsageError):
        streams.moment("yesterday")
