"""Labels and `until`, the filters every list and prune shares."""

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.model.filters import duration, labels_match, labels_pass, truth, until
from linkspan.model.timestamps import SECOND


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [([], True), (["a"], True), (["a=1"], True), (["a=2"], False), (["a", "b"], False)],
)
def test_every_wanted_label_is_needed(wanted, expected):
    assert labels_match({"a": "1"}, wanted) is expected


def test_an_excluded_label_fails():
    assert not labels_pass({"a": "1"}, {"label!": ["a=1"]})
    assert labels_pass({"a": "1"}, {"label!": ["a=2"], "label": ["a"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10m", 600 * SECOND), ("1h30m", 5400 * SECOND), ("5ms", 5_000_000), ("10", None), ("m", None)],
)
def test_durations_are_read_as_go_does(text, expected):
    assert duration(text) == expected


def test_until_is_a_moment_or_a_duration_before_now():
    assert until({}, 0) is None
    assert until({"until": ["10s"]}, 100 * SECOND) == 90 * SECOND
    assert until({"until": ["1700000000"]}, 0) == 1700000000 * SECOND
    assert until({"until": ["2023-11-14T22:13:20Z"]}, 0) == 1700000000 * SECOND


@pytest.mark.parametrize("values", [["soon"], ["1h", "2h"]])
def test_a_wrong_until_is_refused(values):
    with pytest.raises(InvalidParameter):
        until({"until": values}, 0)


@pytest.mark.parametrize(
    ("values", "meaning"),
    [([], None), (["true"], True), (["1", "x"], True), (["0"], False), (["false"], False)],
)
def test_a_filter_that_is_true_or_false(values, meaning):
    assert truth({"dangling": values}, "dangling") is meaning


@pytest.mark.parametrize("values", [["x"], ["true", "false"], ["True"]])
def test_a_filter_that_is_neither_or_both(values):
    with pytest.raises(InvalidParameter, match=rf"^invalid filter 'dangling=\[{' '.join(values)}\]'$"):
        truth({"dangling": values}, "dangling")
