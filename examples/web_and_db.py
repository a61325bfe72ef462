"""Two containers on a network of their own, with the Python SDK: python examples/web_and_db.py [SOCKET]."""

from __future__ import annotations

import sys

import docker

SOCKET = sys.argv[1] if len(sys.argv) > 1 else "/run/linkspan/linkspan.sock"


def main() -> None:
    client = docker.DockerClient(base_url=f"unix://{SOCKET}")
    network = client.networks.create("example-front", labels={"example": "web-and-db"})
    try:
        db = client.containers.run(
            "busybox", ["sleep", "1000"], name="example-db", network=network.name, detach=True
        )
        web = client.containers.run(
            "busybox",
            ["sh", "-c", "echo hello >/tmp/index.html; exec httpd -f -h /tmp"],
            name="example-web",
            network=network.name,
            ports={"80/tcp": None},
            detach=True,
        )
        web.reload()
        port = web.ports["80/tcp"][0]["HostPort"]
        address = web.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        print(f"web has {address} and answers on port {port} of this host")
        code, answer = db.exec_run(["wget", "-qO-", f"http://{address}/"])
        print(f"db asks web: {answer.decode().strip()} (exit code {code})")
    finally:
        for container in client.containers.list(all=True, filters={"name": "example-"}):
            container.remove(force=True)
        network.remove()
        client.close()


if __name__ == "__main__":
    main()
