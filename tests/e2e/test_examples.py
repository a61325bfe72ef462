"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_web_and_db(stage):
    before = stage.snapshot()
    done = subprocess.run(
        [sys.executable, EXAMPLES / "web_and_db.py", stage.lab.socket],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "db asks web: hello (exit code 0)" in done.stdout
    stage.unchanged_since(before)


def test_compose(stage):
    """Debian's docker-compose (1.29) speaks the old way: one endpoint at create, the others by connect."""
    before = stage.snapshot()
    environment = {**os.environ, **stage.lab.client_env, "COMPOSE_PROJECT_NAME": "example"}
    compose = ["/usr/bin/docker-compose", "-f", str(EXAMPLES / "compose.yaml")]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*compose, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    run("up", "-d")
    assert stage.get("lan", "http://10.0.0.5:8080/") == "hello from compose"
    assert "example_db_1" in run("ps")
    run("down")
    stage.unchanged_since(before)
