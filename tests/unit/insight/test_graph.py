"""The map as boxes and cables."""

from __future__ import annotations

import shutil
import subprocess

from linkspan.insight.graph import dot, graph, mermaid


def test_boxes_and_cables(seen):
    picture = graph(seen)
    kinds = [node.kind for node in picture.nodes]
    assert [kinds.count(kind) for kind in ("host", "interface", "bridge", "container")] == [1, 1, 2, 5]
    labels = {(cable.start, cable.end): cable.label for cable in picture.cables}
    assert labels["net_bbbbbbbbbbbb", "ctr_111111111111"] == "veth0000001 (5) ↔ eth0 (2)"
    assert labels["ctr_111111111111", "ctr_333333333333"] == "same namespace"
    assert labels["host", "ctr_444444444444"] == "same namespace"
    assert [cable.dashed for cable in picture.cables if cable.end == "net_cccccccccccc"] == [True]


def test_graphviz_takes_it(seen):
    seen["Containers"][0]["Name"] = 'quo"te\\'
    program = shutil.which("dot")
    assert program, "graphviz is not installed"
    done = subprocess.run(
        [program, "-Tsvg"], input=dot(graph(seen)).encode(), capture_output=True, check=True
    )
    assert b"veth0000001 (5)" in done.stdout


def test_mermaid(seen):
    text = mermaid(graph(seen))
    assert text.startswith("graph LR\n")
    assert '  net_bbbbbbbbbbbb ---|"veth0000001 (5) ↔ eth0 (2)"| ctr_111111111111' in text
    assert '  host -.-|"cut off"| net_cccccccccccc' in text
