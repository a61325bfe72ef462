"""Pull and push against a real registry in a throwaway network namespace."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from linkspan.model.errors import LinkspanError, NotFound, Unauthorized
from linkspan.model.reference import parse
from linkspan.runtime.images.blobs import digest_of
from linkspan.runtime.images.library import Images
from linkspan.runtime.images.remote import RemoteImage, describe
from linkspan.runtime.images.skopeo import Credentials
from linkspan.store.database import Store

T = TypeVar("T")
OPEN, CLOSED = "127.0.0.1:5000", "127.0.0.1:5001"
PASSWORDS = "me:$2b$04$/biMO0u0w2Ex8sBkWqG5Yu1htUf9Qz482q.APNttro9RuclKY1g2.\n"


def start_registry(place: Any, address: str, directory: Path, *auth: str) -> subprocess.Popen[bytes]:
    directory.mkdir()
    lines = ["version: 0.1", "storage:", f"  filesystem: {{rootdirectory: {directory}/data}}"]
    lines += ["http:", f"  addr: {address}", *auth]
    (directory / "config.yml").write_text("\n".join(lines) + "\n")
    command = ["docker-registry", "serve", str(directory / "config.yml")]
    with (directory / "log").open("wb") as log:
        process: subprocess.Popen[bytes] = place.call(subprocess.Popen, command, stdout=log, stderr=log)
    host, _, port = address.partition(":")
    for _ in range(200):
        with place.open() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return process
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError((directory / "log").read_text())


@pytest.fixture
def registries(namespace: Any, tmp_path: Path) -> Iterator[None]:
    """An open registry and one that wants a password."""
    (tmp_path / "passwords").write_text(PASSWORDS)
    auth = ["auth:", f"  htpasswd: {{realm: test, path: {tmp_path}/passwords}}"]
    processes = [start_registry(namespace, OPEN, tmp_path / "open")]
    try:
        processes.append(start_registry(namespace, CLOSED, tmp_path / "closed", *auth))
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Client:
    """A library whose registry traffic stays in the namespace."""

    def __init__(self, place: Any, directory: Path) -> None:
        self.place = place
        self.directory = directory
        self.store = Store(directory / "state.db")
        self.library = Images(self.store, directory / "data")
        self.messages: list[dict[str, Any]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return cast(T, self.place.call(asyncio.run, work))

    def pull(self, name: str, credentials: Credentials | None = None, platform: str = "") -> Any:
        self.messages.clear()
        return self.run(self.library.pull(parse(name), credentials, self._report, platform))

    def describe(self, name: str) -> RemoteImage:
        library = self.library
        return self.run(describe(library.blobs, library.registries, parse(name), None))

    def push(self, name: str, credentials: Credentials | None = None) -> None:
        self.messages.clear()
        self.run(self.library.push(parse(name), credentials, self._report))

    def _report(self, message: Any) -> None:
        self.messages.append(dict(message))

    def said(self) -> list[str]:
        return [message.get("status", "") for message in self.messages]

    def unfinished(self) -> list[Path]:
        return list((self.directory / "data/image/tmp").iterdir())


@pytest.fixture
def client(namespace: Any, registries: None, tmp_path: Path) -> Iterator[Client]:
    found = Client(namespace, tmp_path)
    yield found
    assert found.unfinished() == []
    found.store.close()


@pytest.fixture
def name(client: Client, request: pytest.FixtureRequest) -> str:
    """busybox pushed under a name of the test's own, and gone from the library."""
    found = f"{OPEN}/{request.node.name.lower()[:40].strip('_')}:1"
    client.library.ensure_embedded()
    client.library.tag("busybox", found, "")
    client.push(found)
    client.library.remove(client.library.find("busybox").id, force=True)
    assert client.library.list() == []
    return found


def test_what_was_pushed_is_pulled_byte_for_byte(client: Client, name: str) -> None:
    pushed = next(m["aux"] for m in client.messages if "aux" in m)
    image = client.pull(name)
    assert image.tags == (name,)
    assert image.digests == (f"{name.rpartition(':')[0]}@{pushed['Digest']}",)
    assert (client.library.layers(image)[0] / "bin/busybox").exists()
    said = client.said()
    assert said[0] == f"Pulling from {parse(name).path}" and client.messages[0]["id"] == "1"
    steps = ["Pulling fs layer", "Download complete", "Extracting", "Pull complete"]
    assert [step for step in steps if step in said] == steps
    assert said[-2:] == [f"Digest: {pushed['Digest']}", f"Status: Downloaded newer image for {name}"]


def test_the_id_survives_push_and_pull(client: Client) -> None:
    image = client.library.ensure_embedded()
    assert image is not None
    name = "localhost:5000/round/trip:1"
    client.library.tag("busybox", name, "")
    client.push(name)
    client.library.remove(image.id, force=True)
    assert client.pull(name).id == image.id


def test_a_second_pull_finds_the_image_up_to_date(client: Client, name: str) -> None:
    client.pull(name)
    client.pull(name)
    assert client.said()[-1] == f"Status: Image is up to date for {name}"
    assert "Extracting" not in client.said()


def test_a_pull_by_digest(client: Client, name: str) -> None:
    digest = client.pull(name).digests[0]
    client.library.remove(name)
    image = client.pull(digest)
    assert (image.tags, image.digests) == ((), (digest,))
    assert client.library.find(digest).id == image.id


def test_layers_that_are_here_are_not_fetched_again(client: Client, name: str, tmp_path: Path) -> None:
    base = client.pull(name)
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/new").write_text("new")
    second = name.removesuffix(":1") + ":2"
    made = client.library.commit(tmp_path / "upper", base, {}, reference=parse(second))
    client.push(second)
    client.library.remove(second)
    assert client.pull(second).id == made.id
    assert client.said().count("Already exists") == 1
    assert client.said().count("Pull complete") == 1


def test_the_platform_of_a_manifest_list_is_chosen(client: Client, name: str) -> None:
    image = client.pull(name)
    repository = name.removesuffix(":1")
    manifest = client.library.blobs.read(client.library.index.record(image.id).manifest)
    entry = {
        "mediaType": json.loads(manifest)["mediaType"],
        "digest": image.digests[0].partition("@")[2],
        "size": len(manifest),
    }
    ours = {**entry, "platform": {"os": "linux", "architecture": image.architecture}}
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [ours]}).encode()
    put_manifest(client.place, repository.removeprefix(f"{OPEN}/"), "list", content)
    client.library.remove(name)
    found = client.pull(f"{repository}:list")
    assert found.id == image.id and found.digests != image.digests
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list entries"):
        client.pull(f"{repository}:list", platform="linux/s390x")
    described = client.describe(f"{repository}:list")
    assert (described.media_type, described.digest) == (INDEX, digest_of(content))
    assert described.platforms == (ours["platform"],)


def test_what_a_registry_has_is_told_without_pulling(client: Client, name: str) -> None:
    pushed = next(m["aux"] for m in client.messages if "aux" in m)
    found = client.describe(name)
    assert found.digest == pushed["Digest"]
    assert found.size > 300
    assert "manifest" in found.media_type
    assert [platform["os"] for platform in found.platforms] == ["linux"]
    assert client.library.list() == []
    with pytest.raises(NotFound, match=r"manifest for .* not found"):
        client.describe(f"{OPEN}/nothing:here")


INDEX = "application/vnd.oci.image.index.v1+json"


def put_manifest(place: Any, repository: str, tag: str, content: bytes) -> None:
    url = f"http://{OPEN}/v2/{repository}/manifests/{tag}"
    command = ["curl", "-sf", "-X", "PUT", "-H", f"Content-Type: {INDEX}", "--data-binary", "@-", url]
    place.call(subprocess.run, command, input=content, check=True)


@pytest.mark.parametrize("missing", ["nothing:here", "registry-without"])
def test_an_unknown_image(client: Client, missing: str) -> None:
    name = parse(f"{OPEN}/{missing}").with_default_tag().familiar
    with pytest.raises(NotFound) as caught:
        client.pull(f"{OPEN}/{missing}")
    assert str(caught.value) == f"manifest for {name} not found: manifest unknown: manifest unknown"
    assert client.messages == []


def test_a_registry_that_is_not_there(client: Client) -> None:
    with pytest.raises(LinkspanError, match=r'Get "https?://127.0.0.1:9/v2/": .*connection refused'):
        client.pull("127.0.0.1:9/x")


def test_credentials_are_needed_and_used(client: Client) -> None:
    client.library.ensure_embedded()
    name, right = f"{CLOSED}/private:1", Credentials("me", "secret")
    client.library.tag("busybox", name, "")
    for credentials in (None, Credentials("me", "wrong")):
        with pytest.raises(Unauthorized, match="unauthorized: authentication required"):
            client.push(name, credentials)
    client.push(name, right)
    client.library.remove(client.library.find("busybox").id, force=True)
    with pytest.raises(Unauthorized):
        client.pull(name)
    assert client.pull(name, right).tags == (name,)


def test_a_name_that_is_not_here_is_not_pushed(client: Client) -> None:
    with pytest.raises(LinkspanError, match=f"An image does not exist locally with the tag: {OPEN}/x"):
        client.push(f"{OPEN}/x:1")


def test_a_pull_whose_client_goes_away_leaves_nothing(client: Client, name: str) -> None:
    async def interrupted() -> None:
        for delay in (0.0, 0.05, 0.2, 0.3, 0.4):
            task = asyncio.ensure_future(client.library.pull(parse(name), None, client._report))
            await asyncio.sleep(delay)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            image = client.directory / "data/image"
            left = [*(image / "layers").iterdir(), *(image / "tmp").iterdir()]
            assert left == [] or client.library.list()
            assert not children_named("skopeo")

    client.run(interrupted())


def children_named(name: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            command, rest = entry.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if command == name and int(rest.split()[1]) == os.getpid():
            found.append(entry.parent.name)
    return found
