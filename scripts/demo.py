"""Plays the whole story in a throwaway host, with the commands a person would type and what they answer.

Every step says what it expects; the first one that does not come true ends the demo with exit code 1.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

from linkspan.lab import Lab, LabError

GREEN, BOLD, DIM, END = ("\033[32m", "\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 4

#: A web server whose pages say who was asked and, at /cgi-bin/ip, who has asked.
SHOP = (
    "mkdir -p /www/cgi-bin; echo the shop answers >/www/index.html; "
    r"""printf '#!/bin/sh\necho\necho you came from $REMOTE_ADDR\n' >/www/cgi-bin/ip; """
    "chmod +x /www/cgi-bin/ip; exec httpd -f -h /www -p 0.0.0.0:80"
)


#: A project of two services; the web server publishes a port that Docker may choose.
PROJECT = """\
services:
  web:
    image: busybox
    command: ["sh", "-c", "hostname >/tmp/index.html; exec httpd -f -h /tmp"]
    stop_signal: SIGKILL
    ports: ["80"]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: busybox
    command: ["sh", "-c", "echo rows >/tmp/index.html; exec httpd -f -h /tmp -p 0.0.0.0:5432"]
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1:5432/"], interval: 200ms, retries: 20}
"""


class Unexpected(Exception):
    """A step did not answer what it should."""


class Demo:
    """The lab, and the way a step is shown."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin", str(Path(sys.executable).parent)])
        self._env = {**lab.client_env, "PATH": path}

    def compose(self, file: Path) -> str:
        """The real compose that is installed, the new one if there is a choice; it will read `file`."""
        self._env["COMPOSE_FILE"] = str(file)
        found = self.lab.run("host", "docker", "compose", "version", env=self._env, check=False)
        return "docker compose" if found.code == 0 else "docker-compose"

    def chapter(self, title: str) -> None:
        print(f"\n{BOLD}── {title} {'─' * (96 - len(title))}{END}")

    def say(self, text: str) -> None:
        print(f"{DIM}# {text}{END}")

    def type(
        self,
        command: str,
        *expected: str,
        where: str = "host",
        absent: str = "",
        fails: bool = False,
        quiet: bool = False,
        patience: float = 0,
    ) -> str:
        """Show and run a command; `expected` patterns must be in its output and `absent` must not.

        With `fails` it must not succeed. `patience` is how many seconds it is tried again (servers that are
        just starting). With `quiet` a long output is cut to the lines that matter.
        """
        print(f"{GREEN}{where}${END} {command}", flush=True)
        deadline = time.monotonic() + patience
        while True:
            result = self.lab.run(where, "bash", "-c", command, env=self._env, check=False)
            problem = _problem(result.both, result.code, expected, absent, fails)
            if not problem or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        shown = _cut(result.both, expected) if quiet else result.both
        print(shown, end="" if shown.endswith("\n") or not shown else "\n", flush=True)
        if problem:
            raise Unexpected(f"{command}\n{problem}\n{result.both}\n{self.lab.daemon_log(25)}")
        return result.out.strip()


def _problem(output: str, code: int, expected: tuple[str, ...], absent: str, fails: bool) -> str:
    if bool(code) != fails:
        return f"exited {code}"
    missing = [pattern for pattern in expected if not re.search(pattern, output, re.MULTILINE)]
    if missing:
        return f"does not show: {', '.join(missing)}"
    if absent and re.search(absent, output, re.MULTILINE):
        return f"should not show: {absent}"
    return ""


def _cut(output: str, expected: tuple[str, ...]) -> str:
    lines = output.splitlines()
    kept = [line for line in lines if any(re.search(pattern, line) for pattern in expected)]
    left_out = len(lines) - len(kept)
    return "\n".join([*kept, f"… {left_out} more lines"] if left_out else kept)


def start(demo: Demo) -> None:
    demo.chapter("1. The engine starts")
    demo.say("A host in a namespace of its own, with a LAN (10.0.0.0/24) and an internet behind its router.")
    demo.type("ip -br addr", r"eth0.*10\.0\.0\.5/24", r"eth1.*100\.64\.0\.2/24")
    print(f"{GREEN}host${END} linkspan daemon &")
    demo.lab.daemon()
    demo.type("docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}'", r"API 1\.\d+")
    demo.type("ip addr show docker0", r"inet 172\.17\.0\.1/16")
    demo.type("cat /proc/sys/net/ipv4/ip_forward", "^1$")
    demo.type("docker images", "busybox +latest")


def two_containers(demo: Demo) -> None:
    demo.chapter("2. Two containers on docker0")
    demo.type("docker run -d --name web busybox sleep 1000", "^[0-9a-f]{64}$")
    demo.type("docker run -d --name db busybox sleep 1000", "^[0-9a-f]{64}$")
    demo.type("ip link ls", "docker0:", r"veth[0-9a-f]{7}@if\d+: .* master docker0", "link-netnsid")
    demo.type("brctl show docker0", "veth[0-9a-f]{7}")
    demo.type("docker exec web ip addr show eth0", r"eth0@if\d+", r"inet 172\.17\.0\.2/16")
    demo.type("docker exec db ip addr show eth0", r"eth0@if\d+", r"inet 172\.17\.0\.3/16")
    demo.type("docker exec web ip route", r"default via 172\.17\.0\.1 dev eth0")
    demo.say(
        "web reaches db; and, masqueraded, an address in the internet that knows no way back to containers."
    )
    demo.type("docker exec web ping -c 2 172.17.0.3", "0% packet loss")
    demo.type("docker exec web ping -c 1 198.51.100.1", "0% packet loss")


def publish(demo: Demo) -> None:
    demo.chapter("3. docker run -p 8080:80")
    demo.type(
        f"docker container run -d --name shop -p 8080:80 busybox sh -c {_quoted(SHOP)}", "^[0-9a-f]{64}$"
    )
    demo.type("docker ps", r"0\.0\.0\.0:8080->80/tcp, (\[::\]|::):8080->80/tcp")
    demo.type("netstat -nlp | grep 8080", r"tcp .*:8080 .*linkspan-proxy", r"tcp6 .*:8080 .*linkspan-proxy")
    demo.type(
        "iptables -t nat -L -n",
        r"MASQUERADE .* 172\.17\.0\.0/16",
        r"MASQUERADE .* 172\.17\.0\.4 +172\.17\.0\.4 +tcp dpt:80",
        r"RETURN",
        r"DNAT .* tcp dpt:8080 to:172\.17\.0\.4:80",
    )
    demo.say("From the LAN: by DNAT, and the container sees who asks.")
    demo.type("curl -s http://10.0.0.5:8080/", "the shop answers", where="lan", patience=3)
    demo.type("curl -s http://10.0.0.5:8080/cgi-bin/ip", r"you came from 10\.0\.0\.9", where="lan")
    demo.say("From the host: its own address by DNAT; loopback, IPv4 and IPv6, through the proxy.")
    demo.type("curl -s http://10.0.0.5:8080/cgi-bin/ip", r"10\.0\.0\.5")
    demo.type("curl -s http://127.0.0.1:8080/cgi-bin/ip", r"172\.17\.0\.1")
    demo.type("curl -s http://[::1]:8080/cgi-bin/ip", r"172\.17\.0\.1")
    demo.say("From another container by the host's address, and from the container itself (hairpin).")
    demo.type("docker exec web wget -qO- http://10.0.0.5:8080/", "the shop answers")
    demo.type("docker exec shop wget -qO- http://10.0.0.5:8080/", "the shop answers")


def modes(demo: Demo) -> None:
    demo.chapter("4. The four modes")
    demo.say("host: the host's own links; -p means nothing there, and is said to.")
    demo.type("docker run --rm --network host -p 81:80 busybox ip -o link", "WARNING", "docker0:", "eth1@")
    demo.say("container: the same links and addresses as shop's, and its 127.0.0.1.")
    demo.type("docker run --rm --network container:shop busybox ip -o -4 addr", r"172\.17\.0\.4/16")
    demo.type(
        "docker run --rm --network container:shop busybox wget -qO- http://127.0.0.1/", "the shop answers"
    )
    demo.type(
        "docker run --rm --network container:shop -p 82:80 busybox true",
        "conflicting options: port publishing and the container type network mode",
        fails=True,
    )
    demo.say("none: loopback only.")
    demo.type("docker run --rm --network none busybox ip -o link", "lo:", absent="eth0")


def networks(demo: Demo) -> None:
    demo.chapter("5. Networks of one's own")
    demo.type("docker network create front", "^[0-9a-f]{64}$")
    demo.type("docker network create --subnet 10.7.0.0/24 --gateway 10.7.0.254 --label tier=data back", ".")
    demo.type("docker network ls", "front +bridge", "back +bridge")
    demo.type("ip -br addr", r"br-[0-9a-f]{12} .*172\.18\.0\.1/16", r"br-[0-9a-f]{12} .*10\.7\.0\.254/24")
    demo.type(f"docker run -d --name c1 --network front busybox sh -c {_quoted(SHOP)}", ".")
    demo.type("docker run -d --name c2 --network back --ip 10.7.0.7 busybox sleep 1000", ".")
    demo.say("Networks do not reach each other …")
    demo.type("docker exec c2 nc -w 1 172.18.0.2 80", "timed out", fails=True)
    demo.say("… until a container is connected to both, while it runs; then names lead there too.")
    demo.type("docker network connect front c2")
    demo.type("docker exec c2 ip -o -4 addr", r"eth0 .*10\.7\.0\.7/24", r"eth1 .*172\.18\.0\.3/16")
    demo.type("docker exec c2 wget -qO- http://c1/", "the shop answers", patience=2)
    demo.type("docker network disconnect front c2")
    demo.type("docker network rm front", "has active endpoints", fails=True)
    demo.type("docker rm -f c1 c2", "c1", "c2")
    demo.type("docker network prune -f", "front", "back")


def ports(demo: Demo) -> None:
    demo.chapter("6. A thousand ports are one rule")
    demo.type("time docker run -d --name many -p 9000-9999:9000-9999 busybox httpd -f -p 9500", "real")
    demo.type("iptables -t nat -S DOCKER | grep 9000", "--dport 9000:9999 -j DNAT")
    demo.type("pgrep -c linkspan-proxy", "^1$")
    demo.type(
        "curl -s -o /dev/null -w '%{http_code}\\n' http://10.0.0.5:9500/", "^404$", where="lan", patience=3
    )
    demo.type("docker ps --filter name=many --format '{{.Ports}}'", r"0\.0\.0\.0:9000-9999->9000-9999/tcp")
    demo.say("A taken port is refused, and nothing of the attempt is left.")
    demo.type("docker run --name late -p 8080:80 busybox true", "port is already allocated", fails=True)
    demo.type("docker rm late", "late")


def projects(demo: Demo) -> None:
    demo.chapter("7. Compose: each project a network of its own")
    file = demo.lab.directory / "compose.yaml"
    file.write_text(PROJECT)
    compose = demo.compose(file)
    print(f"{GREEN}host${END} cat compose.yaml\n{PROJECT}", end="")
    demo.type(f"{compose} -p one up -d", "one.web.1")
    demo.type(f"{compose} -p two up -d", "two.web.1")
    demo.type("ip link ls type bridge", r"br-[0-9a-f]{12}:(.|\n)*br-[0-9a-f]{12}:")
    demo.say("Services find each other by name, each in its own project.")
    demo.type(f"{compose} -p one exec -T web cat /etc/resolv.conf", r"nameserver 127\.0\.0\.11", quiet=True)
    demo.type(f"{compose} -p one exec -T web nslookup -type=a db", r"Name:\s+db\nAddress: 172\.")
    demo.type(f"{compose} -p one exec -T web wget -qO- http://db:5432/", "^rows$")
    demo.say("Projects do not reach each other, nor docker0, whatever address they try …")
    address = demo.type(f"{compose} -p two exec -T db hostname -i", r"^172\.")
    demo.type(f"{compose} -p one exec -T web nc -w 1 {address} 5432", "timed out", fails=True)
    demo.type(f"docker exec web nc -w 1 {address} 5432", "timed out", fails=True)
    demo.say("… but for the ports that are published.")
    port = demo.type(f"{compose} -p two port web 80", r":\d+$").rpartition(":")[2]
    demo.type(f"{compose} -p one exec -T web wget -qO- http://10.0.0.5:{port}/", "^[0-9a-f]{12}$")
    demo.type(f"curl -s http://10.0.0.5:{port}/", "^[0-9a-f]{12}$", where="lan")
    demo.say("Up again changes nothing; three replicas share the service's name.")
    before = demo.type(f"{compose} -p one ps -q", "[0-9a-f]{64}")
    demo.type(f"{compose} -p one up -d --scale web=3", "one.web.3")
    demo.type(f"{compose} -p one exec -T db nslookup -type=a web", r"(Name:\s+web\nAddress: .*\n){3}")
    after = demo.type(f"{compose} -p one ps -q", *before.split())
    if len(after.split()) != 4:
        raise Unexpected(f"four containers were expected:\n{after}")
    demo.type(f"{compose} -p one down", "one_default")
    demo.type(f"{compose} -p two down", "two_default")
    demo.type("ip link ls type bridge", "docker0", absent="br-")


def life(demo: Demo) -> None:
    demo.chapter("8. A container's life")
    demo.type(
        "docker run --rm busybox sh -c 'echo to stdout; echo to stderr >&2; exit 3'; echo exit code $?",
        "code 3",
    )
    demo.type("docker run --name job busybox seq 1 3 && docker logs job && docker rm job", "^3$")
    demo.type("docker run --rm busybox nonexistent", "executable file not found", fails=True)
    demo.type("docker stop -t 0 db && docker start db", "db")
    demo.type("docker top db", "sleep 1000")
    demo.type(
        "docker events --since 1m --until $(date +%s.%N) --filter container=db", "container start", quiet=True
    )
    demo.type("linkspan ps", "CONTAINER ID", "shop")


def removal(demo: Demo) -> None:
    demo.chapter("9. docker rm -f, and nothing is left")
    demo.type("docker rm -f web db shop many", "shop")
    demo.type("ip link ls", "docker0", absent="veth")
    demo.type("ss -Hnlt", absent=":8080|:9000")
    demo.type("iptables -t nat -S", "-N DOCKER", absent="DNAT")
    demo.type("ps -eo args | grep -c '[c]onmon'", "^0$", fails=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def main() -> int:
    """Play it; 0 when every step has come true and the host is as it was before the first container."""
    began = time.monotonic()
    try:
        with Lab() as lab:
            demo = Demo(lab)
            start(demo)
            before = lab.snapshot()
            for part in (two_containers, publish, modes, networks, ports, projects, life, removal):
                part(demo)
            time.sleep(0.2)
            left = before.difference(lab.snapshot())
            if left:
                raise Unexpected(f"the host is not what it was before the first container:\n{left}")
            demo.say("Links, addresses, routes, rules, sockets, mounts, processes, files: as before.")
            lab.stop_daemon()
    except (Unexpected, LabError) as error:
        print(f"\ndemo: failed: {error}", file=sys.stderr)
        return 1
    print(
        f"\n{BOLD}All of it came true, in {time.monotonic() - began:.0f} s. The throwaway host is gone.{END}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
