"""Targets are told as met or missed from the figures in the document alone; plots are valid SVG."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
import report

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("sense", "figure", "met"),
    [("at most", 3, True), ("at most", 3.1, False), ("at least", 3, True), ("at least", 2.9, False)],
)
def test_a_target_is_met_up_to_its_limit(sense, figure, met):
    assert report.Target("connect, ms", figure, sense, 3).met == met


def test_targets_survive_the_document():
    wanted = [
        report.Target("`docker run -d -p 8080:80`, of dockerd's time", 0.2125, "at most", 0.25),
        report.Target("connections/s, of an empty host's", 1.02, "at least", 0.9),
    ]
    document = "# Benchmarks\n" + "\n\ntext\n".join(each.comment() for each in wanted)
    assert report.targets(document) == wanted


def test_the_table_tells_what_is_missed_first():
    table = report.targets_table(
        [report.Target("a", 1, "at most", 2), report.Target("b", 0.5, "at least", 0.9)]
    )
    assert table.splitlines()[4:] == [
        "| b | 0.5 | at least 0.9 | **missed** |",
        "| a | 1 | at most 2 | met |",
        "",
        "1 of 2 targets are met.",
    ]


def test_a_plot_has_a_line_for_each_series_within_its_frame():
    drawing = ET.fromstring(report.plot("t", "ports", "ms", {"a": [(0, 1), (10, 4)], "b": [(5, 2)]}))
    lines = drawing.findall(f"{SVG}polyline")
    assert [line.get("points") for line in lines] == ["56.0,212.0 584.0,56.0", "320.0,160.0"]
    names = [text.text for text in drawing.findall(f"{SVG}text")]
    assert names[-2:] == ["a", "b"]


def test_a_plot_of_nothing_but_zeros_is_drawn():
    assert "56.0,264.0" in report.plot("t", "x", "y", {"a": [(0, 0)]})


def test_curves_are_read_from_the_rows_of_their_section():
    document = "| 5 ports | x | 9.0 |\n<!-- part: rate -->\n| 1,000 ports | nftables | 80.5 | 1 |\n"
    document += "| 0 ports | nftables | 81.0 | 1 |\n<!-- end: rate -->"
    pattern = r"\| (?P<count>[\d,]+) ports \| (?P<series>\S+) \| (?P<median>[\d.]+) "
    assert report.curves(document, "rate", pattern) == {"nftables": [(0, 81.0), (1000, 80.5)]}
    assert report.curves(document, "ports", pattern) == {}
