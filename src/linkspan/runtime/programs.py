"""Which programs run containers on this machine: conmon, crun or runc, an init."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from linkspan.model.errors import LinkspanError

_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Statically linked ones first: they must run in any image.
_INITS = ("docker-init", "tini-static", "catatonit", "tini")


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the container monitor and of the OCI runtime; `is_crun` tells the two runtimes apart."""

    conmon: str
    runtime: str

    @property
    def is_crun(self) -> bool:
        """Say whether the runtime is crun."""
        return Path(self.runtime).name == "crun"


def find(search: str = _SEARCH) -> Programs:
    """Find conmon, and crun or else runc; raises LinkspanError naming the missing Debian package."""
    conmon = shutil.which("conmon", path=search)
    if conmon is None:
        raise LinkspanError("conmon is not installed: install the Debian package 'conmon'")
    runtime = shutil.which("crun", path=search) or shutil.which("runc", path=search)
    if runtime is None:
        raise LinkspanError("no OCI runtime is installed: install the Debian package 'crun' (or 'runc')")
    return Programs(conmon, runtime)


def find_init(search: str = _SEARCH) -> str:
    """Find an init program for `--init`; raises LinkspanError naming the Debian package."""
    for name in _INITS:
        if found := shutil.which(name, path=search):
            return found
    raise LinkspanError("no init program is installed: install the Debian package 'catatonit' (or 'tini')")
