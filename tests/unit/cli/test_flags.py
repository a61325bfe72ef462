"""Flags as docker's commands have them."""

from __future__ import annotations

import pytest

from linkspan.cli.flags import Command, Flag, HelpWanted, UsageError, help_text, parse

COMMAND = Command(
    "run",
    "[OPTIONS] IMAGE",
    "Run it",
    lambda _options, _client: 0,
    (
        Flag("detach", "Leave it", "bool", short="d"),
        Flag("tty", "Terminal", "bool", short="t"),
        Flag("icc", "Talk", "bool", default=True),
        Flag("publish", "Port", "list", short="p"),
        Flag("name", "Name", default="nobody"),
        Flag("time", "Seconds", "number", short="s"),
    ),
    minimum=1,
    interspersed=False,
    examples="linkspan run busybox",
)


def test_long_flags_joined_and_apart():
    options = parse(COMMAND, ["--name=web", "--publish", "80", "--publish=81", "image"])
    assert options.text("name") == "web"
    assert options.list("publish") == ["80", "81"]
    assert options.arguments == ["image"]


def test_short_flags_bundled_joined_and_apart():
    options = parse(COMMAND, ["-dt", "-p80", "-p", "81", "-dp=82", "image"])
    assert options.on("detach") and options.on("tty")
    assert options.list("publish") == ["80", "81", "82"]


def test_what_follows_the_image_is_the_images():
    assert parse(COMMAND, ["-d", "image", "-p", "--name"]).arguments == ["image", "-p", "--name"]


def test_two_dashes_end_the_flags():
    assert parse(COMMAND, ["--", "-d"]).arguments == ["-d"]


def test_interspersed_flags():
    command = Command("rm", "", "", COMMAND.run, COMMAND.flags)
    options = parse(command, ["a", "-d", "b", "-"])
    assert options.arguments == ["a", "b", "-"]
    assert options.on("detach")


def test_defaults_and_what_was_given():
    options = parse(COMMAND, ["image"])
    assert (options.text("name"), options.on("icc"), options.number("time")) == ("nobody", True, None)
    assert not options.given("name")
    assert not parse(COMMAND, ["--icc=false", "image"]).on("icc")
    assert parse(COMMAND, ["-s", "5", "image"]).number("time") == 5


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nonsense"], "unknown flag: --nonsense"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-dx"], "unknown shorthand flag: 'x' in -x"),
        (["--name"], "flag needs an argument: --name"),
        (["-p"], "flag needs an argument: 'p' in -p"),
        (["--icc=maybe", "i"], 'invalid argument "maybe" for "--icc" flag: strconv.ParseBool'),
        (["-s", "soon", "i"], 'invalid argument "soon" for "-s, --time" flag: strconv.ParseInt'),
    ],
)
def test_wrong_flags_are_told_in_dockers_words(words, text):
    with pytest.raises(UsageError, match=text.replace("(", r"\(")) as caught:
        parse(COMMAND, words)
    assert caught.value.code == 125


@pytest.mark.parametrize(
    ("minimum", "maximum", "words", "text"),
    [
        (1, None, [], "requires at least 1 argument"),
        (2, None, ["a"], "requires at least 2 arguments"),
        (2, 2, ["a"], "requires 2 arguments"),
        (1, 1, ["a", "b"], "requires 1 argument"),
        (0, 0, ["a"], "accepts no arguments"),
        (1, 2, ["a", "b", "c"], "requires at most 2 arguments"),
    ],
)
def test_the_number_of_arguments(minimum, maximum, words, text):
    command = Command("x", "", "", COMMAND.run, minimum=minimum, maximum=maximum)
    with pytest.raises(UsageError, match=text) as caught:
        parse(command, words)
    assert caught.value.code == 1


def test_help_is_asked_for_anywhere_before_the_image():
    with pytest.raises(HelpWanted):
        parse(COMMAND, ["--name", "web", "--help"])
    assert parse(COMMAND, ["image", "--help"]).arguments == ["image", "--help"]


def test_help_shows_flags_defaults_and_examples():
    text = help_text(COMMAND)
    assert text.startswith("Usage:  linkspan run [OPTIONS] IMAGE\n\nRun it\n")
    assert "  -d, --detach         Leave it" in text
    assert "--icc            Talk (default true)" in text
    assert "--name string    Name (default nobody)" in text
    assert "  linkspan run busybox" in text
