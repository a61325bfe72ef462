"""The load: clients that do what users do, each with objects of its own, until the daemon is gone.

A client is a generator-like script of requests. It notes the request that it is waiting for, so that after a
crash somebody can ask: has this happened wholly, or not at all, and can it be repeated?
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from client import Answer, Client, Interrupted

LABEL = {"crash": "load"}
IMAGE = "busybox"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `good` are the statuses that mean done, `again` those that a repetition may also get.

    `path` is called when it is sent, because the id of an exec is known only then.
    """

    what: str
    method: str
    path: str
    body: object = None
    good: tuple[int, ...] = (200, 201, 204)
    again: tuple[int, ...] = ()


Script = Callable[["Worker"], Iterator[Request]]


@dataclass
class Worker:
    """One client and the script it repeats; `pending` is what it was waiting for when the daemon died."""

    name: str
    client: Client
    script: Script
    pending: Request | None = None
    problems: list[str] = field(default_factory=list)
    done: int = 0
    answer: Answer = field(default_factory=lambda: Answer(0, b""))

    def run(self, stop: threading.Event) -> None:
        """Go round the script until the daemon is gone or `stop` is set."""
        try:
            while not stop.is_set():
                for request in self.script(self):
                    self.pending = request
                    self.answer = self.client.ask(request.method, request.path, request.body)
                    if self.answer.status not in request.good:
                        self.problems.append(f"{self.name}: {said(request, self.answer)}")
                    self.pending = None
                    self.done += 1
                    if stop.is_set():
                        return
        except Interrupted:
            return
        except TimeoutError as error:
            self.problems.append(f"{self.name}: {error}")


def said(request: Request, answer: Answer) -> str:
    return f"{request.what}: {answer.status} {answer.body[:300].decode(errors='replace').strip()}"


def create(name: str, network: str, port: int = 0, *command: str, remove: bool = False) -> Request:
    """The creation of a container."""
    host: dict[str, object] = {"NetworkMode": network, "AutoRemove": remove}
    body: dict[str, object] = {"Image": IMAGE, "Cmd": list(command), "Labels": LABEL, "HostConfig": host}
    if port:
        host["PortBindings"] = {"80/tcp": [{"HostPort": str(port)}], "80/udp": [{"HostPort": str(port)}]}
        body["ExposedPorts"] = {"80/tcp": {}, "80/udp": {}}
    return Request(f"create {name}", "POST", f"/containers/create?name={name}", body, (201,), (409,))


def network(name: str) -> Request:
    """The creation of a network."""
    body = {"Name": name, "CheckDuplicate": True, "Labels": LABEL}
    return Request(f"network create {name}", "POST", "/networks/create", body, (201,), (409,))


def no_network(name: str) -> Request:
    return Request(f"network rm {name}", "DELETE", f"/networks/{name}", None, (204,), (404,))


def verb(name: str, action: str, *again: int) -> Request:
    return Request(f"{action} {name}", "POST", f"/containers/{name}/{action}", None, (204, 304), again)


def remove(name: str) -> Request:
    return Request(f"rm {name}", "DELETE", f"/containers/{name}?force=1&v=1", None, (204,), (404,))


def life(number: int) -> Script:
    """A whole life: network, container with ports, start, stop, start, rename, restart, removal."""
    name, net, port = f"life{number}", f"lifenet{number}", 9000 + number

    def script(worker: Worker) -> Iterator[Request]:
        yield network(net)
        yield create(name, net, port, "httpd", "-f")
        yield verb(name, "start")
        yield verb(name, "stop?t=0")
        yield verb(name, "start")
        yield verb(name, "restart?t=0")
        yield remove(name)
        yield no_network(net)

    return script


def plug(number: int, container: str) -> Script:
    """A running container hot-plugged into one more network, and out of it again."""
    net = f"plug{number}"
    body = {"Container": container}

    def script(worker: Worker) -> Iterator[Request]:
        # A repetition of what had happened already is refused in Docker's words, with 403.
        yield Request(f"connect {net}", "POST", f"/networks/{net}/connect", body, (200,), (403,))
        yield Request(f"disconnect {net}", "POST", f"/networks/{net}/disconnect", body, (200,), (403,))

    return script


def networks(number: int) -> Script:
    """Networks that come and go."""

    def script(worker: Worker) -> Iterator[Request]:
        yield network(f"net{number}")
        yield no_network(f"net{number}")

    return script


def runs(number: int) -> Script:
    """`docker run --rm`, which ends by itself and removes itself."""
    name = f"run{number}"

    def script(worker: Worker) -> Iterator[Request]:
        yield create(name, "bridge", 0, "true", remove=True)
        yield verb(name, "start", 404)
        yield Request(f"wait {name}", "POST", f"/containers/{name}/wait?condition=removed", None, (200, 404))
        for _ in range(100):
            gone = Request(f"inspect {name}", "GET", f"/containers/{name}/json", None, (200, 404), (404,))
            yield gone
            if worker.answer.status == 404:
                break
            time.sleep(0.02)

    return script


def execs(number: int, container: str) -> Script:
    """Commands in a running container, whose whole output must arrive."""

    def script(worker: Worker) -> Iterator[Request]:
        body = {"Cmd": ["echo", f"hello {number}"], "AttachStdout": True}
        path = f"/containers/{container}/exec"
        yield Request(f"exec create in {container}", "POST", path, body, (201,))
        id = worker.answer.data["Id"] if worker.answer.status == 201 else ""
        begin = {"Detach": False, "Tty": False}
        yield Request("exec start", "POST", f"/exec/{id}/start", begin, (200,), (404, 409, 500))
        if worker.answer.status == 200 and f"hello {number}".encode() not in worker.answer.body:
            worker.client.ask("GET", "/_ping")  # a daemon that died has cut the output off
            worker.problems.append(f"{worker.name}: the output of an exec is lost: {worker.answer.body!r}")

    return script
