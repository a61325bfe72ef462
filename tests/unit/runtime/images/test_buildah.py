"""What is asked of buildah, and what its words become."""

from __future__ import annotations

import asyncio

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime.images.buildah import BuildOptions, _lines, docker_line, failed


def test_flags() -> None:
    assert BuildOptions().flags() == []
    options = BuildOptions(
        arguments={"A": "1"},
        labels={"l": "x y"},
        target="last",
        platform="linux/arm64",
        network="none",
        hosts=["h:1.2.3.4"],
        fresh=True,
        squash=True,
    )
    assert options.flags() == [
        "--build-arg=A=1",
        "--label=l=x y",
        "--add-host=h:1.2.3.4",
        "--target=last",
        "--platform=linux/arm64",
        "--no-cache",
        "--squash",
    ]
    with pytest.raises(InvalidParameter, match="building on the network front is not supported"):
        BuildOptions(network="front").flags()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("STEP 1/3: FROM busybox\n", "Step 1/3 : FROM busybox\n"),
        ("[2/2] STEP 1/3: FROM x\n", "Step 1/3 : FROM x\n"),
        ("--> Using cache 0123\n", " ---> Using cache\n"),
        ("--> 0123456789a\n", " ---> 0123456789a\n"),
        ("COMMIT\n", None),
        ("[2/2] COMMIT\n", None),
        ("0" * 64 + "\n", None),
        ('time="2026-11-24T08:00:00Z" level=warning msg="x"\n', None),
        ("subprocess exited with status 3\n", None),
        ("hello\n", "hello\n"),
        ("COMMITTED\n", "COMMITTED\n"),
    ],
)
def test_progress_in_the_words_of_the_classic_builder(line: str, shown: str | None) -> None:
    assert docker_line(line) == shown


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        (
            'building at STEP "RUN exit 3": while running runtime: exit status 3',
            "The command '/bin/sh -c exit 3' returned a non-zero code: 3",
            3,
        ),
        (
            'building at STEP "RUN [\\"false\\"]": exit status 1',
            "The command '[\"false\"]' returned a non-zero code: 1",
            1,
        ),
        ('building at STEP "COPY a b": no such file', 'building at STEP "COPY a b": no such file', 1),
    ],
)
def test_failures(text: str, said: str, code: int) -> None:
    failure = failed(text)
    assert (str(failure), failure.code) == (said, code)


async def test_lines_of_a_stream() -> None:
    stream = asyncio.StreamReader()
    for piece in (b"a\nb", b"c\r10%\r20%\r", b"x" * 9000, b"y"):
        stream.feed_data(piece)
        await asyncio.sleep(0)
    stream.feed_eof()
    found = [line async for line in _lines(stream)]
    assert found[:4] == ["a\n", "bc\r", "10%\r", "20%\r"]
    assert "".join(found[4:]) == "x" * 9000 + "y"
    assert [line async for line in _lines(None)] == []


def test_a_file_that_is_not_in_the_context_is_told_as_docker_does():
    text = (
        'building at STEP "COPY nothere /x": checking on sources under "/data/tmp/1/context": '
        'copier: stat: "/nothere": no such file or directory'
    )
    assert str(failed(text)) == (
        "COPY failed: file not found in build context or excluded by .dockerignore: "
        "stat nothere: file does not exist"
    )


def test_arguments_that_nobody_used_are_told_as_docker_does():
    line = "[Warning] one or more build args were not consumed: [Y]\n"
    assert docker_line(line) == "[Warning] One or more build-args [Y] were not consumed\n"
