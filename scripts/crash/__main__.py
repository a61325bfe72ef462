"""Kill the daemon again and again under load: `make crash`, or `python scripts/crash --kills 12`."""

from __future__ import annotations

import argparse
import random
import sys

from ordeal import Ordeal

from linkspan.lab import Lab


def main() -> int:
    """Run the ordeal; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--quiet", action="store_true", help="print the figures and the problems only")
    parser.add_argument("flags", nargs="*", help="flags for the daemon, after --")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with Lab() as lab:
        report = Ordeal(lab, chosen.seed, tuple(chosen.flags), not chosen.quiet).run(chosen.kills)
    print(report.text())
    for problem in report.problems:
        print(f"- {problem[:1500]}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
