"""The composition root: builds every part of the daemon, runs it until a signal, and does nothing else."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from linkspan.api.app import application
from linkspan.api.metrics import MetricsDoor
from linkspan.api.server import Server
from linkspan.engine.engine import Engine
from linkspan.engine.events import Events
from linkspan.engine.house import House
from linkspan.engine.naming import Naming
from linkspan.engine.registry import Registry
from linkspan.engine.settings import DaemonSettings
from linkspan.engine.workers import Workers
from linkspan.firewall.backend import Firewall
from linkspan.firewall.choice import choose
from linkspan.firewall.none import NoFirewall
from linkspan.kernel.host import HostKernel
from linkspan.model.errors import Conflict, Forbidden, LinkspanError
from linkspan.network.controller import Controller
from linkspan.path.dns.memory import PortMemory
from linkspan.path.dns.resolver import Resolver
from linkspan.path.dns.zone import Zone
from linkspan.path.proxy.client import ProxyClient
from linkspan.runtime.images.library import Images
from linkspan.runtime.rootfs import Overlay
from linkspan.runtime.runtime import Runtime
from linkspan.runtime.volumes import Volumes
from linkspan.store.database import Store

log = logging.getLogger("linkspan")

NAME = "linkspand"

Reread = Callable[[], DaemonSettings]
PATIENCE = 3  # signals that ask for an end, before it is made without more ado
LEVELS = {"panic": 50, "fatal": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 10}


def run(settings: DaemonSettings, reread: Reread) -> int:
    """Run the daemon until SIGINT or SIGTERM; returns its exit status. Failing to start is one clear line.

    `reread` reads flags and file again (SIGHUP); it raises LinkspanError for what is wrong in them.
    """
    _log_to_stderr(settings)
    _take_name()
    os.environ.update(settings.proxies)
    try:
        _require_root()
        with _sole_user_of(settings.data_root, settings.exec_root), _pidfile(settings):
            uvloop.run(_serve(settings, reread))
    except (LinkspanError, OSError) as error:
        print(f"linkspand: {error}", file=sys.stderr)
        return 1
    return 0


def _log_to_stderr(settings: DaemonSettings) -> None:
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    _set_level(settings)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _set_level(settings: DaemonSettings) -> None:
    logging.getLogger().setLevel("DEBUG" if settings.debug else LEVELS[settings.log_level])


def _take_name() -> None:
    """Be called linkspand in `ps` and `top`, not python."""
    Path("/proc/self/comm").write_text(NAME)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise Forbidden(
            "the daemon needs root, to make network namespaces and firewall rules: "
            "start it with sudo, or as root"
        )


@contextmanager
def _sole_user_of(*roots: Path) -> Iterator[None]:
    with ExitStack() as held:
        for root in dict.fromkeys(roots):
            root.mkdir(parents=True, exist_ok=True, mode=0o711)
            lock = held.enter_context((root / "daemon.lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"another daemon uses {root}: stop it first, or choose other --data-root and --exec-root"
                ) from None
        yield


@contextmanager
def _pidfile(settings: DaemonSettings) -> Iterator[None]:
    path = settings.pidfile or settings.exec_root / "linkspan.pid"
    path.parent.mkdir(parents=True, exist_ok=True)
    if (other := _alive(path)) is not None:
        raise Conflict(
            f"failed to start daemon, ensure linkspand is not running or delete {path}:"
            f" process with PID {other} is still running"
        )
    path.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _alive(pidfile: Path) -> int | None:
    """Return the process that a pidfile names, if there is such a daemon (and not just a number again)."""
    try:
        pid = int(pidfile.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == NAME and pid != os.getpid() else None


async def _serve(settings: DaemonSettings, reread: Reread) -> None:
    ending = Ending()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.ask)
    for option in settings.ignored:
        log.warning("the option %s means nothing here and is ignored", option)
    store = Store(settings.data_root / "state.db")
    try:
        await _serve_with(settings, store, ending.asked, reread)
    finally:
        store.close()


class Ending:
    """The wish to end: the first signal sets it, the third one ends the process at once."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._count = 0

    def ask(self) -> None:
        self._count += 1
        self.asked.set()
        if self._count >= PATIENCE:
            log.error("ending without cleaning up: asked %d times", self._count)
            os._exit(1)


async def _serve_with(settings: DaemonSettings, store: Store, ending: asyncio.Event, reread: Reread) -> None:
    manager = os.environ.pop("NOTIFY_SOCKET", "")  # containers' monitors must not speak for us
    firewall = _firewall(settings)
    house = build(settings, store, firewall)
    engine = Engine(house)
    server = Server(application(engine), settings.group, settings.tls)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, engine, reread)
    await server.prepare(settings.hosts)
    figures = MetricsDoor(engine, settings.metrics)
    figures.prepare()
    try:
        await engine.start()
        await _look_around(house, firewall)
        await server.start(settings.hosts)
        await figures.start()
        log.info("listening on %s", ", ".join(settings.hosts))
        _tell_manager("READY=1", manager)
        await ending.wait()
        log.info("stopping")
        _tell_manager("STOPPING=1", manager)
    finally:
        house.events.close()
        await figures.stop()
        await server.stop()
        await engine.stop()


def _tell_manager(state: str, path: str) -> None:
    """Tell a service manager that started us as Type=notify. Source: sd_notify(3)."""
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto(state.encode(), path.replace("@", "\0", 1) if path[0] == "@" else path)
        except OSError as error:
            log.warning("telling the service manager %s: %s", state, error)


async def _look_around(house: House, firewall: Firewall) -> None:
    """Tell what else on this host drops the packets of containers."""
    house.warnings += await house.workers.run(firewall.obstacles)
    for warning in house.warnings:
        log.warning("%s", warning)


def _reload(engine: Engine, reread: Reread) -> None:
    """Read the configuration again; a wrong one is told, and nothing changes."""
    try:
        engine.reload(reread())
    except LinkspanError as error:
        log.error("the configuration is not reloaded: %s", error)
        return
    _set_level(engine.settings)
    log.info("configuration reloaded")


def build(settings: DaemonSettings, store: Store, firewall: Firewall) -> House:
    """Make every adapter and put them together; nothing is touched on the host yet."""
    workers = Workers()
    network = settings.network
    kernel = HostKernel()
    proxy = ProxyClient(
        settings.exec_root / "proxy.sock",
        settings.exec_root / "proxy.log",
        userland_proxy=network.userland_proxy,
    )
    controller = Controller(store, kernel, firewall, proxy, network)
    registry = Registry(store, workers)
    resolver = Resolver(Zone(), kernel.in_sandbox, PortMemory(settings.data_root / "containers"))
    return House(
        settings=settings,
        store=store,
        workers=workers,
        events=Events(),
        registry=registry,
        network=controller,
        naming=Naming(settings, controller, registry, resolver),
        runtime=Runtime(settings.exec_root, settings.data_root),
        overlay=Overlay(settings.data_root),
        images=Images(store, settings.data_root, insecure_registries=settings.insecure_registries),
        volumes=Volumes(store, settings.data_root),
    )


def _firewall(settings: DaemonSettings) -> Firewall:
    network = settings.network
    if not network.iptables:
        return NoFirewall()
    return choose(
        network.firewall_backend,
        settings.exec_root / "iptables.json",
        userland_proxy=network.userland_proxy,
        ip6tables=network.ip6tables,
        accept_mark=network.accept_fwmark,
    )
