"""A daemon that kills itself at a named point: `python scripts/crash/doomed.py FLAGS…`.

The daemon's code knows nothing of it: the functions of POINTS are wrapped from outside before it starts.
Which point, and at which of its calls, is said by LINKSPAN_DOOM at start, as in
"linkspan.store.database:Store.begin after 2", or by such a line in the FIFO that LINKSPAN_DOOM_FIFO names.
The moment "fails" raises an error instead, in place of the call; the file FIFO.told then says how it went.
"""

import asyncio
import errno
import functools
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from linkspan.cli import daemon_main

POINTS = (
    "linkspan.store.database:Store.begin",
    "linkspan.store.database:Store.finish",
    "linkspan.store.database:Store.put",
    "linkspan.store.database:Store.delete",
    "linkspan.store.database:Store.lease",
    "linkspan.store.database:Store.release",
    "linkspan.kernel.host:HostKernel.create_sandbox",
    "linkspan.kernel.host:HostKernel.remove_sandbox",
    "linkspan.kernel.host:HostKernel.apply",
    "linkspan.kernel.host:HostKernel.remove",
    "linkspan.kernel.host:HostKernel.detach_links",
    "linkspan.kernel.links:create_veth",
    "linkspan.kernel.links:finish_veth",
    "linkspan.kernel.links:create_bridge",
    "linkspan.firewall.iptables:IptablesFirewall.add",
    "linkspan.firewall.iptables:IptablesFirewall.remove",
    "linkspan.firewall.family:FamilyRules.install",
    "linkspan.firewall.family:FamilyRules.uninstall",
    "linkspan.firewall.journal:Journal.note",
    "linkspan.firewall.journal:Journal.strike",
    "linkspan.path.proxy.client:ProxyClient.reserve",
    "linkspan.path.proxy.client:ProxyClient.serve",
    "linkspan.path.proxy.client:ProxyClient.close",
    "linkspan.network.registry:Registry.put_sandbox",
    "linkspan.network.registry:Registry.drop_sandbox",
    "linkspan.network.registry:Registry.add_network",
    "linkspan.network.sandboxes:Sandboxes.forget",
    "linkspan.runtime.rootfs:Overlay.prepare",
    "linkspan.runtime.rootfs:Overlay.mount",
    "linkspan.runtime.rootfs:Overlay.unmount",
    "linkspan.runtime.rootfs:Overlay.remove",
    "linkspan.runtime.bundle:Bundle.make",
    "linkspan.runtime.bundle:Bundle.remove",
    "linkspan.runtime.monitor:begin",
    "linkspan.runtime.monitor:Monitor.wait",
    "linkspan.runtime.creation:Creation.finish",
    "linkspan.runtime.runtime:Runtime.begin",
    "linkspan.runtime.runtime:Runtime.start",
    "linkspan.runtime.runtime:Runtime.delete",
    "linkspan.runtime.runtime:Runtime.exec",
    "linkspan.engine.naming:Naming.joined",
    "linkspan.engine.naming:Naming.left",
    "linkspan.engine.registry:Registry.save",
    "linkspan.engine.registry:Registry.forget",
    "linkspan.engine.supervise:Supervisor.take_down",
)

START_POINTS = (
    "linkspan.network.recovery:Recovery._finish_removals",
    "linkspan.network.recovery:Recovery._predefine",
    "linkspan.network.recovery:Recovery._sweep",
    "linkspan.network.recovery:Recovery._restore_listeners",
    "linkspan.network.recovery:Recovery._free_leases",
    "linkspan.network.recovery:Recovery._complete",
    "linkspan.engine.recover:Recovery._settle",
    "linkspan.engine.recover:Recovery._sweep",
    "linkspan.firewall.iptables:IptablesFirewall.start",
)

_doom: dict[str, int] = {}


def _arm(line: str) -> None:
    point, moment, count = line.split()
    _doom[f"{point} {moment}"] = int(count)


def _strike(point: str, moment: str) -> None:
    key = f"{point} {moment}"
    if key in _doom:
        _doom[key] -= 1
        if _doom[key] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _fail(point: str) -> None:
    """Raise the error of a full disk in place of the call that was named."""
    key = f"{point} fails"
    if key in _doom:
        _doom[key] -= 1
        if _doom[key] == 0:
            del _doom[key]
            raise OSError(errno.ENOSPC, f"injected at {point}")


def _wrapped(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def ends_later(*args: Any, **kwargs: Any) -> Any:
            _strike(point, "before")
            _fail(point)
            result = await function(*args, **kwargs)
            _strike(point, "after")
            return result

        return ends_later

    @functools.wraps(function)
    def ends(*args: Any, **kwargs: Any) -> Any:
        _strike(point, "before")
        _fail(point)
        result = function(*args, **kwargs)
        _strike(point, "after")
        return result

    return ends


def _wrap(point: str) -> None:
    module, _, path = point.partition(":")
    *owners, name = path.split(".")
    place: Any = importlib.import_module(module)
    for owner in owners:
        place = getattr(place, owner)
    setattr(place, name, _wrapped(point, getattr(place, name)))


def _listen(fifo: str) -> None:
    while True:
        with open(fifo) as lines:
            for line in lines:
                if line.split()[1] == "fails":
                    _doom.clear()
                _arm(line)
                Path(f"{fifo}.told").write_text(line)


def main() -> int:
    """Wrap the points, listen for the doom, and be the daemon."""
    for point in (*POINTS, *START_POINTS):
        _wrap(point)
    if line := os.environ.pop("LINKSPAN_DOOM", ""):
        _arm(line)
    if fifo := os.environ.pop("LINKSPAN_DOOM_FIFO", ""):
        threading.Thread(target=_listen, args=(fifo,), daemon=True).start()
    return daemon_main()


if __name__ == "__main__":
    sys.exit(main())
