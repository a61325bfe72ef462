"""Images as values: history, chain ids, filters."""

from __future__ import annotations

import hashlib

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.model.image import HistoryEntry, Image, chain_ids, history_lines, moment, select
from linkspan.model.timestamps import SECOND

NOW = moment("2024-06-01T00:00:00Z")


def image(name: str, created: str = "2024-01-01T00:00:00Z", **fields: object) -> Image:
    tags = (name,) if name else ()
    return Image(id=f"sha256:{name or 'none':0<64}", tags=tags, created=created, **fields)  # type: ignore[arg-type]


OLD = image("old:1", "2023-01-01T00:00:00Z", config={"Labels": {"a": "1"}})
MIDDLE = image("me/tool:1", "2024-01-01T00:00:00.5Z", config={"Labels": {"a": "2", "b": ""}})
NEW = image("", "2024-05-31T23:00:00Z")
ALL = [OLD, MIDDLE, NEW]


def names(filters: dict[str, list[str]], **anchors: Image) -> list[str]:
    return ["".join(found.tags) for found in select(ALL, filters, anchors, NOW)]


def test_images_are_listed_newest_first() -> None:
    assert names({}) == ["", "me/tool:1", "old:1"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"dangling": ["true"]}, [""]),
        ({"dangling": ["0"]}, ["me/tool:1", "old:1"]),
        ({"label": ["a"]}, ["me/tool:1", "old:1"]),
        ({"label": ["a=1"]}, ["old:1"]),
        ({"label": ["a", "b"]}, ["me/tool:1"]),
        ({"reference": ["old"]}, ["old:1"]),
        ({"reference": ["old", "me/*"]}, ["me/tool:1", "old:1"]),
        ({"reference": ["nothing"]}, []),
        ({"until": ["2023-06-01"]}, ["old:1"]),
        ({"until": ["2h"]}, ["me/tool:1", "old:1"]),
        ({"until": [str(NOW // SECOND)]}, ["", "me/tool:1", "old:1"]),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: list[str]) -> None:
    assert names(filters) == expected


def test_before_and_since_compare_with_another_image() -> None:
    assert names({"before": ["x"]}, x=MIDDLE) == ["old:1"]
    assert names({"since": ["x"]}, x=MIDDLE) == [""]


def test_a_reference_filter_hides_the_other_names() -> None:
    both = Image("sha256:1", tags=("a:1", "b:1"), digests=("a@sha256:" + "0" * 64,))
    (found,) = select([both], {"reference": ["b"]}, {}, NOW)
    assert (found.tags, found.digests) == (("b:1",), ())


@pytest.mark.parametrize("filters", [{"colour": ["red"]}, {"dangling": ["maybe"]}, {"until": ["1h", "2h"]}])
def test_bad_filters_are_refused(filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidParameter):
        names(filters)


def test_history_is_newest_first_and_only_layers_have_sizes() -> None:
    made = Image(
        "sha256:1",
        tags=("a:1",),
        layers=("x", "y"),
        layer_sizes=(10, 20),
        history=(
            HistoryEntry(created="1970-01-01T00:00:07Z", created_by="ADD"),
            HistoryEntry(created_by="CMD", empty_layer=True),
            HistoryEntry(created_by="RUN", comment="c"),
        ),
    )
    lines = history_lines(made)
    assert [(line.id, line.created_by, line.size) for line in lines] == [
        ("sha256:1", "RUN", 20),
        ("<missing>", "CMD", 0),
        ("<missing>", "ADD", 10),
    ]
    assert (lines[0].tags, lines[0].comment, lines[2].created) == (("a:1",), "c", 7)


def test_an_image_without_history_has_one_line_per_layer() -> None:
    assert [line.size for line in history_lines(Image("i", layers=("x", "y"), layer_sizes=(1, 2)))] == [2, 1]
    assert history_lines(Image("i")) == []


def test_chain_ids_follow_the_specification() -> None:
    second = hashlib.sha256(b"sha256:a sha256:b").hexdigest()
    assert chain_ids(("sha256:a", "sha256:b")) == ("sha256:a", f"sha256:{second}")
    assert chain_ids(()) == ()


def test_an_image_may_not_tell_when_it_was_made() -> None:
    assert moment("") == moment("yesterday") == 0
    assert Image("i").dangling and Image("i").labels == {}
