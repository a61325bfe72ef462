"""The limit of open descriptors, raised as far as this process may."""

from __future__ import annotations

import resource

WANTED = 1 << 20  # the kernel's default fs.nr_open


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it can get; returns that number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (WANTED, hard):
        if wanted > soft and _allowed(wanted, max(wanted, hard)):
            return wanted
    return soft


def _allowed(soft: int, hard: int) -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, OSError):  # more than the hard limit takes CAP_SYS_RESOURCE
        return False
    return True
