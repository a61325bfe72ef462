"""The flags of run and create, and the request body they make."""

from __future__ import annotations

import os

from linkspan.cli import publish
from linkspan.cli.flags import Flag, Options, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FLAGS = (
    Flag("add-host", "Line for /etc/hosts (name:address)", "list"),
    Flag("cap-add", "Add a capability", "list"),
    Flag("cap-drop", "Drop a capability", "list"),
    Flag("cidfile", "Write the container's id to this file"),
    Flag("cpus", "Number of processors"),
    Flag("dns", "Name server", "list"),
    Flag("dns-option", "Resolver option", "list"),
    Flag("dns-search", "Search domain", "list"),
    Flag("domainname", "Domain name"),
    Flag("entrypoint", "Command instead of the image's entry point"),
    Flag("env", "Environment variable (A=b, or A to pass ours on)", "list", short="e"),
    Flag("env-file", "File of environment variables", "list"),
    Flag("expose", "Port that -P publishes", "list"),
    Flag("hostname", "Host name", short="h"),
    Flag("init", "Reap zombies with a small init", "bool"),
    Flag("interactive", "Keep its input open", "bool", short="i"),
    Flag("ip", "IPv4 address (on a network with a subnet of its own)"),
    Flag("ip6", "IPv6 address"),
    Flag("ipc", "IPC namespace (private, host, container:NAME)"),
    Flag("label", "Label (key=value)", "list", short="l"),
    Flag("link", "Link to another container (name:alias)", "list"),
    Flag("mac-address", "MAC address"),
    Flag("memory", "Memory limit (bytes, or with k, m, g)", short="m"),
    Flag("name", "Name of the container"),
    Flag("network", "bridge, host, none, container:NAME or a network's name", "list"),
    Flag("network-alias", "Another name on the network", "list"),
    Flag("pid", "Process namespace (host, container:NAME)"),
    Flag("pids-limit", "Most processes", "number"),
    Flag("privileged", "All capabilities and devices", "bool"),
    Flag(
        "publish", "Publish a port: [ADDRESS:][HOST:]CONTAINER[/tcp|udp|sctp], ranges too", "list", short="p"
    ),
    Flag("publish-all", "Publish all exposed ports", "bool", short="P"),
    Flag("read-only", "Root file system cannot be written", "bool"),
    Flag("restart", "no, always, unless-stopped, on-failure[:N]", default="no"),
    Flag("rm", "Remove it when it ends", "bool"),
    Flag("stop-signal", "Signal that stops it"),
    Flag("stop-timeout", "Seconds until it is killed", "number"),
    Flag("sysctl", "Kernel parameter of its namespaces (key=value)", "list"),
    Flag("tmpfs", "Directory in memory", "list"),
    Flag("tty", "Give it a terminal", "bool", short="t"),
    Flag("user", "User it runs as (name or uid[:gid])", short="u"),
    Flag("volume", "Mount a directory or volume: SOURCE:TARGET[:ro]", "list", short="v"),
    Flag("workdir", "Directory it starts in", short="w"),
)


def body(options: Options, *, attached: bool) -> dict[str, Any]:
    """The body of POST /containers/create; UsageError when a flag's text is wrong."""
    image, *command = options.arguments
    bindings = publish.published(options.list("publish"))
    ports = [*bindings, *publish.exposed(options.list("expose"))]
    config: dict[str, Any] = {
        "Image": image,
        "Cmd": command or None,
        "Hostname": options.text("hostname"),
        "Domainname": options.text("domainname"),
        "User": options.text("user"),
        "AttachStdin": attached and options.on("interactive"),
        "AttachStdout": attached,
        "AttachStderr": attached,
        "Tty": options.on("tty"),
        "OpenStdin": options.on("interactive"),
        "StdinOnce": attached and options.on("interactive"),
        "Env": environment(options.list("env"), options.list("env-file")),
        "Entrypoint": [options.text("entrypoint")] if options.text("entrypoint") else None,
        "WorkingDir": options.text("workdir"),
        "Labels": pairs(options.list("label")),
        "ExposedPorts": {port: {} for port in ports},
        "StopSignal": options.text("stop-signal") or None,
        "StopTimeout": options.number("stop-timeout"),
        "Volumes": {each: {} for each in options.list("volume") if ":" not in each},
    }
    mode, endpoints = networks(options)
    host = {**_host(options, bindings), "NetworkMode": mode}
    return {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": endpoints}}


def _host(options: Options, bindings: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    name, _, retries = options.text("restart").partition(":")
    return {
        "PortBindings": bindings,
        "PublishAllPorts": options.on("publish-all"),
        "AutoRemove": options.on("rm"),
        "Binds": [each for each in options.list("volume") if ":" in each] or None,
        "Tmpfs": {path: rest for path, _, rest in (each.partition(":") for each in options.list("tmpfs"))},
        "CapAdd": options.list("cap-add") or None,
        "CapDrop": options.list("cap-drop") or None,
        "Dns": options.list("dns") or None,
        "DnsOptions": options.list("dns-option") or None,
        "DnsSearch": options.list("dns-search") or None,
        "ExtraHosts": options.list("add-host") or None,
        "Links": options.list("link") or None,
        "IpcMode": options.text("ipc"),
        "PidMode": options.text("pid"),
        "Init": True if options.on("init") else None,
        "Memory": memory(options.text("memory")),
        "NanoCpus": int(float(options.text("cpus") or 0) * 1e9),
        "PidsLimit": options.number("pids-limit"),
        "Privileged": options.on("privileged"),
        "ReadonlyRootfs": options.on("read-only"),
        "RestartPolicy": {"Name": name, "MaximumRetryCount": int(retries or 0)},
        "Sysctls": pairs(options.list("sysctl")),
    }


def networks(options: Options) -> tuple[str, dict[str, Any]]:
    """The network mode, and the settings of each endpoint by its network's name."""
    endpoints = {}
    for text in options.list("network"):
        name, settings = _endpoint(text)
        endpoints[name] = settings
    mode = next(iter(endpoints), "default")
    extra = {
        "IPAMConfig": _addresses(options.text("ip"), options.text("ip6")),
        "Aliases": options.list("network-alias") or None,
        "MacAddress": options.text("mac-address"),
    }
    given = {key: value for key, value in extra.items() if value}
    if given:
        endpoints[mode] = {**endpoints.get(mode, {}), **given}
    return mode, {name: settings for name, settings in endpoints.items() if settings or len(endpoints) > 1}


def _endpoint(text: str) -> tuple[str, dict[str, Any]]:
    """One --network: a name, or "name=front,alias=a,ip=…,mac-address=…,driver-opt=k=v,gw-priority=1"."""
    if "=" not in text:
        return text, {}
    settings: dict[str, Any] = {}
    fields: dict[str, list[str]] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        fields.setdefault(key.strip(), []).append(value)
    name = fields.pop("name", [""])[0]
    for key, values in fields.items():
        if key == "alias":
            settings["Aliases"] = values
        elif key in ("ip", "ip6"):
            ip, ip6 = fields.get("ip", [""])[0], fields.get("ip6", [""])[0]
            settings["IPAMConfig"] = _addresses(ip, ip6)
        elif key == "mac-address":
            settings["MacAddress"] = values[0]
        elif key == "driver-opt":
            settings["DriverOpts"] = pairs(values)
        elif key == "gw-priority":
            settings["GwPriority"] = int(values[0])
        else:
            raise UsageError(f"invalid field key {key}")
    if not name:
        raise UsageError("network name is not set")
    return name, settings


def _addresses(ip: str, ip6: str) -> dict[str, str]:
    return {key: value for key, value in (("IPv4Address", ip), ("IPv6Address", ip6)) if value}


def environment(given: list[str], files: list[str]) -> list[str]:
    """The variables of --env-file and -e; a name without = takes our own value, or is left out."""
    lines = []
    for path in files:
        with open(path) as file:
            lines += [line.strip() for line in file if line.strip() and not line.startswith("#")]
    wanted = []
    for text in [*lines, *given]:
        if "=" in text:
            wanted.append(text)
        elif text in os.environ:
            wanted.append(f"{text}={os.environ[text]}")
    return wanted


def pairs(texts: list[str]) -> dict[str, str]:
    """key=value texts as a dict; a key alone has an empty value."""
    return {key: value for key, _, value in (each.partition("=") for each in texts)}


def memory(text: str) -> int:
    """Bytes of "512m", "1g", "65536"; UsageError for anything else."""
    units = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    number = text.lower().removesuffix("b") if text[-1:].lower() == "b" and text[:-1] else text.lower()
    unit = units.get(number[-1:], 1)
    digits = number.rstrip("bkmg")
    if text and not digits.replace(".", "", 1).isdigit():
        raise UsageError(f'invalid argument "{text}" for "-m, --memory" flag: invalid size: \'{text}\'')
    return int(float(digits or 0) * unit)
