"""Output is complete and in order, input arrives and ends, terminals have a size."""

from __future__ import annotations

import asyncio
import hashlib
import time

import pytest

from linkspan.model.errors import Conflict
from linkspan.runtime import logs

MIB = 1 << 20


async def _followed(lab, process):
    ended = asyncio.create_task(lab.runtime.wait(process.id))
    streams = {"stdout": [], "stderr": []}
    async for record in logs.follow(process.log_path, ended=ended):
        streams[record.stream].append(record.data)
    assert ended.done()
    return {name: b"".join(parts) for name, parts in streams.items()}


async def test_a_mebibyte_on_both_streams_arrives_whole_and_in_order(lab):
    script = "yes 0123456789abcde | head -c 1048576 & yes error | head -c 1048576 >&2; wait"
    process = lab.start("sh", "-c", script)
    streams = await asyncio.wait_for(_followed(lab, process), 30)
    assert streams["stdout"] == b"0123456789abcde\n" * (MIB // 16)
    assert streams["stderr"] == (b"error\n" * MIB)[:MIB]
    out, err = lab.output(process)
    assert (out, err) == (streams["stdout"], streams["stderr"])


async def test_binary_output_without_newlines_is_unchanged(lab):
    (lab.rootfs / "blob").write_bytes(hashlib.shake_256(b"linkspan").digest(300_000))
    process = lab.start("cat", "/blob")
    streams = await asyncio.wait_for(_followed(lab, process), 30)
    assert streams["stdout"] == (lab.rootfs / "blob").read_bytes()


async def test_the_last_words_are_there_when_wait_returns(lab):
    for _ in range(5):
        status, out, _ = await lab.run(
            "sh", "-c", "seq=1; while [ $seq -le 500 ]; do echo $seq; seq=$((seq+1)); done"
        )
        assert status.code == 0
        assert out.split() == [str(n).encode() for n in range(1, 501)]


async def test_following_is_prompt(lab):
    process = lab.start("sh", "-c", "echo one; sleep 0.3; echo two; sleep 100")
    follower = logs.follow(process.log_path)
    assert (await anext(follower)).data == b"one\n"
    record = await asyncio.wait_for(anext(follower), 5)
    assert record.data == b"two\n"
    assert time.time_ns() - record.time < 200_000_000
    await follower.aclose()


async def test_an_attachment_before_start_misses_nothing(lab):
    process = lab.process("echo", "first")
    offset = logs.size(process.log_path)
    lab.runtime.create(process)
    following = asyncio.create_task(_followed(lab, process))
    await asyncio.sleep(0.05)
    lab.runtime.start(process.id)
    assert offset == 0
    assert (await asyncio.wait_for(following, 10))["stdout"] == b"first\n"


async def test_stdin_is_echoed_and_half_close_ends_it(lab):
    process = lab.start("cat", open_stdin=True, stdin_once=True)
    console = lab.runtime.stdin(process.id)
    data = b"line\n" * 60_000
    await asyncio.to_thread(console.write, data)
    console.end()
    streams = await asyncio.wait_for(_followed(lab, process), 20)
    console.close()
    assert streams["stdout"] == data
    assert lab.runtime.exit_status(process.id).code == 0


async def test_without_stdin_once_the_next_client_goes_on(lab, eventually):
    process = lab.start("sh", "-c", "read a; echo 1 $a; read b; echo 2 $b", open_stdin=True)
    for word in (b"x\n", b"y\n"):
        console = lab.runtime.stdin(process.id)
        console.write(word)
        console.end()
        console.close()
        eventually(lambda word=word: word in lab.output(process)[0])
    await asyncio.wait_for(lab.runtime.wait(process.id), 10)
    assert lab.output(process)[0] == b"1 x\n2 y\n"


async def test_without_open_stdin_there_is_end_of_file(lab):
    status, out, _ = await lab.run("sh", "-c", "cat; echo done")
    assert (status.code, out) == (0, b"done\n")


async def test_a_terminal_has_a_size_and_can_be_resized(lab, eventually):
    script = "trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.05; done"
    process = lab.start("sh", "-c", script, terminal=True, open_stdin=True, console_size=(30, 100))
    eventually(lambda: b"ready" in lab.output(process)[0])
    lab.runtime.resize(process.id, 40, 120)
    eventually(lambda: b"40 120" in lab.output(process)[0])
    assert lab.output(process)[0].endswith(b"ready\r\n40 120\r\n")
    assert lab.output(process)[1] == b""


async def test_typing_at_a_terminal(lab, eventually):
    process = lab.start("sh", terminal=True, open_stdin=True, stdin_once=True)
    console = lab.runtime.stdin(process.id)
    console.write(b"echo $((6*7)); exit 5\n")
    status = await asyncio.wait_for(lab.runtime.wait(process.id), 10)
    console.close()
    assert status.code == 5
    assert b"42\r\n" in lab.output(process)[0]


async def test_a_container_that_has_ended_has_no_stdin(lab):
    process = lab.start("true", open_stdin=True)
    await lab.runtime.wait(process.id)
    with pytest.raises(Conflict):
        lab.runtime.stdin(process.id)
    with pytest.raises(Conflict):
        lab.runtime.resize(process.id, 1, 1)
