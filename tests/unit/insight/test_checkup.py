"""What the doctor says, and how many things are left to put right."""

from __future__ import annotations

from linkspan.insight.checkup import Check, Finding, document, report, wrong

WELL = Check("store", "Can the state be read and written?")
ILL = Check(
    "network",
    "Is the host as the records say?",
    (
        Finding("link veth1234567 belongs to nothing", repaired=True),
        Finding("host socket 0.0.0.0:80/tcp of web is missing", "stop it", failure="address already in use"),
    ),
)


def test_a_healthy_host_is_one_line_for_each_check():
    found = document([WELL])
    assert report(found, repaired=False) == "ok     Can the state be read and written?"
    assert wrong(found) == 0


def test_findings_are_told_with_what_became_of_them():
    found = document([WELL, ILL])
    assert report(found, repaired=True).splitlines() == [
        "ok     Can the state be read and written?",
        "WRONG  Is the host as the records say?",
        "       - repaired: link veth1234567 belongs to nothing",
        "       - host socket 0.0.0.0:80/tcp of web is missing",
        "         not repaired: address already in use",
        "         remedy: stop it",
        "",
        "1 still wrong.",
    ]
    assert wrong(found) == 1


def test_without_repair_the_way_to_it_is_named():
    found = document([Check("network", "?", (Finding("link br-1 is missing"),))])
    assert report(found, repaired=False).endswith(
        "1 wrong. To put right what can be: linkspan doctor --repair"
    )


def test_hints_are_told_and_do_not_count():
    found = document([Check("surroundings", "?", (Finding("nobody listens", "listen", hint=True),))])
    assert report(found, repaired=False).splitlines()[:2] == ["ok     ?", "       - hint: nobody listens"]
    assert wrong(found) == 0
