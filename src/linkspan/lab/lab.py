"""The lab: a host with the engine, a LAN client and an internet, in namespaces nothing else can reach."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from linkspan.lab import topology
from linkspan.lab.cgroups import LabCgroups
from linkspan.lab.daemon import DaemonProcess
from linkspan.lab.place import Place, execute
from linkspan.lab.result import LabError, Result
from linkspan.lab.snapshot import Snapshot, script


class Lab:
    """A throwaway host.

        with Lab() as lab:
            lab.daemon()
            lab.docker("run", "-d", "-p", "8080:80", "busybox", "httpd", "-f")
            print(lab.run("lan", "curl", "-s", "http://10.0.0.5:8080/").out)

    Three places, each with network, mount and process namespaces of its own: "host" (eth0 10.0.0.5 on the
    LAN, eth1 100.64.0.2 to the internet, a private /sys, /run and /etc/resolv.conf), "lan" (10.0.0.9) and
    "internet" (198.51.100.1 and the resolver's address 198.51.100.53, behind the host's default route; it
    knows no way back to container addresses). No link leads to the machine below. Everything ends with the
    lab, also when this process is killed.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """`directory` (default: a new one below the temporary directory) is removed at the end."""
        self._given = directory
        self._cleanup = ExitStack()
        self._places: dict[str, Place] = {}
        self._daemon: DaemonProcess | None = None
        self._background: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes, drop the namespaces, remove cgroups and files. Calling it twice is fine."""
        self._cleanup.close()

    # --- construction ------------------------------------------------------------------------------------

    def _build(self) -> None:
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces, and that needs root")
        self.directory = self._given or Path(tempfile.mkdtemp(prefix=f"linkspan-lab-{os.getpid()}-"))
        self.directory.mkdir(exist_ok=True)
        self._cleanup.callback(self._remove_directory)
        self.data_root = self.directory / "data"
        self.exec_root = self.directory / "exec"
        self.socket = self.directory / "linkspan.sock"
        self._log = self.directory / "daemon.log"
        link_plugins(self.directory / "docker-config")
        self._cgroups = LabCgroups(self.directory.name)
        self._cleanup.callback(self._cgroups.remove)
        self._cgroups.create()
        self._cleanup.callback(self._await_background)
        self._add_place(
            Place(topology.HOST, prepare=self._prepare_host(), join=self._cgroups.join_script(), cgroup=True)
        )
        for name in (topology.LAN, topology.INTERNET):
            self._add_place(Place(name, prepare=f"{PRIVATE_SYS}\n{topology.SYSCTLS}"))
        self._wire()

    def _add_place(self, place: Place) -> None:
        self._places[place.name] = place
        self._cleanup.callback(place.close)

    def _prepare_host(self) -> str:
        resolv = self.directory / "resolv.conf"
        resolv.write_text(f"nameserver {topology.RESOLVER_ADDRESS}\n")
        target = Path("/etc/resolv.conf").resolve()
        return "\n".join(
            [
                PRIVATE_SYS,
                self._cgroups.mount_script(),
                FOREIGN_MOUNTS,
                "mount -t tmpfs -o mode=755 tmpfs /run",
                f"mkdir -p {target.parent}",
                f"[ -e {target} ] || touch {target}",
                f"mount --bind {resolv} {target}",
                topology.SYSCTLS,
            ]
        )

    def _wire(self) -> None:
        """Plug the cables in (`ip` stays in our process namespace, to name the other end); give addresses."""
        host = self._places[topology.HOST]
        for cable in topology.CABLES:
            peer = self._places[cable.place].pid
            argv = (
                f"ip link add {cable.host_link} type veth peer name {cable.place_link} netns {peer}".split()
            )
            execute(["nsenter", f"--net={host.namespace()}", *argv], argv).checked()
        for name, batch in topology.ADDRESSES.items():
            self._places[name].run(["ip", "-batch", "-"], input=batch).checked()

    def _remove_directory(self) -> None:
        shutil.rmtree(self.directory)

    def _await_background(self) -> None:
        """Reap what was started in the places, which have just ended.

        The nsenter outside must live until then: a zombie that nobody reaps keeps its namespaces.
        """
        for process in self._background:
            process.wait(10)
        if self._daemon is not None:
            self._daemon.wait()

    # --- commands ----------------------------------------------------------------------------------------

    @property
    def docker_host(self) -> str:
        """The value for DOCKER_HOST that reaches the lab's daemon, also from outside the lab."""
        return f"unix://{self.socket}"

    def place(self, name: str) -> Place:
        """The place called "host", "lan" or "internet"."""
        return self._places[name]

    def run(
        self,
        where: str,
        *argv: str,
        check: bool = True,
        input: str | None = None,
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command in a place to its end.

        With `check`, an exit code that is not 0 raises LabError with what it printed; `timeout` in seconds.
        """
        result = self._places[where].run(argv, input=input, timeout=timeout, env=env)
        return result.checked() if check else result

    def start(self, where: str, *argv: str) -> subprocess.Popen[bytes]:
        """Start a command in a place and leave it running, without output; it is ended with the lab."""
        process = subprocess.Popen(
            self._places[where].command(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._background.append(process)
        return process

    def docker(
        self, *arguments: str, check: bool = True, input: str | None = None, timeout: float = 60
    ) -> Result:
        """Run the docker command against the lab's daemon, with a configuration directory of its own."""
        argv = ["docker", *arguments]
        command = [docker_command(), *arguments]
        result = execute(command, argv, input=input, timeout=timeout, env=self.client_env)
        return result.checked() if check else result

    def linkspan(
        self, *arguments: str, check: bool = True, input: str | None = None, timeout: float = 60
    ) -> Result:
        """Run our own command against the lab's daemon."""
        argv = ["linkspan", *arguments]
        command = [installed("linkspan"), *arguments]
        result = execute(command, argv, input=input, timeout=timeout, env=self.client_env)
        return result.checked() if check else result

    @property
    def client_env(self) -> dict[str, str]:
        """The variables that point a client at this lab."""
        return {"DOCKER_HOST": self.docker_host, "DOCKER_CONFIG": str(self.directory / "docker-config")}

    def serve_http(self, where: str, port: int, page: str, address: str = "") -> subprocess.Popen[bytes]:
        """Serve one page by HTTP from a place until the lab ends (busybox httpd)."""
        root = self.directory / f"www-{where}-{port}"
        root.mkdir(exist_ok=True)
        (root / "index.html").write_text(page)
        return self.start(
            where, "busybox", "httpd", "-f", "-p", f"{address}:{port}".lstrip(":"), "-h", str(root)
        )

    # --- the daemon --------------------------------------------------------------------------------------

    def daemon(self, *flags: str, env: Mapping[str, str] | None = None) -> DaemonProcess:
        """Start linkspand in the host, with these flags besides its directories, and wait until it answers.

        LabError with the end of its log when it exits or does not answer within 30 s.
        """
        if self._daemon is not None and self._daemon.running:
            raise LabError("the lab's daemon is running already")
        argv = [*self.daemon_command, *flags]
        self._daemon = DaemonProcess(
            self._places[topology.HOST],
            argv,
            self.socket,
            self._log,
            join=self.cgroup_script,
            env=env,
        )
        return self._daemon

    @property
    def daemon_command(self) -> list[str]:
        """The command that starts the daemon in this lab's directories."""
        return [
            installed("linkspand"),
            f"--host={self.docker_host}",
            f"--data-root={self.data_root}",
            f"--exec-root={self.exec_root}",
            f"--pidfile={self.directory / 'linkspan.pid'}",
        ]

    def adopt(self, daemon: DaemonProcess) -> None:
        """Take another daemon than ours (a peer to compare with) as the lab's."""
        self._daemon = daemon

    @property
    def cgroup_script(self) -> str:
        """Shell lines that a daemon must be started after, so that its cgroups are the lab's."""
        return self._cgroups.join_script()

    def stop_daemon(self) -> int:
        """End the daemon as an administrator does (SIGTERM) and return its exit code."""
        if self._daemon is None:
            raise LabError("the lab has no daemon")
        return self._daemon.stop()

    def kill_daemon(self) -> None:
        """End the daemon as a crash does (SIGKILL)."""
        if self._daemon is None:
            raise LabError("the lab has no daemon")
        self._daemon.kill()

    def daemon_log(self, lines: int = 60) -> str:
        """The last lines of the daemon's log."""
        return self._daemon.tail(lines) if self._daemon else ""

    # --- what there is -----------------------------------------------------------------------------------

    def snapshot(self, where: str = topology.HOST) -> Snapshot:
        """Links, addresses, routes, rules, sockets, mounts, processes, cgroups and files, now."""
        directories = [str(self.exec_root)]
        directories += [str(self.data_root / name) for name in ("containers", "overlay", "volumes")]
        return Snapshot.parse(self.run(where, "bash", "-s", input=script(directories)).out)


PRIVATE_SYS = "umount -l -R /sys\nmount -t sysfs sysfs /sys"
#: namespaces of others, mounted below /run, would vanish from the lab's mounts when they end
FOREIGN_MOUNTS = "awk '$5 ~ \"^/run/\" {print $5}' /proc/self/mountinfo | sort -r | xargs -r umount -l"


def installed(program: str) -> str:
    """A program of this Python environment, else of PATH."""
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.exists() else shutil.which(program)
    if found is None:
        raise LabError(f"{program} is not installed: run `make setup`")
    return found


def link_plugins(configuration: Path) -> None:
    """Let the docker command find the plugins (`docker compose`) that `make setup` has put into .venv."""
    plugins = Path(sys.prefix) / "lib" / "docker" / "cli-plugins"
    configuration.mkdir(exist_ok=True)
    if plugins.is_dir():
        (configuration / "cli-plugins").symlink_to(plugins)


def docker_command() -> str:
    """The docker command of PATH, else the one that `make setup` has put into .venv."""
    return shutil.which("docker") or installed("docker")
