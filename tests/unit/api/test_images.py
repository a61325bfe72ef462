"""Images in the API's shapes, and credentials from a header."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from linkspan.api.image_json import history_json, inspect_json, removal_json, summary_json
from linkspan.api.images import registry_credentials
from linkspan.api.versions import negotiate
from linkspan.engine.images import ImageDetails
from linkspan.model.image import HistoryLine, Image, Removal
from linkspan.runtime.images.skopeo import Credentials

IMAGE = Image("sha256:1", ("a:1",), (), "2024-01-01T00:00:00Z", size=7, config={"Labels": {"k": "v"}})


def header(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("!!", None),
        (header([]), None),
        (header({}), None),
        (header({"username": "", "password": ""}), None),
        (header({"username": "me", "password": "p?>"}), Credentials("me", "p?>")),
        (header({"username": "me", "password": "p?>"}).rstrip("="), Credentials("me", "p?>")),
        (header({"auth": "bWU6cDpx"}), Credentials("me", "p:q")),
        (header({"auth": "%%"}), None),
        (header({"identitytoken": "t"}), Credentials("", "", "t")),
    ],
)
def test_the_credentials_header(text: str | None, expected: Credentials | None) -> None:
    assert registry_credentials(text) == expected


def test_a_row_of_the_list() -> None:
    row = summary_json(IMAGE, 2, (1, 51))
    assert (row["Id"], row["RepoTags"], row["RepoDigests"]) == ("sha256:1", ["a:1"], [])
    assert (row["Created"], row["Containers"], row["Size"]) == (1704067200, 2, 7)
    assert summary_json(IMAGE, 0, (1, 51))["Containers"] == 0
    assert summary_json(IMAGE, 2, (1, 50))["Containers"] == -1
    assert "VirtualSize" not in row and summary_json(IMAGE, 0, (1, 43))["VirtualSize"] == 7


def test_older_clients_see_none_names() -> None:
    nameless = Image("sha256:1")
    assert summary_json(nameless, 0, (1, 51))["RepoTags"] == []
    row = summary_json(nameless, 0, (1, 42))
    assert (row["RepoTags"], row["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])


def test_inspect() -> None:
    found = inspect_json(ImageDetails(IMAGE, (Path("/b"), Path("/a"))), (1, 51))
    assert found["GraphDriver"] == {"Name": "overlay2", "Data": {"UpperDir": "/b", "LowerDir": "/a"}}
    assert found["Config"]["Labels"] == {"k": "v"} and found["Config"]["Cmd"] is None
    assert found["RootFS"] == {"Type": "layers", "Layers": []}
    assert "Variant" not in found
    assert inspect_json(ImageDetails(Image("i", variant="v7"), ()), (1, 51))["Variant"] == "v7"


def test_older_clients_find_the_build_container() -> None:
    found = inspect_json(ImageDetails(IMAGE, ()), (1, 44))
    assert found["Container"] == "" and found["ContainerConfig"] == found["Config"]
    assert "ContainerConfig" not in inspect_json(ImageDetails(IMAGE, ()), (1, 45))
    compose = negotiate("1.51", "docker-compose/1.29.2 docker-py/5.0.3")
    assert "ContainerConfig" in inspect_json(ImageDetails(IMAGE, ()), compose)


def test_history_and_removal_rows() -> None:
    line = HistoryLine("i", 5, "RUN", ("a:1",), 7, "c")
    assert history_json(line) == {
        "Id": "i", "Created": 5, "CreatedBy": "RUN", "Tags": ["a:1"], "Size": 7, "Comment": "c"
    }  # fmt: skip
    assert removal_json(Removal(untagged="a:1")) == {"Untagged": "a:1"}
    assert removal_json(Removal(deleted="i")) == {"Deleted": "i"}
