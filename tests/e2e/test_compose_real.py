"""Compose projects with the real clients: Debian's docker-compose 1.29 and `docker compose` v2."""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = {"v1": ["/usr/bin/docker-compose"], "v2": ["docker", "compose"]}

#: Ends at once when told to: PID 1 of a container must handle the signal itself.
SLEEP = '{image: busybox, command: ["sleep", "1000"], stop_signal: SIGKILL'

WEB = """\
services:
  db:
    image: busybox
    command: ["sh", "-c", "mkdir /www; echo rows >/www/index.html; exec httpd -f -h /www -p 0.0.0.0:5432"]
    stop_signal: SIGKILL
    networks: [back]
    volumes: ["data:/data"]
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1:5432/"], interval: 200ms, retries: 20}
  web:
    image: busybox
    command: ["sh", "-c", "hostname >/tmp/index.html; echo web is up; exec httpd -f -h /tmp"]
    stop_signal: SIGKILL
    labels: {version: "1"}
    depends_on: {db: {condition: service_healthy}}
    networks:
      front: {aliases: [www], ipv4_address: 10.77.0.50}
      back:
    ports: ["8000:80"]
  beside:
    image: busybox
    command: ["sleep", "1000"]
    stop_signal: SIGKILL
    network_mode: "service:web"
  tool:
    image: busybox
    command: ["sleep", "1000"]
    stop_signal: SIGKILL
    networks: [back]
    profiles: [debug]
networks:
  front: {ipam: {config: [{subnet: 10.77.0.0/24}]}}
  back:
volumes:
  data:
"""


class Project:
    """A directory with a compose file, and the client that works on it."""

    def __init__(self, stage, client: str, directory: Path, name: str) -> None:
        self.stage, self.client, self.name = stage, client, name
        self.directory = directory
        self.separator = "_" if client == "v1" else "-"

    def write(self, text: str) -> None:
        (self.directory / "compose.yaml").write_text(text)

    def replace(self, old: str, new: str) -> None:
        text = (self.directory / "compose.yaml").read_text()
        assert old in text
        self.write(text.replace(old, new))

    def command(self, *arguments: str) -> list[str]:
        return [*COMMANDS[self.client], "-p", self.name, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.stage.lab.client_env, "NO_COLOR": "1", "DOCKER_BUILDKIT": "0"}

    def __call__(self, *arguments: str, code: int = 0, timeout: float = 40) -> str:
        """Run the client; what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def container(self, service: str, number: int = 1) -> str:
        return self.separator.join((self.name, service, str(number)))

    def containers(self) -> dict[str, str]:
        """The ids of the project's containers by name, running or not."""
        filters = ("--filter", f"label=com.docker.compose.project={self.name}")
        lines = self.stage.docker("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}", *filters).lines
        return dict(line.split() for line in lines)

    def networks(self) -> dict[str, str]:
        filters = ("--filter", f"label=com.docker.compose.project={self.name}")
        listed = self.stage.docker("network", "ls", "--format", "{{.Name}} {{.ID}}", *filters).lines
        return dict(line.split() for line in listed)


@pytest.fixture
def project(stage, client, tmp_path):
    """An empty project, taken down at the end."""
    return Project(stage, client, tmp_path, f"p{client}")


@pytest.fixture
def no_builds_left(stage):
    """Remove what a build leaves: images without a name, and the builder's cache."""
    yield
    stage.docker("image", "prune", "-f")
    stage.docker("builder", "prune", "-f")


both = pytest.mark.parametrize("client", ["v1", "v2"])
modern = pytest.mark.parametrize("client", ["v2"])


@both
def test_a_web_application(project, stage):
    """Health, names, addresses, ports, a shared sandbox, a profile; again; and nothing is left."""
    before = stage.snapshot()
    project.write(WEB)
    project("up", "-d")
    web, db = project.container("web"), project.container("db")
    ids = project.containers()
    assert set(ids) == {web, db, project.container("beside")}
    assert set(project.networks()) == {f"{project.name}_front", f"{project.name}_back"}
    for network in project.networks().values():
        assert stage.host("ip", "link", "show", f"br-{network}", "type", "bridge").code == 0
    assert project("exec", "-T", "web", "wget", "-qO-", "http://db:5432/").strip() == "rows"
    assert stage.address(web, f"{project.name}_front") == "10.77.0.50"
    assert stage.get("lan", "http://10.0.0.5:8000/") == ids[web][:12]
    assert project("exec", "-T", "beside", "wget", "-qO-", "http://127.0.0.1/").strip() == ids[web][:12]
    assert "web is up" in project("logs")
    assert "0.0.0.0:8000" in project("port", "web", "80")
    assert "httpd -f -h /tmp" in project("top", "web")

    project("up", "-d")
    assert project.containers() == ids, "the second up must leave everything alone"
    project("--profile", "debug", "up", "-d")
    assert project.container("tool") in project.containers()
    assert ids.items() <= project.containers().items()

    project("--profile", "debug", "down")
    assert stage.docker("volume", "ls", "-q").lines == [f"{project.name}_data"]
    project("down", "-v")
    assert stage.docker("volume", "ls", "-q").lines == []
    stage.unchanged_since(before)


@modern
def test_stop_start_restart_pause_kill_and_rm(project, stage):
    project.write(f"services:\n  a: {SLEEP}}}\n  b: {SLEEP}, depends_on: [a]}}\n")
    project("up", "-d")
    a, ids = project.container("a"), project.containers()
    started = stage.inspect(a)["State"]["StartedAt"]
    project("restart", "a")
    assert stage.inspect(a)["State"]["StartedAt"] > started
    project("pause", "a")
    assert stage.inspect(a)["State"]["Paused"]
    project("unpause", "a")
    project("stop")
    assert not stage.inspect(a)["State"]["Running"]
    project("start")
    assert project("exec", "-T", "b", "ping", "-c1", "a").count("1 packets received") == 1
    project("stop")
    project("up", "-d")
    assert project.containers() == ids, "a stopped project is started, not recreated"
    project("kill", "b")
    project("rm", "-f", "b")
    assert set(project.containers()) == {a}
    project("down")
    assert project.containers() == {} and project.networks() == {}


@both
def test_changes_are_applied_to_what_they_concern(project, stage):
    project.write(
        f'services:\n  a: {SLEEP}, labels: {{x: "1"}}, networks: [one]}}\n'
        f"  b: {SLEEP}, networks: [one, two]}}\n"
        "networks:\n  one: {ipam: {config: [{subnet: 10.91.0.0/24}]}}\n  two:\n"
    )
    project("up", "-d")
    a, b, before = project.container("a"), project.container("b"), project.containers()

    project.replace('x: "1"', 'x: "2"')
    project("up", "-d")
    after = project.containers()
    assert after[a] != before[a] and after[b] == before[b]
    assert stage.inspect(a)["Config"]["Labels"]["x"] == "2"

    project("up", "-d", "--force-recreate")
    assert not set(after.values()) & set(project.containers().values())

    project.write(f"services:\n  a: {SLEEP}}}\n")
    assert "orphan" in project("up", "-d").lower()
    assert b in project.containers()
    project("up", "-d", "--remove-orphans")
    assert set(project.containers()) == {a}
    project("down", "--remove-orphans")


@modern
def test_a_network_is_made_anew_when_its_definition_changes(project, stage):
    project.write(
        f"services:\n  a: {SLEEP}, networks: [one]}}\n  b: {SLEEP}, networks: [one, two]}}\n"
        "networks:\n  one: {ipam: {config: [{subnet: 10.91.0.0/24}]}}\n  two:\n"
    )
    project("up", "-d")
    before = project.networks()
    project.replace("10.91.0", "10.92.0")
    project("up", "-d")
    one, two = f"{project.name}_one", f"{project.name}_two"
    for service in ("a", "b"):
        assert stage.address(project.container(service), one).startswith("10.92.0.")
    after = project.networks()
    assert after[one] != before[one] and after[two] == before[two]
    # docker compose 2.40 connects the containers again without their aliases, so their own names are asked.
    assert "1 packets received" in project("exec", "-T", "a", "ping", "-c1", project.container("b"))
    project("down")


@modern
def test_scale_behind_one_name_and_a_range_of_ports(project, stage):
    project.write(
        'services:\n  app:\n    image: busybox\n    command: ["sh", "-c", "hostname >/tmp/index.html; '
        'exec httpd -f -h /tmp"]\n    stop_signal: SIGKILL\n    ports: ["9000-9010:80"]\n'
    )
    project("up", "-d", "--scale", "app=3")
    assert len(project.containers()) == 3
    found = project("exec", "-T", "app", "nslookup", "-type=a", "app")
    assert found.count("Address: ") == 3
    pages = set()
    for name in project.containers():
        port = stage.inspect(name)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
        pages.add(stage.get("lan", f"http://10.0.0.5:{port}/"))
    assert pages == {id[:12] for id in project.containers().values()}
    project("up", "-d", "--scale", "app=1")
    assert len(project.containers()) == 1
    project.replace("9000-9010:80", "9000:80")
    assert "port is already allocated" in project("up", "-d", "--scale", "app=2", code=1)
    project("down")
    assert project.containers() == {}


@modern
def test_foreground_exit_codes_and_unhealthy_dependencies(project, stage):
    project.write(
        "services:\n"
        '  job: {image: busybox, command: ["sh", "-c", "sleep 0.2; echo work is done"]}\n'
        '  loop: {image: busybox, command: ["sh", "-c", "echo line 1; sleep 0.5; echo line 2; exit 3"]}\n'
    )
    output = project("up", timeout=30)
    assert "work is done" in output and "line 2" in output and "exited with code 3" in output
    project("up", "--abort-on-container-exit", "--exit-code-from", "loop", code=3, timeout=30)
    assert "hello" in project("run", "--rm", "job", "echo", "hello")
    project("down")

    project.write(
        "services:\n"
        f'  bad: {SLEEP}, healthcheck: {{test: ["CMD", "false"], interval: 0.1s, retries: 2}}}}\n'
        f"  needs: {SLEEP}, depends_on: {{bad: {{condition: service_healthy}}}}}}\n"
    )
    assert "unhealthy" in project("up", "-d", code=1)
    project("down")
    assert project.containers() == {}


@both
def test_the_other_modes_and_options(project, stage, client):
    # The old client gives the address for the whole container, which Engine API 1.52 knows no more.
    mac = 'mac_address: "02:11:22:33:44:55", ' if client == "v2" else ""
    project.write(
        "services:\n"
        f"  host: {SLEEP}, network_mode: host}}\n"
        f"  none: {SLEEP}, network_mode: none}}\n"
        f"  old: {SLEEP}, network_mode: bridge}}\n"
        f"  b: {SLEEP}, hostname: box, domainname: example.com, {mac}"
        'extra_hosts: ["gw:host-gateway", "x:192.0.2.7"], dns_search: [corp.test], '
        "sysctls: {net.ipv4.ip_default_ttl: 70}}\n"
        f'  f: {SLEEP}, links: ["b:beta"]}}\n'
    )
    project("up", "-d")
    hosts = project("exec", "-T", "b", "cat", "/etc/hosts")
    assert "172.17.0.1\tgw\n" in hosts and "192.0.2.7\tx\n" in hosts
    assert "\tbox.example.com box\n" in hosts
    assert "search corp.test" in project("exec", "-T", "b", "cat", "/etc/resolv.conf")
    if mac:
        assert "02:11:22:33:44:55" in project("exec", "-T", "b", "ip", "link", "show", "eth0")
    assert project("exec", "-T", "b", "cat", "/proc/sys/net/ipv4/ip_default_ttl").strip() == "70"
    own = stage.address(project.container("b"), f"{project.name}_default")
    assert own in project("exec", "-T", "f", "nslookup", "-type=a", "beta")
    assert own in project("exec", "-T", "f", "nslookup", "-type=a", "box.example.com")
    assert "docker0" in project("exec", "-T", "host", "ip", "-o", "link")
    assert "eth0" not in project("exec", "-T", "none", "ip", "-o", "link")
    assert "inet 172.17." in project("exec", "-T", "old", "ip", "-o", "addr")
    assert "127.0.0.11" not in project("exec", "-T", "old", "cat", "/etc/resolv.conf")
    project("down")


@modern
def test_external_networks_and_volumes(project, stage):
    project.write(
        f'services:\n  a: {SLEEP}, networks: [shared], volumes: ["kept:/kept"]}}\n'
        "networks: {shared: {external: true}}\nvolumes: {kept: {external: true}}\n"
    )
    assert "declared as external, but could not be found" in project("up", "-d", code=1)
    stage.docker("network", "create", "shared")
    stage.docker("volume", "create", "kept")
    project("up", "-d")
    assert stage.address(project.container("a"), "shared")
    project("down", "-v")
    assert stage.network("shared")["Containers"] == {}
    assert stage.docker("volume", "rm", "kept").text == "kept"


@modern
def test_projects_side_by_side_are_strangers(project, stage, client, tmp_path):
    """Each on its own bridge; no packet crosses, to docker0 neither, but for a published port."""
    text = (
        'services:\n  web:\n    image: busybox\n    command: ["sh", "-c", "hostname >/tmp/index.html; '
        'exec httpd -f -h /tmp"]\n    stop_signal: SIGKILL\n    ports: ["{port}:80"]\n'
    )
    projects = []
    for number in range(3):
        directory = tmp_path / str(number)
        directory.mkdir()
        projects.append(Project(stage, client, directory, f"side{number}"))
        projects[-1].write(text.replace("{port}", str(8001 + number)))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: each("up", "-d"), projects))
    stage.web("old")
    bridges = {f"br-{id}" for each in projects for id in each.networks().values()}
    links = stage.host("ip", "-o", "link", "show", "type", "bridge").out
    assert len(bridges) == 3 and all(bridge in links for bridge in bridges)

    names = [each.container("web") for each in projects]
    addresses = [stage.address(n, f"side{k}_default") for k, n in enumerate(names)] + [stage.address("old")]
    pairs = [(n, a) for k, n in enumerate([*names, "old"]) for j, a in enumerate(addresses) if j != k]
    with ThreadPoolExecutor() as pool:
        got = list(pool.map(lambda pair: _fetch(stage, pair[0], f"http://{pair[1]}/"), pairs))
    assert not any(got), f"somebody reaches a stranger: {pairs}, {got}"
    for number, each in enumerate(projects):
        id = each.containers()[names[number]][:12]
        assert _fetch(stage, names[number - 1], f"http://10.0.0.5:{8001 + number}/") == id
        assert _fetch(stage, names[number], "http://web/") == id
        assert stage.get("lan", f"http://10.0.0.5:{8001 + number}/") == id
    assert addresses[1] not in stage.inside(names[0], "nslookup", "-type=a", names[1], check=False).both
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: each("down"), projects))
    assert not any(each.networks() for each in projects)


def _fetch(stage, name: str, url: str) -> str:
    """What a container gets; "" if nothing answers within a moment."""
    return stage.inside(name, "timeout", "0.4", "wget", "-qO-", url, check=False).out.strip()


@modern
def test_events_and_logs_are_followed(project, stage):
    project.write('services:\n  a: {image: busybox, command: ["sh", "-c", "echo begun; sleep 1000"]}\n')
    project("up", "-d", "-t", "0")
    events = subprocess.Popen(
        project.command("events", "--json"), cwd=project.directory, env=project.environment,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    logs = subprocess.Popen(
        project.command("logs", "-f"), cwd=project.directory, env=project.environment,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert logs.stdout and any("begun" in line for line in logs.stdout)
        time.sleep(0.3)  # nothing tells when `events` has begun to listen
        project("restart", "-t", "0", "a")
        seen: list[str] = []
        for line in events.stdout or ():
            event = json.loads(line)
            assert event["service"] == "a"
            seen.append(event["action"])
            if seen[-1] == "restart":
                break
        assert seen[-5:] == ["kill", "die", "stop", "start", "restart"]
    finally:
        for process in (events, logs):
            process.kill()
            process.communicate()
    project("down", "-t", "0")


@modern
def test_what_only_the_new_one_can(project, stage, tmp_path):
    project.write(
        f"services:\n  a: {SLEEP}}}\n"
        '  job: {image: busybox, command: ["true"]}\n'
        f"  after: {SLEEP}, depends_on: {{job: {{condition: service_completed_successfully}}}}}}\n"
    )
    project("up", "-d")
    assert stage.inspect(project.container("after"))["State"]["Running"]
    (tmp_path / "file").write_text("carried\n")
    project("cp", "file", "a:/tmp/file")
    assert project("exec", "-T", "a", "cat", "/tmp/file") == "carried\n"
    project("cp", "a:/tmp/file", "back")
    assert (tmp_path / "back").read_text() == "carried\n"
    listed = json.loads(project("ls", "--format", "json"))
    assert [entry["Name"] for entry in listed] == [project.name]
    rows = [json.loads(line) for line in project("ps", "-a", "--format", "json").splitlines()]
    assert {(row["Service"], row["State"]) for row in rows} == {
        ("a", "running"), ("after", "running"), ("job", "exited")
    }  # fmt: skip
    assert project.container("a") in project("stats", "--no-stream")
    project("down")


@both
@pytest.mark.usefixtures("no_builds_left")
def test_images_are_built_and_mac_addresses_kept(project, stage, client, tmp_path):
    """compose v2 asks for BuildKit unless told not to; the classic builder is what we have."""
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo one >/made\n")
    project.write(
        'services: {app: {build: ., image: made-here, mac_address: "02:42:ac:11:00:99", stop_signal: SIGKILL,'
        ' command: ["sleep", "1000"]}}\n'
    )
    project("up", "-d")
    app = project.container("app")
    assert stage.inside(app, "cat", "/made").text == "one"
    assert "02:42:ac:11:00:99" in stage.inside(app, "ip", "link", "show", "eth0").out
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo two >/made\n")
    project("up", "-d", "--build")
    assert stage.inside(app, "cat", "/made").text == "two"
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN exit 7\n")
    assert "returned a non-zero code: 7" in project("build", code={"v1": 1, "v2": 7}[client])
    project("down", "--rmi", "all")
    assert "made-here" not in stage.docker("images").out
