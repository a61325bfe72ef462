"""What other programs print of the host or of a namespace: ip, nft, iptables-save, ss."""

from __future__ import annotations

import subprocess

from linkspan.model.errors import LinkspanError

PATIENCE = 30
"""Seconds for one program."""


def printed(*argv: str, place: str = "") -> str:
    """Return what a program prints in the namespace at `place` ("": this one); raises LinkspanError."""
    inside = ["nsenter", f"--net={place}", "--"] if place else []
    try:
        done = subprocess.run([*inside, *argv], capture_output=True, text=True, check=False, timeout=PATIENCE)
    except FileNotFoundError as error:
        raise LinkspanError(f"the program {error.filename} is needed for this: install it") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LinkspanError(f"{' '.join(argv)}: {error}") from error
    if done.returncode:
        raise LinkspanError(f"{' '.join(argv)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
