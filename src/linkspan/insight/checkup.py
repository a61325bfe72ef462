"""What `linkspan doctor` says: a list of checks, each with what it found; values and wording, no looking.

A check is one entry of CHECKS in `linkspan.api.doctor`: its name, its question, and a function that returns
findings. To add one, write the function and its entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: what, and what to do about it ("": nothing but --repair).

    `repaired`: it was, and has been put right just now. `failure` says why that could not be done. A `hint`
    may be meant so: it is told, and does not count as wrong.
    """

    text: str
    remedy: str = ""
    repaired: bool = False
    failure: str = ""
    hint: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the host, and what is wrong about it; no findings means that all is well."""

    name: str
    question: str
    findings: tuple[Finding, ...] = ()


def document(checks: Iterable[Check]) -> Document:
    """Return the answer of the API."""
    return {
        "Checks": [
            {
                "Name": check.name,
                "Question": check.question,
                "Findings": [
                    {
                        "Text": finding.text,
                        "Remedy": finding.remedy,
                        "Repaired": finding.repaired,
                        "Failure": finding.failure,
                        "Hint": finding.hint,
                    }
                    for finding in check.findings
                ],
            }
            for check in checks
        ]
    }


def report(found: Mapping[str, Sequence[Mapping[str, object]]], repaired: bool) -> str:
    """Return the text for a person; `found` is the API's answer, `repaired` whether repair was asked for."""
    lines = []
    for check in found["Checks"]:
        findings = check["Findings"]
        assert isinstance(findings, list)
        bad = any(not finding["Hint"] for finding in findings)
        lines.append(f"{'WRONG' if bad else 'ok   '}  {check['Question']}")
        lines += [line for finding in findings for line in _lines(finding)]
    left = wrong(found)
    if left and not repaired:
        lines += ["", f"{left} wrong. To put right what can be: linkspan doctor --repair"]
    elif left:
        lines += ["", f"{left} still wrong."]
    return "\n".join(lines)


def wrong(found: Mapping[str, Sequence[Mapping[str, object]]]) -> int:
    """Return how many findings of the API's answer are not put right."""
    total = 0
    for check in found["Checks"]:
        findings = check["Findings"]
        assert isinstance(findings, list)
        total += sum(not (finding["Repaired"] or finding["Hint"]) for finding in findings)
    return total


def _lines(finding: Mapping[str, object]) -> list[str]:
    state = "repaired: " if finding["Repaired"] else "hint: " if finding["Hint"] else ""
    lines = [f"       - {state}{finding['Text']}"]
    if finding["Failure"]:
        lines.append(f"         not repaired: {finding['Failure']}")
    if finding["Remedy"]:
        lines.append(f"         remedy: {finding['Remedy']}")
    return lines
