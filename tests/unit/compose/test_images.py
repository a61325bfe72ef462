"""Which images are downloaded, and what is said about those that must be built."""

from __future__ import annotations

import pytest

from linkspan.compose import images
from linkspan.compose.errors import ComposeError
from linkspan.compose.execution import Reporter
from linkspan.compose.state import State

SEEN = State(images={"here": "sha256:1"})


@pytest.mark.parametrize(
    ("service", "policy", "expected"),
    [
        ("{image: here}", "", []),
        ("{image: away}", "", ["away"]),
        ("{image: here, pull_policy: always}", "", ["here"]),
        ("{image: away, pull_policy: never}", "", []),
        ("{image: away, build: .}", "", []),
        ("{build: .}", "", []),
        ("{image: here}", "always", ["here"]),
        ("{image: away}", "never", []),
    ],
)
def test_to_pull(desk, service, policy, expected):
    project = desk.load(f"services: {{a: {service}}}")
    assert images.to_pull(project, ["a"], SEEN, policy) == expected


def test_a_build_says_what_to_do(desk):
    project = desk.load("""\
        services:
          a:
            build: {context: ., dockerfile: Other, target: t, args: {X: "1 2", Y: }}
          b: {image: here, build: .}
        """)
    with pytest.raises(ComposeError) as caught:
        images.refuse_unbuilt(project, ["a", "b"], SEEN, [])
    text = str(caught.value).replace(f"{desk.directory}", "DIR")
    assert text.startswith(
        "DIR/compose.yaml:3: services.a: the image shop-a is not here, and compose builds none"
    )
    assert "docker build -t shop-a -f DIR/Other --target t --build-arg 'X=1 2' --build-arg Y DIR" in text
    assert "`docker save shop-a | linkspan load`" in text
    assert len(images.how_to_build(project, ["a", "b"])) == 2


def test_an_image_that_may_not_be_pulled(desk):
    project = desk.load("services: {a: {image: away, pull_policy: never}}")
    with pytest.raises(ComposeError, match="pull_policy forbids"):
        images.refuse_unbuilt(project, ["a"], SEEN, [])
    images.refuse_unbuilt(project, ["a"], SEEN, ["away"])


class Registry:
    """Answers pulls."""

    def __init__(self) -> None:
        self.asked = []

    def send(self, method, path, body=None, *, stream=None, headers=None, query=None):
        self.asked.append((query["fromImage"], query["tag"]))
        return self

    def documents(self):
        yield {"status": "Pulling"}
        if self.asked[-1][0] == "bad":
            yield {"error": "not there"}


class Silent(Reporter):
    def begin(self, step) -> None: ...

    def end(self, step) -> None: ...

    def fail(self, step, reason) -> None: ...


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("a", "a", "latest"),
        ("host:5000/a", "host:5000/a", "latest"),
        ("host:5000/a:1", "host:5000/a", "1"),
        ("a@sha256:1", "a", "sha256:1"),
    ],
)
def test_references(image, name, tag):
    registry = Registry()
    assert images.pull([image], registry, Silent()) == []
    assert registry.asked == [(name, tag)]


def test_a_failed_pull():
    failed = images.pull(["bad"], Registry(), Silent())
    assert [(each.step.subject, each.reason) for each in failed] == [("Image bad", "not there")]
