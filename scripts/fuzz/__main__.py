"""Coverage-guided fuzzing of what strangers write: `python scripts/fuzz [TARGET ...] --seconds N`.

Each target is one process of atheris (libFuzzer) for N seconds; the code under test is instrumented when it
is imported. An input that raises anything but the errors meant for it is printed, kept, and exit code 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TARGETS = ("dns", "http", "netlink", "tar", "compose", "proxy")


def command(target: str, seconds: int, directory: Path) -> list[str]:
    """Return the command that fuzzes one target; what it finds is kept in `directory`."""
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    options = (f"-max_total_time={seconds}", f"-artifact_prefix={directory}/", "-rss_limit_mb=2048")
    quiet = ("-timeout=10", "-print_final_stats=1", "-max_len=4096")
    return [sys.executable, str(HERE / "targets.py"), target, str(corpus), *options, *quiet]


def main() -> int:
    """Fuzz all targets side by side, and say what each has done."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="directory for corpora and findings")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    keep = given.keep or Path(tempfile.mkdtemp(prefix="linkspan-fuzz-"))
    running = {
        target: subprocess.Popen(
            command(target, given.seconds, keep / target),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for target in given.targets or TARGETS
    }
    failed = []
    for target, process in running.items():
        printed, _ = process.communicate()
        units = [line.split()[-1] for line in printed.splitlines() if "number_of_executed_units" in line]
        verdict = "FOUND" if process.returncode else "nothing found"
        print(f"{target}: {units[0] if units else 'no'} inputs, {verdict}")
        if process.returncode:
            failed.append(target)
            print(printed[-4000:], f"kept in {keep / target}", sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
