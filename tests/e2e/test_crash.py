"""The short form of `make crash`: the daemon is killed under load, and nothing is lost or left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ORDEAL = Path(__file__).parents[2] / "scripts" / "crash"


def test_the_daemon_is_killed_a_dozen_times_under_load_and_nothing_is_lost_or_left():
    command = [sys.executable, str(ORDEAL), "--kills", "12", "--quiet"]
    ordeal = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert ordeal.returncode == 0, ordeal.stdout + ordeal.stderr
    assert "problems: 0" in ordeal.stdout
