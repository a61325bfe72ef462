"""The composition root: builds every part of the daemon, runs it until a signal, and does nothing else."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from linkspan.api.app import Server, application
from linkspan.engine.engine import Engine
from linkspan.engine.events import Events
from linkspan.engine.house import House
from linkspan.engine.naming import Naming
from linkspan.engine.registry import Registry
from linkspan.engine.settings import DaemonSettings
from linkspan.engine.workers import Workers
from linkspan.firewall.backend import Firewall
from linkspan.firewall.iptables import IptablesFirewall
from linkspan.firewall.none import NoFirewall
from linkspan.kernel.host import HostKernel
from linkspan.model.errors import Conflict, Forbidden, LinkspanError
from linkspan.network.controller import Controller
from linkspan.path.dns.resolver import Resolver
from linkspan.path.dns.zone import Zone
from linkspan.path.proxy.client import ProxyClient
from linkspan.runtime.images.library import Images
from linkspan.runtime.rootfs import Overlay
from linkspan.runtime.runtime import Runtime
from linkspan.runtime.volumes import Volumes
from linkspan.store.database import Store

log = logging.getLogger("linkspan")


def run(settings: DaemonSettings) -> int:
    """Run the daemon until SIGINT or SIGTERM; returns its exit status. Failing to start is one clear line."""
    _log_to_stderr(settings.debug)
    _take_name()
    try:
        _require_root()
        with _sole_user_of(settings.data_root), _pidfile(settings):
            uvloop.run(_serve(settings))
    except (LinkspanError, OSError) as error:
        print(f"linkspand: {error}", file=sys.stderr)
        return 1
    return 0


def _log_to_stderr(debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _take_name() -> None:
    """Be called linkspand in `ps` and `top`, not python."""
    Path("/proc/self/comm").write_text("linkspand")


def _require_root() -> None:
    if os.geteuid() != 0:
        raise Forbidden(
            "the daemon needs root, to make network namespaces and firewall rules: "
            "start it with sudo, or as root"
        )


@contextmanager
def _sole_user_of(data_root: Path) -> Iterator[None]:
    data_root.mkdir(parents=True, exist_ok=True, mode=0o711)
    with (data_root / "daemon.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another daemon uses {data_root}: stop it first, or choose another --data-root"
            ) from None
        yield


@contextmanager
def _pidfile(settings: DaemonSettings) -> Iterator[None]:
    settings.exec_root.mkdir(parents=True, exist_ok=True, mode=0o711)
    path = settings.pidfile or settings.exec_root / "linkspan.pid"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


async def _serve(settings: DaemonSettings) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    for option in settings.ignored:
        log.warning("the option %s means nothing here and is ignored", option)
    store = Store(settings.data_root / "state.db")
    try:
        await _serve_with(settings, store, ending)
    finally:
        store.close()


async def _serve_with(settings: DaemonSettings, store: Store, ending: asyncio.Event) -> None:
    house = build(settings, store)
    engine = Engine(house)
    server = Server(application(engine))
    try:
        await engine.start()
        await server.start(settings.hosts)
        log.info("listening on %s", ", ".join(settings.hosts))
        await ending.wait()
        log.info("stopping")
    finally:
        await server.stop()
        await engine.stop()


def build(settings: DaemonSettings, store: Store) -> House:
    """Make every adapter and put them together; nothing is touched on the host yet."""
    workers = Workers()
    network = settings.network
    kernel = HostKernel()
    proxy = ProxyClient(
        settings.exec_root / "proxy.sock",
        settings.exec_root / "proxy.log",
        userland_proxy=network.userland_proxy,
    )
    controller = Controller(store, kernel, _firewall(settings), proxy, network)
    registry = Registry(store, workers)
    resolver = Resolver(Zone(), kernel.in_sandbox)
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
    return IptablesFirewall(
        journal=settings.exec_root / "iptables.json",
        userland_proxy=network.userland_proxy,
        ip6tables=network.ip6tables,
    )
