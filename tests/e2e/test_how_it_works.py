"""docs/how-it-works.md shows what a run gives today, in both languages."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "how_it_works.py"


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("how_it_works", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules["how_it_works"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["how_it_works"]


@pytest.fixture(scope="module")
def documents(script):
    return {path: path.read_text() for path in script.DOCUMENTS}


@pytest.fixture(scope="module")
def recording(script, documents):
    return script.record(script.steps_of(next(iter(documents.values()))))


def test_documents_and_pictures_are_up_to_date(script, documents, recording):
    assert script.differences(recording, documents) == ""


def test_what_is_out_of_date_is_told(script, documents, recording):
    korean = script.DOCUMENTS[1]
    stale = {**documents, korean: documents[korean].replace("taken by httpd in web", "lost in web", 1)}
    told = script.differences(recording, stale)
    assert "how-it-works.ko.md" in told
    assert "-✓ lost in web\n+✓ taken by httpd in web" in told
    picture = next(iter(recording.pictures))
    redrawn = recording.pictures[picture].replace("docker0", "docker9")
    others = script.Recording(recording.steps, recording.texts, {picture: redrawn})
    assert "docker9" in script.differences(others, documents)


def test_both_languages_have_the_same_marks_and_chapters(script, documents, recording):
    chapters = [re.findall(r"^## (\d+)\.", text, re.MULTILINE) for text in documents.values()]
    assert chapters[0] == chapters[1]
    lacking = documents[script.DOCUMENTS[1]].replace("<!-- run: bridge link -->", "", 1)
    with pytest.raises(ValueError, match="languages differ"):
        script.filled(lacking, recording)


def test_stand_ins_are_the_same_for_the_same(script):
    stand_ins = script.StandIns()
    network = "ab12" * 16
    assert stand_ins.replace(f"br-{network[:12]} {network}") == f"br-000000000001 000000000001{'0' * 52}"
    text = "vethab12cd3 vethffffff1 vethab12cd3 12:34:56:78:9a:bc [7 packets]"
    assert stand_ins.replace(text) == "veth0000001 veth0000002 veth0000001 02:00:00:00:00:01 [… packets]"
    assert stand_ins.replace("RX      TX\n 1.2kB   42B\n") == "RX   TX\n …    …\n"
