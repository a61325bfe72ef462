"""Our own compose, and Docker's two, on the examples and on each other's projects."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import docker as sdk
import pytest

from linkspan.lab.lab import docker_command, installed

EXAMPLES = Path(__file__).parents[2] / "examples"
CLIENTS = ["own", "v1", "v2"]

SHOP = """\
services:
  web:
    image: busybox
    command: ["sh", "-c", "echo web is up; hostname > /tmp/index.html; exec httpd -f -h /tmp"]
    init: true
    ports: ["8000:80"]
    networks: [front, back]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: busybox
    command: ["sh", "-c", "echo db is up; exec sleep 1000"]
    init: true
    volumes: ["data:/data"]
    networks: [back]
    healthcheck: {test: ["CMD", "true"], interval: 1s}
networks: {front: , back: }
volumes: {data: }
"""


class Compose:
    """A compose command on one project."""

    def __init__(self, stage, client: str, directory: Path, name: str) -> None:
        self.stage = stage
        self.client = client
        self.directory = directory
        self.name = name
        own = [installed("linkspan"), "compose"]
        self.command = {"own": own, "v1": ["/usr/bin/docker-compose"], "v2": [docker_command(), "compose"]}[
            client
        ]
        self.sign = "_" if client == "v1" else "-"

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, **self.stage.lab.client_env, "COMPOSE_PROJECT_NAME": self.name, **more}

    def run(self, *arguments: str, check: bool = True, input: str = "", **more: str):
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.directory,
            env=self.environment(**more),
            input=input,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, f"{self.client} {arguments}: {done.stdout}{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it in the foreground, output of both kinds in one pipe."""
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ids(self) -> dict[str, str]:
        """The ids of the project's containers, by name."""
        mine = ("--filter", f"label=com.docker.compose.project={self.name}")
        lines = self.stage.docker("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}", *mine).lines
        return dict(line.split() for line in lines)

    def exec(self, service: str, *command: str) -> str:
        return self.run("exec", "-T", service, *command).stdout.strip()

    def as_client(self, client: str) -> Compose:
        """The same project in the hands of another client."""
        return Compose(self.stage, client, self.directory, self.name)


@pytest.fixture
def compose(stage, tmp_path):
    """A function that gives a project: of a text, or a copy of an example. It is taken down at the end."""
    made: list[Compose] = []

    def make(source: str | Path, client: str = "own", name: str = "shop") -> Compose:
        directory = tmp_path / name
        if isinstance(source, Path):
            shutil.copytree(source, directory)
        else:
            directory.mkdir(exist_ok=True)
            (directory / "compose.yaml").write_text(source)
        project = Compose(stage, client, directory, name)
        made.append(project)
        return project

    yield make
    for project in made:
        project.as_client("own").run("down", "-v", "-t", "0", "--remove-orphans", check=False)
        stage.lab.linkspan("compose", "-p", project.name, "down", "-v", "-t", "0", check=False)


@pytest.fixture
def client(request) -> str:
    return request.param


every_client = pytest.mark.parametrize("client", CLIENTS, indirect=True)


# The examples ---------------------------------------------------------------------------------------------


@every_client
def test_the_shop(compose, stage, client):
    before = stage.snapshot()
    shop = compose(EXAMPLES / "shop", client)
    shop.run("up", "-d")
    stage.until(lambda: "visit" in stage.get("lan", "http://10.0.0.5:8080/"))
    answers = [stage.get("lan", "http://10.0.0.5:8080/") for _ in range(2)]
    assert all("from the cache" in each for each in answers)
    visits = [int(re.search(r"visit (\d+)", each)[1]) for each in answers]
    assert visits[1] == visits[0] + 1
    ids = shop.ids()
    shop.run("up", "-d")
    assert shop.ids() == ids
    shop.run("down")
    shop.run("up", "-d")
    stage.until(lambda: f"visit {visits[1] + 1}" in stage.get("lan", "http://10.0.0.5:8080/"))
    assert "404" not in shop.run("logs").stdout
    shop.run("down", "-v")
    stage.unchanged_since(before)


def test_the_shop_seen_by_the_sdk(compose, stage):
    shop = compose(EXAMPLES / "shop")
    shop.run("up", "-d")
    client = sdk.DockerClient(base_url=stage.lab.docker_host)
    try:
        found = client.containers.list(filters={"label": "com.docker.compose.project=shop"})
        assert sorted(each.labels["com.docker.compose.service"] for each in found) == ["cache", "db", "web"]
        back = client.networks.list(filters={"label": "com.docker.compose.network=back"})[0]
        back.reload()
        assert back.attrs["Internal"]
        assert len(back.attrs["Containers"]) == 3
        web = next(each for each in found if each.name == "shop-web-1")
        code, output = web.exec_run(["nc", "-w", "1", "db", "7000"], stdin=False)
        assert code in (0, 1), output
        assert client.volumes.get("shop_data").attrs["Labels"]["com.docker.compose.volume"] == "data"
    finally:
        client.close()


@every_client
def test_three_projects_side_by_side(compose, stage, client):
    names = ("blog", "wiki", "mail")
    projects = [compose(EXAMPLES / "side-by-side" / name, client, name) for name in names]
    for project in projects:
        project.run("up", "-d")
    bridges = [
        line for line in stage.host("ip", "-br", "link", "show", "type", "bridge").lines if "br-" in line
    ]
    assert len(bridges) == 3
    for port, project in zip((8081, 8082, 8083), projects, strict=True):
        stage.until(lambda p=port, n=project.name: f"{n} web" in stage.get("lan", f"http://10.0.0.5:{p}/"))
        assert project.exec("web", "wget", "-qO-", "http://db/") == f"{project.name} database"
    other = stage.address(f"wiki{projects[1].sign}db{projects[1].sign}1", "wiki_default")
    blog = projects[0]
    assert blog.run(
        "exec", "-T", "web", "timeout", "1", "wget", "-qO-", f"http://{other}/", check=False
    ).returncode
    name = f"http://{projects[1].name}{blog.sign}db{blog.sign}1/"
    assert blog.run("exec", "-T", "web", "timeout", "1", "wget", "-qO-", name, check=False).returncode
    assert blog.exec("web", "timeout", "2", "wget", "-qO-", "http://10.0.0.5:8082/") == "wiki web"
    for project in projects:
        project.run("down", "-t", "0")


@every_client
def test_a_scaled_service_behind_one_name(compose, stage, client):
    project = compose(EXAMPLES / "round-robin", client, "rr")
    project.run("up", "-d")
    workers = {id[:12] for name, id in project.ids().items() if "worker" in name}
    assert len(workers) == 3

    def answering(*name: str) -> set[str]:
        return {line.split()[1] for line in project.exec("client", "ask", "40", *name).splitlines()}

    stage.until(lambda: answering() == workers)
    assert answering("pool") == workers
    seen = {stage.get("lan", f"http://10.0.0.5:{port}/") for port in range(8090, 8100)}
    assert seen == workers | {""}
    project.run("up", "-d", "--scale", "worker=1")
    left = project.exec("client", "ask", "5")
    assert len(left.splitlines()) == 1


# Each other's projects ------------------------------------------------------------------------------------


def test_docker_compose_leaves_ours_as_it_is_and_we_leave_its(compose):
    """The hashes on containers, networks and volumes are the same."""
    ours = compose(SHOP)
    theirs = ours.as_client("v2")
    ours.run("up", "-d")
    ids = ours.ids()
    shown = theirs.run("up", "-d").stderr
    assert "Recreate" not in shown
    assert theirs.ids() == ids
    theirs.run("up", "-d", "--force-recreate", "-t", "0")
    ids = ours.ids()
    shown = ours.run("up", "-d").stderr
    assert "Recreate" not in shown and "Creating" not in shown and "exists but" not in shown
    assert ours.ids() == ids


@pytest.mark.parametrize("client", ["v1", "v2"], indirect=True)
def test_both_manage_the_same_project(compose, stage, client):
    before = stage.snapshot()
    ours = compose(SHOP)
    theirs = ours.as_client(client)
    ours.run("up", "-d")
    names = set(ours.ids())
    assert all(name in theirs.run("ps").stdout for name in names)
    assert "web is up" in theirs.run("logs").stdout
    theirs.run("stop", "-t", "1")
    assert ours.run("ps").stdout.count("\n") == 1
    assert ours.run("ps", "-a").stdout.count("Exited") == 2
    theirs.run("down", "-v")
    stage.unchanged_since(before)
    theirs.run("up", "-d")
    assert {line.split()[0] for line in ours.run("ps").stdout.splitlines()[1:]} == set(theirs.ids())
    assert "db is up" in ours.run("logs").stdout
    assert ours.exec("web", "cat", "/tmp/index.html")
    ours.run("restart", "-t", "0", "web")
    ours.run("stop", "-t", "1")
    assert "Exit" in theirs.run("ps", "-a").stdout
    ours.run("down", "-v")
    stage.unchanged_since(before)


# Ours alone -----------------------------------------------------------------------------------------------


def test_what_changes_is_replaced_and_nothing_else(compose, stage):
    project = compose(SHOP)
    project.run("up", "-d")
    ids = project.ids()
    file = project.directory / "compose.yaml"
    file.write_text(SHOP.replace("echo web is up", "echo web is new"))
    assert "shop-db-1  Running" in project.run("up", "-d").stderr
    assert project.ids()["shop-db-1"] == ids["shop-db-1"]
    assert project.ids()["shop-web-1"] != ids["shop-web-1"]
    assert "web is new" in project.run("logs", "web").stdout
    network = stage.network("shop_front")["Id"]
    file.write_text(SHOP.replace("front: ", "front: {labels: [changed=yes]}"))
    project.run("up", "-d")
    assert stage.network("shop_front")["Id"] != network
    assert stage.network("shop_front")["Labels"]["changed"] == "yes"
    assert project.ids()["shop-db-1"] == ids["shop-db-1"]


def test_every_field_of_an_endpoint_reaches_the_kernel(compose, stage):
    project = compose("""\
services:
  a:
    image: busybox
    command: ["sleep", "1000"]
    init: true
    networks:
      low: {}
      top:
        ipv4_address: 172.30.200.9
        mac_address: "02:42:ac:1e:c8:09"
        interface_name: top0
        gw_priority: 5
        aliases: [eins]
  side: {image: busybox, command: ["sleep", "1000"], init: true, network_mode: "service:a"}
networks:
  low: {}
  top: {ipam: {config: [{subnet: 172.30.200.0/24, gateway: 172.30.200.254}]}}
""")
    project.run("up", "-d")
    shown = project.exec("side", "ip", "addr", "show", "top0")
    assert "172.30.200.9/24" in shown
    assert "02:42:ac:1e:c8:09" in shown
    assert "default via 172.30.200.254 dev top0" in project.exec("a", "ip", "route")
    assert "172.30.200.9" in project.exec("a", "nslookup", "eins")
    project.run("up", "-d", "--force-recreate", "-t", "0")
    assert "172.30.200.9/24" in project.exec("side", "ip", "addr", "show", "top0")


def test_files_secrets_and_mounts(compose):
    project = compose("""\
services:
  a:
    image: busybox
    command: ["sleep", "1000"]
    init: true
    read_only: false
    environment: {WHO: "${WHO:-nobody}"}
    env_file: own.env
    volumes: ["./made:/made", "/anonymous", {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
    configs: [{source: text, target: /etc/text}]
    secrets: [file, {source: env, target: /etc/env, mode: 0400}]
configs: {text: {content: "hello $$you"}}
secrets:
  file: {file: ./own.env}
  env: {environment: WHO}
""")
    (project.directory / "own.env").write_text("FROM_FILE=yes\n")
    (project.directory / ".env").write_text("WHO=me\n")
    project.run("up", "-d")
    assert project.exec("a", "cat", "/etc/text", "/run/secrets/file") == "hello $youFROM_FILE=yes"
    assert (
        project.exec("a", "sh", "-c", "echo $WHO $FROM_FILE; cat /etc/env; stat -c %a /etc/env")
        == "me yes\nme400"
    )
    assert (project.directory / "made").is_dir()
    project.exec("a", "sh", "-c", "echo kept > /anonymous/x; df /t")
    project.run("up", "-d", "--force-recreate", "-t", "0")
    assert project.exec("a", "cat", "/anonymous/x") == "kept"


def test_run_and_exec(compose, stage):
    project = compose(SHOP)
    done = project.run(
        "run", "--rm", "web", "sh", "-c", "echo one-off; cat; exit 3", check=False, input="typed"
    )
    assert (done.returncode, done.stdout) == (3, "one-off\ntyped")
    assert set(project.ids()) == {"shop-db-1"}
    project.run("up", "-d")
    ids = project.ids()
    named = project.run(
        "run", "-d", "--name", "job", "-e", "A=1", "web", "sh", "-c", "echo $A"
    ).stdout.strip()
    assert named == "job"
    stage.docker("wait", "job")
    assert stage.docker("logs", "job").text == "1"
    assert {name: id for name, id in project.ids().items() if name != "job"} == ids
    assert "job" not in project.run("ps", "-a").stdout
    assert project.run("exec", "-T", "db", "sh", "-c", "exit 7", check=False).returncode == 7
    assert (
        project.run("exec", "-T", "-e", "X=5", "-w", "/tmp", "db", "sh", "-c", "pwd; echo $X").stdout
        == "/tmp\n5\n"
    )
    project.run("stop", "-t", "0", "db")
    refused = project.run("exec", "db", "true", check=False)
    assert refused.returncode == 1 and 'start it with "linkspan compose up -d db"' in refused.stderr
    project.run("down", "-t", "0")
    assert project.ids() == {}


def test_ps_and_ls_and_port_and_config(compose):
    project = compose(SHOP)
    project.run("up", "-d")
    rows = [json.loads(line) for line in project.run("ps", "--format", "json").stdout.splitlines()]
    assert {row["Service"]: row["State"] for row in rows} == {"db": "running", "web": "running"}
    assert rows[0]["Health"] == "healthy"
    assert project.run("ps", "-q", "web").stdout.strip() == project.ids()["shop-web-1"]
    assert project.run("port", "web", "80").stdout.strip() == "0.0.0.0:8000"
    assert "shop   running(2)" in project.run("ls").stdout
    assert project.run("config", "--services").stdout.split() == ["web", "db"]
    assert project.run("config", "--quiet").stdout == ""
    theirs = json.loads(project.as_client("v2").run("config", "--format", "json").stdout)
    assert json.loads(project.run("config", "--format", "json").stdout) == theirs
    hashes = project.as_client("v2").run("config", "--hash", "*").stdout.split()
    assert project.run("config", "--hash", "*").stdout.split() == hashes
    assert "Linkspan Compose version" in project.run("version").stdout


def test_kill_rm_start_and_profiles(compose):
    project = compose(SHOP + "x-note: {}\n")
    file = project.directory / "compose.yaml"
    debug = "  debug: {image: busybox, command: sleep 1000, init: true, networks: [back], profiles: [dev]}\n"
    file.write_text(SHOP.replace("networks: {front", debug + "networks: {front"))
    project.run("up", "-d")
    assert set(project.ids()) == {"shop-db-1", "shop-web-1"}
    project.run("--profile", "dev", "up", "-d")
    assert "shop-debug-1" in project.ids()
    project.run("kill", "debug")
    assert project.run("rm", "debug", input="n\n").returncode == 0
    assert "shop-debug-1" in project.ids()
    project.run("rm", "-f", "debug")
    assert set(project.ids()) == {"shop-db-1", "shop-web-1"}
    project.run("stop", "-t", "0")
    project.run("start")
    assert project.run("ps", "-q").stdout.count("\n") == 2


def test_logs_follow_over_a_restart(compose, stage):
    project = compose(SHOP)
    project.run("up", "-d")
    follower = project.start("logs", "-f", "--tail", "1", "web")
    stage.until(lambda: "web is up" in (follower.stdout.readline() if follower.stdout else ""))
    project.run("restart", "-t", "0", "web")
    assert "web is up" in follower.stdout.readline()
    project.run("stop", "-t", "0", "web")
    assert follower.wait(10) == 0
    follower.stdout.close()
    ordered = project.run("logs", "--no-log-prefix").stdout.splitlines()
    assert ordered[0] == "db is up"
    assert ordered.count("web is up") == 2


def test_the_foreground_shows_output_and_stops_on_ctrl_c(compose, stage):
    project = compose(SHOP)
    process = project.start("up")
    lines = []
    while not any("web-1  | web is up" in line for line in lines):
        line = process.stdout.readline()
        assert line, "".join(lines)
        lines.append(line)
    assert any("Attaching to db-1, web-1" in line for line in lines)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Gracefully Stopping" in rest
    assert project.run("ps", "-q").stdout == ""
    assert set(project.ids()) == {"shop-db-1", "shop-web-1"}


def test_the_exit_code_comes_from_a_service(compose):
    project = compose("""\
services:
  test: {image: busybox, command: ["sh", "-c", "echo tested; exit 5"]}
  rest: {image: busybox, command: ["sleep", "1000"], init: true}
""")
    done = project.run("up", "--exit-code-from", "test", check=False)
    assert done.returncode == 5
    assert "test-1  | tested" in done.stdout
    assert "test-1 exited with code 5" in done.stdout
    assert project.run("ps", "-q").stdout == ""


def test_all_conditions(compose, stage):
    project = compose("""\
services:
  init: {image: busybox, command: ["sh", "-c", "sleep 0.5; echo done > /shared/flag"], volumes: ["v:/shared"]}
  db:
    image: busybox
    command: ["sh", "-c", "sleep 0.5; touch /tmp/ok; exec sleep 1000"]
    init: true
    healthcheck: {test: ["CMD", "test", "-f", "/tmp/ok"], interval: 300ms}
  app:
    image: busybox
    command: ["cat", "/shared/flag"]
    volumes: ["v:/shared"]
    depends_on:
      init: {condition: service_completed_successfully}
      db: {condition: service_healthy}
      gone: {condition: service_started, required: false}
volumes: {v: }
""")
    project.run("up", "-d")
    stage.docker("wait", "shop-app-1")
    assert "app-1   | done" in project.run("logs").stdout


# Bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "    init: true\n    ports",
            "    inti: true\n    ports",
            5,
            'unknown key "inti": did you mean "init"?',
        ),
        ("depends_on: {db:", "depends_on: {dbb:", 8, 'there is no service "dbb": did you mean "db"?'),
        ("    volumes:", "    depends_on: [web]\n    volumes:", 8, "in a circle: web -> db -> web"),
        (
            "    volumes:",
            '    ports: ["8000:1"]\n    volumes:',
            13,
            "8000/tcp is already published by service web",
        ),
        ("front: ,", "front: {external: true, name: nowhere},", 16, "nowhere declared as external"),
        (
            "front: ,",
            "front: {ipam: {config: [{subnet: 172.17.9.0/24}]}},",
            16,
            "172.17.9.0/24 overlaps 172.17.0.0/16 of the existing network bridge",
        ),
        (
            "networks: [front, back]",
            "networks: [frnt, back]",
            7,
            '"frnt" is not defined: did you mean "front"?',
        ),
        ("    image", "   image", 4, "not YAML"),
        ("8000:80", "${PORT:?say which}:80", 6, "required variable PORT is missing a value: say which"),
    ],
)
def test_bad_input_is_told_and_touches_nothing(compose, stage, old, new, line, words):
    project = compose(SHOP)
    assert old in SHOP
    (project.directory / "compose.yaml").write_text(SHOP.replace(old, new, 1))
    before = stage.snapshot()
    done = project.run("up", "-d", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"compose.yaml:{line}: ")
    assert words in done.stderr
    stage.unchanged_since(before)
    assert project.ids() == {}


def test_what_runs_stays_as_it_is_when_the_file_is_bad(compose, stage):
    project = compose(SHOP)
    project.run("up", "-d")
    ids = project.ids()
    file = project.directory / "compose.yaml"
    file.write_text(SHOP.replace("networks: [back]", "networks: [bak]"))
    assert project.run("up", "-d", check=False).returncode == 1
    assert project.ids() == ids
    assert project.run("ps", "-q").stdout.count("\n") == 2
    project.run("down", "-t", "0")
    assert project.ids() == {}


def test_a_half_failed_up_can_be_repeated_and_taken_down(compose, stage):
    before = stage.snapshot()
    project = compose(
        SHOP.replace('["sh", "-c", "echo web', '["nosuch", "echo web').replace("true\n    p", "false\n    p")
    )
    failed = project.run("up", "-d", check=False)
    assert failed.returncode == 1
    assert "executable file not found" in failed.stderr
    assert stage.inspect("shop-db-1")["State"]["Running"]
    (project.directory / "compose.yaml").write_text(SHOP)
    project.run("up", "-d")
    assert stage.inspect("shop-web-1")["State"]["Running"]
    (project.directory / "compose.yaml").write_text(SHOP.replace("echo web", "echo; nosuch"))
    project.run("down", "-v", "-t", "0")
    stage.unchanged_since(before)


def test_a_port_of_somebody_else_is_told_before_anything_is_done(compose, stage):
    stage.sleeper("taken", "-p", "8000:80")
    project = compose(SHOP)
    done = project.run("up", "-d", check=False)
    assert "8000/tcp is already published by the container taken" in done.stderr
    assert project.ids() == {}


def test_a_dependency_that_fails_is_told(compose):
    project = compose("""\
services:
  init: {image: busybox, command: ["sh", "-c", "exit 4"]}
  app: {image: busybox, command: ["true"], depends_on: {init: {condition: service_completed_successfully}}}
""")
    done = project.run("up", "-d", check=False)
    assert done.returncode == 1
    assert (
        "dependency failed to start: container shop-init-1 didn't complete successfully: exit 4"
        in done.stderr
    )


def test_a_build_says_what_to_do(compose):
    project = compose("services: {a: {build: .}}")
    done = project.run("up", "-d", check=False)
    assert done.returncode == 1
    assert "docker build -t shop-a" in done.stderr


def test_unknown_commands_and_services(compose):
    project = compose(SHOP)
    assert 'Did you mean "down"' in project.run("dwon", check=False).stderr
    assert "unknown flag: --nothing" in project.run("up", "--nothing", check=False).stderr
    for words in (["up", "wbe"], ["logs", "wbe"], ["stop", "wbe"], ["run", "wbe"], ["exec", "wbe", "true"]):
        done = project.run(*words, check=False)
        assert (done.returncode, 'did you mean "web"?' in done.stderr) == (1, True), done.stderr


def test_a_fast_up(compose):
    """Twenty services come up side by side."""
    services = "".join(
        f'  s{n}: {{image: busybox, command: ["sleep", "1000"], stop_signal: SIGKILL}}\n' for n in range(20)
    )
    project = compose(f"services:\n{services}")
    begun = time.monotonic()
    project.run("up", "-d")
    project.run("down")
    assert time.monotonic() - begun < 30
