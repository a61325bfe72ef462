"""Debian's dockerd in a throwaway host of its own, to be measured against; nothing of it is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from linkspan.lab import Lab, LabError
from linkspan.lab.daemon import DaemonProcess

PACKAGES = ("docker.io", "containerd", "tini", "runc")
#: Unpacked packages: outside the sources, kept between runs.
UNPACKED = Path(__file__).parents[1] / "build" / "docker-peer"


def unpacked() -> Path:
    """The directory of the unpacked packages, fetched with apt on the first call, or LabError."""
    if (UNPACKED / "usr/sbin/dockerd").exists():
        return UNPACKED
    UNPACKED.mkdir(parents=True, exist_ok=True)
    steps = [
        ["apt-get", "update", "-qq"],
        ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *PACKAGES],
        ["sh", "-c", "for each in *.deb; do dpkg-deb -x $each . && rm $each; done"],
    ]
    for step in steps:
        done = subprocess.run(step, cwd=UNPACKED, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"{' '.join(step)}: {done.stderr}")
    return UNPACKED


class DockerPeer:
    """A lab whose daemon is dockerd; used as `with DockerPeer() as lab:`."""

    def __enter__(self) -> Self:
        root = unpacked()
        self.lab = Lab().__enter__()
        try:
            self._start(root)
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.lab.close()

    def _start(self, root: Path) -> None:
        lab = self.lab
        path = f"{root}/usr/sbin:{root}/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        argv = [
            f"{root}/usr/sbin/dockerd",
            f"--host={lab.docker_host}",
            f"--data-root={lab.data_root}",
            f"--exec-root={lab.exec_root}",
            f"--pidfile={lab.directory / 'docker.pid'}",
            "--storage-driver=overlay2",
            "--exec-opt=native.cgroupdriver=cgroupfs",
        ]
        lab.adopt(
            DaemonProcess(
                lab.place("host"),
                argv,
                lab.socket,
                lab.directory / "daemon.log",
                join=lab.cgroup_script,
                env={"PATH": path},
            )
        )
