"""What is set up beside the network: begun when the namespace stands, its errors told when it is whole."""

import pytest

from linkspan.engine.beside import Beside
from linkspan.model.errors import LinkspanError


class Story:
    """Naming and creation in one; `fails` is the step that does."""

    def __init__(self, fails=""):
        self.fails = fails
        self.steps = []

    def _do(self, step):
        self.steps.append(step)
        if step == self.fails:
            raise LinkspanError(f"no {step}")

    def joined(self, container, sandbox, files):
        self._do("joined")

    def left(self, container_id):
        self._do(f"left {container_id}")

    def begin(self, sandbox):
        self._do("begin")
        return self

    def abandon(self):
        self._do("abandon")


class Container:
    id = "web"


def beside(story):
    return Beside(story, Container(), None, story.begin)


def test_the_names_are_written_before_the_process_is_begun():
    story = Story()
    one = beside(story)
    one(None)
    assert one.creation() is story
    one.take_back()
    assert story.steps == ["joined", "begin", "left web"]


def test_a_network_that_fails_abandons_the_process():
    story = Story()
    beside(story)(None)()
    assert story.steps == ["joined", "begin", "abandon", "left web"]


@pytest.mark.parametrize("fails", ["joined", "begin"])
def test_an_error_waits_until_the_network_stands(fails):
    story = Story(fails)
    one = beside(story)
    take_back = one(None)
    with pytest.raises(LinkspanError, match=f"no {fails}"):
        one.creation()
    take_back()
    assert story.steps[-1] == "left web" and "abandon" not in story.steps


def test_the_names_go_even_if_the_process_cannot_be_abandoned():
    story = Story("abandon")
    take_back = beside(story)(None)
    with pytest.raises(LinkspanError):
        take_back()
    assert story.steps[-1] == "left web"
