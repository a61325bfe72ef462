"""Finding, naming and removing images by Docker's rules; the images here have no layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from linkspan.model.errors import Conflict, InvalidParameter, NotFound
from linkspan.model.image import Image, ImageUse
from linkspan.model.reference import parse
from linkspan.runtime.images.library import Images

CONTAINER = "c" * 64


def make(library: Images, number: int, *names: str) -> Image:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": f"2024-01-0{number}T00:00:00Z",
        "config": {"Labels": {"number": str(number)}},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    image = library.index.add_image(json.dumps(config).encode())
    for name in names:
        library.index.name(parse(name).with_default_tag(), image.id)
    return library.find(image.id)


def use(image: Image, running: bool = False) -> list[ImageUse]:
    return [ImageUse(CONTAINER, image.id, running)]


def done(removals: Any) -> list[str]:
    return [f"-{r.untagged}" if r.untagged else "x" + r.deleted[7:19] for r in removals]


def test_an_image_is_found_by_name_digest_id_and_prefix(library: Images) -> None:
    digest = f"a@sha256:{'1' * 64}"
    image = make(library, 1, "a:1", digest)
    for text in ("a:1", "docker.io/library/a:1", digest, f"a:other@sha256:{'1' * 64}"):
        assert library.find(text) == image
    for text in (image.id, image.id[7:], image.id[7:19], image.id[:20]):
        assert library.find(text) == image
    assert (image.tags, image.digests) == (("a:1",), (digest,))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nope", "No such image: nope:latest"),
        ("nope:1", "No such image: nope:1"),
        ("localhost:5000/x", "No such image: localhost:5000/x:latest"),
        ("sha256:" + "0" * 64, "No such image: sha256:" + "0" * 64),
        ("0" * 64, "No such image: sha256:" + "0" * 64),
    ],
)
def test_what_is_not_here(library: Images, text: str, sentence: str) -> None:
    with pytest.raises(NotFound) as caught:
        library.find(text)
    assert str(caught.value) == sentence


def test_a_name_beats_an_id_prefix_and_an_ambiguous_prefix_is_nothing(library: Images) -> None:
    first, second = make(library, 1), make(library, 2)
    library.name(second, first.id[7:13])
    assert library.find(first.id[7:13]) == library.find(second.id)
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        library.find("")


def test_tagging_moves_a_name(library: Images) -> None:
    first, second = make(library, 1, "a"), make(library, 2)
    library.tag(second.id, "a", "")
    assert library.find("a").id == second.id
    assert library.find(first.id).tags == ()
    with pytest.raises(InvalidParameter, match="refusing to create a tag with a digest reference"):
        library.tag(second.id, "b", "sha256:" + "0" * 64)


def test_what_is_named_is_there_again_after_a_restart(
    library: Images, documents: Any, tmp_path: Path
) -> None:
    image = make(library, 1, "a:1")
    assert Images(documents, tmp_path / "data").find("a:1") == image


def test_removing_the_last_name_deletes_the_image(library: Images) -> None:
    image = make(library, 1, "a", "b")
    assert done(library.remove("a")) == ["-a:latest"]
    assert done(library.remove("b")) == ["-b:latest", "x" + image.id[7:19]]
    assert library.list() == []
    assert not library.blobs.has(image.id)


def test_removing_by_id_takes_the_only_name_and_its_digest(library: Images) -> None:
    image = make(library, 1, "a", f"a@sha256:{'1' * 64}")
    assert done(library.remove(image.id[7:19])) == [
        "-a:latest",
        f"-a@sha256:{'1' * 64}",
        "x" + image.id[7:19],
    ]


def test_removing_the_last_tag_of_a_repository_takes_its_digests(library: Images) -> None:
    image = make(library, 1, "a", f"a@sha256:{'1' * 64}", "b")
    assert done(library.remove("a")) == ["-a:latest", f"-a@sha256:{'1' * 64}"]
    assert library.find(image.id).tags == ("b:latest",)


def test_an_id_with_several_names_must_be_forced(library: Images) -> None:
    image = make(library, 1, "a", "b")
    short = image.id[7:19]
    with pytest.raises(Conflict) as caught:
        library.remove(short)
    assert str(caught.value) == (
        f"conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
    )
    assert done(library.remove(short, force=True)) == ["-a:latest", "-b:latest", "x" + short]


def test_the_only_name_of_a_used_image_must_be_forced(library: Images) -> None:
    image = make(library, 1, "a")
    with pytest.raises(Conflict) as caught:
        library.remove("a", uses=use(image))
    assert str(caught.value) == (
        'conflict: unable to remove repository reference "a" (must force) - container'
        f" {CONTAINER[:12]} is using its referenced image {image.id[7:19]}"
    )
    assert library.find("a").id == image.id


def test_one_of_several_names_of_a_used_image_may_go(library: Images) -> None:
    image = make(library, 1, "a", "b")
    assert done(library.remove("a", uses=use(image, running=True))) == ["-a:latest"]


def test_forcing_the_name_of_a_running_containers_image_leaves_it_nameless(library: Images) -> None:
    image = make(library, 1, "a")
    assert done(library.remove("a", force=True, uses=use(image, running=True))) == ["-a:latest"]
    assert library.find(image.id).dangling


@pytest.mark.parametrize(
    ("running", "force", "how", "state"),
    [
        (True, False, "cannot be forced", "running"),
        (True, True, "cannot be forced", "running"),
        (False, False, "must be forced", "stopped"),
    ],
)
def test_a_used_image_is_not_removed_by_id(
    library: Images, running: bool, force: bool, how: str, state: str
) -> None:
    image = make(library, 1, "a")
    short = image.id[7:19]
    with pytest.raises(Conflict) as caught:
        library.remove(short, force, use(image, running))
    assert str(caught.value) == (
        f"conflict: unable to delete {short} ({how}) - image is being used by {state} container"
        f" {CONTAINER[:12]}"
    )
    assert library.find("a").id == image.id


def test_a_stopped_container_keeps_the_layers_of_a_forced_removal(library: Images) -> None:
    image = make(library, 1, "a")
    assert done(library.remove("a", True, use(image))) == ["-a:latest", "x" + image.id[7:19]]
    with pytest.raises(NotFound):
        library.find(image.id)
    assert library.get(image.id).id == image.id
    library.release(use(image))
    assert library.get(image.id).id == image.id
    library.release([])
    with pytest.raises(NotFound):
        library.get(image.id)


def test_an_image_that_is_brought_back_is_seen_again(library: Images) -> None:
    image = make(library, 1, "a")
    library.remove("a", True, use(image))
    assert make(library, 1, "b").id == image.id
    library.release([])
    assert library.find("b").id == image.id


def test_prune_takes_dangling_images_and_all_only_when_asked(library: Images) -> None:
    named, used, dangling = make(library, 1, "a"), make(library, 2), make(library, 3)
    assert done(library.prune({}, use(used)).removals) == ["x" + dangling.id[7:19]]
    assert done(library.prune({"label": ["number=7"], "dangling": ["false"]}).removals) == []
    removals = library.prune({"dangling": ["false"]}, use(used)).removals
    assert done(removals) == ["-a:latest", "x" + named.id[7:19]]
    assert [image.id for image in library.list()] == [used.id]
    with pytest.raises(InvalidParameter, match="invalid filter 'x'"):
        library.prune({"x": ["y"]})


def test_anchors_of_filters_must_exist(library: Images) -> None:
    first, second = make(library, 1, "a"), make(library, 2, "b")
    assert [image.id for image in library.list({"since": ["a"]})] == [second.id]
    assert [image.id for image in library.list({"before": ["b"]})] == [first.id]
    with pytest.raises(NotFound, match="No such image: nothing:latest"):
        library.list({"before": ["nothing"]})


def test_an_image_whose_layers_are_missing_is_refused(library: Images) -> None:
    config = {"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}
    with pytest.raises(Exception, match="is missing"):
        library.index.add_image(json.dumps(config).encode())
