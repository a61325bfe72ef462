"""The short form of `make soak`: many clients at once, beside slow and dead ones, and nothing is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "scripts" / "soak"


def test_many_clients_at_once_get_right_answers_beside_slow_ones_and_leave_nothing():
    command = [sys.executable, str(SOAK), "--seconds", "8", "--clients", "16", "--idle", "1000"]
    soak = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert "problems: 0" in soak.stdout
