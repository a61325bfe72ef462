"""A network and IPAM plugin as small as can be, speaking Docker's plugin protocol; run on the lab's host.

usage: plugin_demo.py SOCKET LOG     every call is written to LOG, a line of JSON each
"""

import ipaddress
import json
import os
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SOCKET, LOG = Path(sys.argv[1]), Path(sys.argv[2])
POOL = ipaddress.ip_network("10.99.0.0/24")
GIVEN: set[str] = set()


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


class Refused(Exception):
    pass


def names(body: dict) -> tuple[str, str, str]:
    """Bridge of the network, host end and container end of the endpoint."""
    return f"pb{body['NetworkID'][:8]}", f"pv{body['EndpointID'][:8]}", f"pc{body['EndpointID'][:8]}"


def activate(body: dict) -> dict:
    return {"Implements": ["NetworkDriver", "IpamDriver"]}


def capabilities(body: dict) -> dict:
    return {"Scope": "local", "ConnectivityScope": "local"}


def create_network(body: dict) -> dict:
    options = body["Options"]["com.docker.network.generic"]
    if options.get("fail"):
        raise Refused("this network cannot be")
    while (gate := options.get("gate")) and not Path(gate).exists():
        time.sleep(0.02)
    bridge = f"pb{body['NetworkID'][:8]}"
    ip(f"link add {bridge} type bridge")
    ip(f"link set {bridge} up")
    ip(f"address add {body['IPv4Data'][0]['Gateway']} dev {bridge}")
    return {}


def delete_network(body: dict) -> dict:
    if LOG.with_suffix(".keep").exists():
        raise Refused("this network stays")
    ip(f"link del pb{body['NetworkID'][:8]}")
    return {}


def create_endpoint(body: dict) -> dict:
    bridge, host, inner = names(body)
    ip(f"link add {host} type veth peer name {inner}")
    ip(f"link set {host} master {bridge} up")
    mac = ":".join(["02", "99", *(body["EndpointID"][i : i + 2] for i in range(0, 8, 2))])
    return {"Interface": {} if body["Interface"]["MacAddress"] else {"MacAddress": mac}}


def delete_endpoint(body: dict) -> dict:
    ip(f"link del {names(body)[1]}")
    return {}


def join(body: dict) -> dict:
    if not Path(body["SandboxKey"]).exists():
        raise Refused("there is no sandbox")
    return {
        "InterfaceName": {"SrcName": names(body)[2], "DstPrefix": "plug"},
        "Gateway": "10.99.0.1",
        "StaticRoutes": [
            {"Destination": "10.123.0.0/16", "RouteType": 0, "NextHop": "10.99.0.1"},
            {"Destination": "10.124.0.0/16", "RouteType": 1},
        ],
    }


def spaces(body: dict) -> dict:
    return {"LocalDefaultAddressSpace": "here", "GlobalDefaultAddressSpace": "there"}


def request_pool(body: dict) -> dict:
    return {"PoolID": "pool-1", "Pool": body["Pool"] or str(POOL), "Data": {}}


def request_address(body: dict) -> dict:
    wanted = body["Address"] or next(str(host) for host in POOL.hosts() if str(host) not in GIVEN)
    if wanted in GIVEN:
        raise Refused("address taken")
    GIVEN.add(wanted)
    return {"Address": f"{wanted}/24"}


def release_address(body: dict) -> dict:
    GIVEN.discard(body["Address"])
    return {}


METHODS = {
    "Plugin.Activate": activate,
    "NetworkDriver.GetCapabilities": capabilities,
    "NetworkDriver.CreateNetwork": create_network,
    "NetworkDriver.DeleteNetwork": delete_network,
    "NetworkDriver.CreateEndpoint": create_endpoint,
    "NetworkDriver.DeleteEndpoint": delete_endpoint,
    "NetworkDriver.Join": join,
    "IpamDriver.GetDefaultAddressSpaces": spaces,
    "IpamDriver.RequestPool": request_pool,
    "IpamDriver.RequestAddress": request_address,
    "IpamDriver.ReleaseAddress": release_address,
}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        method = self.path.lstrip("/")
        with LOG.open("a") as log:
            log.write(json.dumps({"method": method, "body": body}) + "\n")
        try:
            self.answer(200, METHODS.get(method, lambda body: {})(body))
        except Refused as refusal:
            self.answer(500, {"Err": str(refusal)})

    def answer(self, status: int, document: dict) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.2+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def address_string(self) -> str:
        return "daemon"


SOCKET.parent.mkdir(parents=True, exist_ok=True)
SOCKET.with_suffix(".pid").write_text(str(os.getpid()))
socketserver.ThreadingUnixStreamServer(str(SOCKET), Handler).serve_forever()
