"""The image library on a real file system: embedded image, archives, import, commit, removal."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linkspan.model.errors import InvalidParameter, LinkspanError, NotFound
from linkspan.model.image import ImageUse
from linkspan.model.reference import parse
from linkspan.runtime.images.blobs import Interrupted
from linkspan.runtime.images.library import Images
from linkspan.store.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "state.db")
    yield found
    found.close()


@pytest.fixture
def library(store: Store, tmp_path: Path) -> Images:
    return Images(store, tmp_path / "data")


def plain_tar(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def saved(library: Images, place: Path, *names: str) -> Path:
    file = place / f"saved-{len(list(place.iterdir()))}.tar"
    with file.open("wb") as target:
        for piece in library.save(names):
            target.write(piece)
    return file


def kept(place: Path) -> list[str]:
    """What lies in the library: blobs, layers and unfinished work."""
    image = place / "data" / "image"
    found = [*(image / "blobs/sha256").iterdir(), *(image / "layers").iterdir(), *(image / "tmp").iterdir()]
    return sorted(path.name for path in found)


def test_the_embedded_image_runs(library: Images) -> None:
    image = library.ensure_embedded()
    assert image is not None and image.tags == ("busybox:latest",)
    (root,) = library.layers(image)
    subprocess.run(["chroot", root, "/bin/busybox", "true"], check=True)
    command = "id -un && ls -d /tmp /root /var/www && which sh httpd wget ping nc ip nslookup"
    done = subprocess.run(["chroot", root, "sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:4] == ["root", "/root", "/tmp", "/var/www"]


def test_the_embedded_image_is_always_the_same(library: Images, tmp_path: Path) -> None:
    other = Store(tmp_path / "other.db")
    try:
        first, second = library.ensure_embedded(), Images(other, tmp_path / "other").ensure_embedded()
    finally:
        other.close()
    assert first is not None and second is not None and first.id == second.id


def test_a_removed_embedded_image_does_not_come_back(library: Images, store: Store, tmp_path: Path) -> None:
    library.ensure_embedded()
    library.remove("busybox")
    assert library.ensure_embedded() is None
    again = Images(store, tmp_path / "data")
    assert again.ensure_embedded() is None
    assert again.list() == []


def test_a_busybox_of_the_users_is_left_alone(library: Images, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(plain_tar(a="1"))
    mine = library.import_archive(tmp_path / "a.tar", parse("busybox:latest"))
    assert library.ensure_embedded() is None
    assert library.find("busybox").id == mine.id


def test_removal_frees_everything(library: Images, tmp_path: Path) -> None:
    assert kept(tmp_path) == []
    library.ensure_embedded()
    assert len(kept(tmp_path)) == 3
    assert [removal.deleted[:7] for removal in library.remove("busybox")] == ["", "sha256:", "sha256:"]
    assert kept(tmp_path) == []


def test_save_and_load_keep_the_id(library: Images, tmp_path: Path) -> None:
    image = library.ensure_embedded()
    assert image is not None
    library.tag("busybox", "other/name", "1")
    file = saved(library, tmp_path, "busybox", "other/name:1")
    names = subprocess.run(["tar", "tf", file], capture_output=True, text=True, check=True).stdout.split()
    assert {"manifest.json", "index.json", "oci-layout", "repositories"} <= set(names)
    library.remove(image.id, force=True)
    assert kept(tmp_path) == []
    ((loaded, given),) = library.load(file)
    assert loaded.id == image.id
    assert [name.familiar for name in given] == ["busybox:latest", "other/name:1"]
    assert library.find("other/name:1").tags == ("busybox:latest", "other/name:1")
    assert saved(library, tmp_path, "busybox", "other/name:1").read_bytes() == file.read_bytes()


def test_a_repository_is_saved_with_all_its_tags_and_an_id_with_none(library: Images, tmp_path: Path) -> None:
    image = library.ensure_embedded()
    assert image is not None
    library.tag("busybox", "busybox", "2")
    (tmp_path / "a.tar").write_bytes(plain_tar(a="1"))
    second = library.import_archive(tmp_path / "a.tar", parse("busybox:3"))
    whole, bare = saved(library, tmp_path, "busybox"), saved(library, tmp_path, image.id[7:19])
    for name in ("busybox:latest", "busybox:2", "busybox:3"):
        library.remove(name)
    names = {name.familiar: found.id for found, given in library.load(whole) for name in given}
    assert names == {"busybox:latest": image.id, "busybox:2": image.id, "busybox:3": second.id}
    assert [given for _, given in library.load(bare)] == [()]
    with pytest.raises(NotFound, match="No such image: nothing:latest"):
        library.save(["busybox", "nothing"])


def test_an_archive_is_what_other_tools_read(library: Images, tmp_path: Path) -> None:
    image = library.ensure_embedded()
    assert image is not None
    file = saved(library, tmp_path, "busybox")
    for source in (f"docker-archive:{file}", f"oci-archive:{file}"):
        command = ["skopeo", "inspect", "--config", "--raw", source]
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout.rstrip(b"\n") == library.blobs.read(image.id)


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_archives_of_other_tools_are_loaded(library: Images, tmp_path: Path, transport: str) -> None:
    image = library.ensure_embedded()
    file, made = saved(library, tmp_path, "busybox"), tmp_path / "made.tar"
    target = f"{transport}:{made}:docker.io/library/made:1"
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{file}", target], check=True)
    packed = tmp_path / "packed.tgz"
    packed.write_bytes(gzip.compress(made.read_bytes(), 1))
    library.remove("busybox")
    ((loaded, names),) = library.load(packed)
    assert image is not None and loaded.layers == image.layers
    assert [name.familiar for name in names] == ["made:1"]


def test_a_damaged_archive_leaves_nothing(library: Images, tmp_path: Path) -> None:
    library.ensure_embedded()
    file = saved(library, tmp_path, "busybox")
    library.remove("busybox")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(LinkspanError):
        library.load(file)
    assert kept(tmp_path) == []
    file.write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(LinkspanError):
        library.load(file)
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    "files",
    [
        {"x": "no image"},
        {"manifest.json": "{"},
        {"manifest.json": "{}"},
        {"manifest.json": '[{"Config": "../../etc/passwd", "Layers": []}]'},
        {"manifest.json": '[{"Config": "missing.json", "Layers": []}]'},
        {"manifest.json": '[{"Config": "c", "Layers": ["l"]}]', "c": "{}"},
        {
            "manifest.json": '[{"Config": "c", "Layers": ["l"]}]',
            "c": '{"rootfs": {"diff_ids": ["sha256:../../../../etc"]}}',
            "l": "x",
        },
        {"index.json": '{"manifests": [{"digest": "sha256:../../x"}]}'},
    ],
)
def test_hostile_archives_are_refused(library: Images, tmp_path: Path, files: dict[str, str]) -> None:
    file = tmp_path / "hostile.tar"
    file.write_bytes(plain_tar(**files))
    with pytest.raises(InvalidParameter):
        library.load(file)
    assert kept(tmp_path) == []


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout,
}


@pytest.mark.parametrize("packer", list(PACKERS))
def test_import_reads_every_compression(library: Images, tmp_path: Path, packer: str) -> None:
    file = tmp_path / "in"
    file.write_bytes(PACKERS[packer](plain_tar(hello="world")))
    image = library.import_archive(
        file, parse("a:1"), ['CMD ["cat"]', "EXPOSE 80"], "a message", "linux/arm64/v8"
    )
    assert (library.layers(image)[0] / "hello").read_text() == "world"
    assert image.config == {"Cmd": ["cat"], "ExposedPorts": {"80/tcp": {}}}
    assert (image.architecture, image.variant, image.comment) == ("arm64", "v8", "a message")
    assert library.history("a:1")[0].comment == "a message"
    assert image.size == 5


def test_an_interrupted_import_leaves_nothing(library: Images, tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(plain_tar(a="1"))
    gone = threading.Event()
    gone.set()
    with pytest.raises(Interrupted):
        library.import_archive(file, cancelled=gone)
    assert kept(tmp_path) == []


def test_what_is_not_a_tar_is_not_imported(library: Images, tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b"not a tar" * 200)
    with pytest.raises(InvalidParameter):
        library.import_archive(file, parse("a"))
    assert kept(tmp_path) == []


def test_commit_adds_a_layer_to_its_parents(library: Images, tmp_path: Path) -> None:
    parent = library.ensure_embedded()
    assert parent is not None
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    (upper / "etc/motd").write_text("hi")
    image = library.commit(upper, parent, {"Cmd": ["sh"]}, "me", "why", ["USER 5"], "c" * 64, parse("mine:1"))
    assert image.layers[:1] == parent.layers and len(image.layers) == 2
    assert library.layers(image)[1:] == library.layers(parent)
    assert (library.layers(image)[0] / "etc/motd").read_text() == "hi"
    assert (image.parent, image.author, image.config["User"]) == (parent.id, "me", "5")
    assert [line.comment for line in library.history("mine:1")] == ["why", "", ""]
    library.remove("busybox")
    assert (library.layers(image)[1] / "bin/busybox").exists()
    library.remove("mine:1")
    assert kept(tmp_path) == []


def test_a_held_image_keeps_its_layers_until_its_container_goes(library: Images, tmp_path: Path) -> None:
    library.ensure_embedded()
    with library.hold("busybox") as image:
        library.remove("busybox")
        (root,) = library.layers(image)
        assert root.is_dir()
    uses = [ImageUse("c" * 64, image.id, running=True)]
    library.release(uses)
    assert root.is_dir()
    library.release([])
    assert kept(tmp_path) == []


def test_what_a_killed_daemon_left_is_swept(library: Images, store: Store, tmp_path: Path) -> None:
    image = library.ensure_embedded()
    data = tmp_path / "data" / "image"
    before = kept(tmp_path)
    (data / "layers" / ".unfinished-x").mkdir()
    (data / "layers" / ("0" * 24)).mkdir()
    (data / "blobs/sha256" / ("1" * 64)).write_text("orphan")
    (data / "tmp" / "work").mkdir()
    again = Images(store, tmp_path / "data")
    assert kept(tmp_path) == before
    assert image is not None and json.loads(again.blobs.read(image.id))["os"] == "linux"
