"""The grammar of image names."""

from __future__ import annotations

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.model.reference import Reference, is_digest, matches, parse, short, with_tag

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/library/busybox:x", "docker.io/library/busybox:x", "busybox:x"),
        ("me/tool", "docker.io/me/tool", "me/tool"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/tool", "localhost/tool", "localhost/tool"),
        ("localhost:5000/tool:1", "localhost:5000/tool:1", "localhost:5000/tool:1"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"),
        ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
        ("Example/tool", "Example/tool", "Example/tool"),
        ("registry.example/a__b/c-d.e", "registry.example/a__b/c-d.e", "registry.example/a__b/c-d.e"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}", f"busybox@{DIGEST}"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}", f"busybox:1@{DIGEST}"),
    ],
)
def test_names_are_normalised_and_shown_as_docker_does(text: str, full: str, familiar: str) -> None:
    reference = parse(text)
    assert (str(reference), reference.familiar) == (full, familiar)
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "a:",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a..b",
        "a:b:c",
        "a@sha256:12",
        "a b",
        "a:" + "t" * 129,
        "é",
    ],
)
def test_bad_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        parse(text)


@pytest.mark.parametrize("text", [f"a@md5:{'0' * 32}", "localhost:5000/", "a\n", "http://host/x"])
def test_what_is_no_image_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        parse(text)


def test_upper_case_has_its_own_sentence() -> None:
    with pytest.raises(InvalidParameter, match=r"repository name \(library/BusyBox\) must be lowercase"):
        parse("BusyBox")


def test_an_id_is_no_repository_name() -> None:
    with pytest.raises(InvalidParameter, match="cannot specify 64-byte hexadecimal strings"):
        parse("ab" * 32)


def test_names_have_a_longest_length() -> None:
    assert parse("a" * 237).path == "library/" + "a" * 237
    with pytest.raises(InvalidParameter, match="must not be more than 255 characters"):
        parse("a" * 240)


@pytest.mark.parametrize(
    ("repository", "tag", "familiar"),
    [
        ("a", "", "a:latest"),
        ("a:1", "", "a:1"),
        ("a", "2", "a:2"),
        ("a:1", "2", "a:2"),
        ("a", DIGEST, f"a@{DIGEST}"),
        (f"a@{DIGEST}", "", f"a@{DIGEST}"),
    ],
)
def test_repository_and_tag_parameters_are_combined(repository: str, tag: str, familiar: str) -> None:
    assert with_tag(repository, tag).familiar == familiar


@pytest.mark.parametrize("tag", ["-x", "a b", "a:b", ".x", "x" * 129])
def test_bad_tags_are_refused(tag: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid tag format"):
        with_tag("a", tag)


def test_a_digest_takes_no_tag() -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        with_tag(f"a@{DIGEST}", "x")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("busy*", "busybox:1", True),
        ("busybox", "busybox:1", True),
        ("busybox:1", "busybox:1", True),
        ("busybox:2", "busybox:1", False),
        ("*", "me/tool:1", False),
        ("*/*", "me/tool:1", True),
        ("me/t??l", "me/tool:1", True),
        ("[a-c]usybox", "busybox:1", True),
        ("[^a]usybox", "busybox:1", True),
        ("[^b]usybox", "busybox:1", False),
        ("busybox:\\1", "busybox:1", True),
        ("[", "busybox:1", False),
        ("localhost:5000/*:1", "localhost:5000/a:1", True),
    ],
)
def test_reference_filters_are_shell_patterns(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, parse(name)) is expected


def test_short_forms() -> None:
    assert short(DIGEST) == "abababababab"
    assert short("0123456789abcdef") == "0123456789ab"
    assert is_digest(DIGEST) and not is_digest("sha256:ab") and not is_digest(DIGEST.upper())


def test_a_default_tag_is_only_added_where_nothing_is() -> None:
    assert Reference("d", "p").with_default_tag().tag == "latest"
    assert Reference("d", "p", digest=DIGEST).with_default_tag().tag == ""
    assert Reference("d", "p", "x").with_default_tag().tag == "x"
