"""A few seconds of coverage-guided fuzzing; `make fuzz` does more of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_strangers_inputs_raise_only_what_is_meant_for_them(tmp_path):
    """Each of six targets runs for two seconds, side by side; a finding is printed with its input."""
    command = [sys.executable, str(ROOT / "scripts" / "fuzz"), "--seconds", "2", "--keep", str(tmp_path)]
    here = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=here)
    assert done.returncode == 0, done.stdout
    tried = {
        name: int(count) for name, count in re.findall(r"(\w+): (\d+) inputs, nothing found", done.stdout)
    }
    assert set(tried) == {"dns", "http", "netlink", "tar", "compose", "proxy"}
    assert min(tried.values()) > 20, tried
