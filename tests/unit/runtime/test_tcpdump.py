"""tcpdump's command line: room for bursts, and a filter that is never taken for a flag."""

from __future__ import annotations

from linkspan.runtime.tcpdump import BUFFER, LONGEST, arguments


def test_the_filter_is_no_flag_and_the_buffer_has_hundreds_of_slots():
    command = arguments("eth0", "-w /etc/passwd", 3)
    assert command[-2:] == ["--", "-w /etc/passwd"]
    assert command[command.index("-c") + 1] == "3" and command[command.index("-i") + 1] == "eth0"
    assert BUFFER * 1024 // (LONGEST + 1) >= 512
    assert "-c" not in arguments("any", "", 0) and "--" not in arguments("any", "", 0)
