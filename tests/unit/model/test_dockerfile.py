"""Which images a Dockerfile names, and which Dockerfiles are none."""

from __future__ import annotations

import pytest

from linkspan.model.dockerfile import base_images, check, expand, instructions
from linkspan.model.errors import InvalidParameter

STAGES = """\
# a comment
ARG TAG=1.2
FROM --platform=linux/amd64 busybox:${TAG} AS Build
RUN --mount=type=bind,from=tools:3,target=/t make \\
    # a comment between
    all
FROM scratch
COPY --from=build /a /a
COPY --from=0 /b /b
COPY --chown=1 --from=alpine:3 /c /c
FROM build AS last
"""


@pytest.mark.parametrize(
    ("text", "arguments", "found"),
    [
        ("FROM busybox", {}, ["busybox"]),
        ("\ufefffrom busybox\nFROM busybox", {}, ["busybox"]),
        ("FROM scratch", {}, []),
        ("FROM", {}, []),
        ("ARG A\nFROM x:$A", {"A": "7"}, ["x:7"]),
        ("ARG A=1 B='$A'\nFROM x:${B}", {}, ["x:1"]),
        ("ARG A=1\nFROM x AS y\nARG A=2\nFROM z:$A", {}, ["x", "z:1"]),
        (STAGES, {}, ["busybox:1.2", "tools:3", "alpine:3"]),
        (STAGES, {"TAG": "9"}, ["busybox:9", "tools:3", "alpine:3"]),
    ],
)
def test_images_of_all_stages(text: str, arguments: dict[str, str], found: list[str]) -> None:
    assert base_images(text, arguments) == found


def test_stages_after_the_target_are_not_needed() -> None:
    assert base_images(STAGES, {}, "BUILD") == ["busybox:1.2", "tools:3"]


def test_the_escape_character_can_be_another() -> None:
    text = "# escape=`\nRUN a `\n b\nCOPY c:\\ d"
    assert list(instructions(text)) == [("RUN", "a  b"), ("COPY", "c:\\ d")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$a-${a}", "1-1"),
        ("${b:-${a}", "${a"),
        ("${b:-x}", "x"),
        ("${a:-x}", "1"),
        ("${a:+y}${b:+y}", "y"),
        ("${a:+$a}", "1"),
        ("$c", ""),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert expand(text, {"a": "1"}) == value


@pytest.mark.parametrize(
    ("text", "target", "complaint"),
    [
        ("", "", "the Dockerfile (D) cannot be empty"),
        ("# alone\n\n", "", "the Dockerfile (D) cannot be empty"),
        (
            "FROM a\n# b\nRUN x \\\n  y\nfoo bar\n",
            "",
            "dockerfile parse error on line 5: unknown instruction: FOO",
        ),
        ("RUN x\n", "", "no build stage in current context"),
        ("ARG x\n", "", "dockerfile contains no stages to build"),
        ("FROM a AS b\n", "c", 'target stage "c" could not be found'),
        ("FROM a AS b\n", "1", 'target stage "1" could not be found'),
    ],
)
def test_what_is_no_dockerfile(text, target, complaint):
    with pytest.raises(InvalidParameter) as met:
        check(text, "D", target)
    assert str(met.value) == complaint


def test_what_is_one():
    check(STAGES, "D", "build")
    check("ARG A\nFROM $A\n", "D", "0")
    check("FROM a\nRUN <<EOF\nwhatever this is\nEOF\n", "D")
