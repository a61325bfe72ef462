"""Many clients at once for a given time: `make soak`, or `python scripts/soak --seconds 15 --clients 12`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "crash"))  # the clients and scripts of the other ordeal

from soak import Soak

from linkspan.lab import Lab


def main() -> int:
    """Run the load; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--idle", type=int, default=1000, help="connections that never say anything")
    parser.add_argument("flags", nargs="*", help="flags for the daemon, after --")
    chosen = parser.parse_args()
    with Lab() as lab:
        lab.daemon(*chosen.flags)
        report = Soak(lab, chosen.clients, chosen.idle).run(chosen.seconds)
    print(report.text())
    for problem in report.problems:
        print(f"- {problem[:1500]}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
