"""Mounts of a service as the daemon's HostConfig has them: binds where those say enough (pure)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

from linkspan.compose.project import Project, Service


def mounts(project: Project, service: Service, inherited: Mapping[str, str]) -> dict[str, Any]:
    """Binds, Mounts and Tmpfs; `inherited`: target -> anonymous volume of the container before."""
    binds, found = [], []
    for each in service.get("volumes") or ():
        text = _bind(project, each)
        if text:
            binds.append(text)
        else:
            found.append(_mount(project, each, inherited))
    targets = {str(each["target"]) for each in service.get("volumes") or ()}
    binds += [f"{name}:{target}" for target, name in inherited.items() if target not in targets]
    found += [_file_mount(source, target) for source, target in _files(project, service)]
    tmpfs = {
        path: options for path, _, options in (str(t).partition(":") for t in service.get("tmpfs") or ())
    }
    return {"Binds": binds, "Mounts": found, "Tmpfs": tmpfs}


def _bind(project: Project, each: Mapping[str, Any]) -> str:
    """The mount as "source:target:options", or "" when that cannot say all of it."""
    options = ["ro" if each.get("read_only") else "rw"]
    if each["type"] == "bind":
        details = each.get("bind") or {}
        if not details.get("create_host_path"):
            return ""
        options += [details[key] for key in ("selinux", "propagation") if details.get(key)]
        return f"{each['source']}:{each['target']}:{','.join(options)}"
    details = each.get("volume") or {}
    if each["type"] != "volume" or not each.get("source") or details.get("subpath") or details.get("labels"):
        return ""
    options += ["nocopy"] if details.get("nocopy") else []
    return f"{_volume_name(project, each)}:{each['target']}:{','.join(options)}"


def _volume_name(project: Project, each: Mapping[str, Any]) -> str:
    source = str(each.get("source") or "")
    return str(project.volumes[source]["name"]) if source in project.volumes else source


def _mount(project: Project, each: Mapping[str, Any], inherited: Mapping[str, str]) -> dict[str, Any]:
    kind = each["type"]
    found: dict[str, Any] = {"Type": kind, "Target": each["target"], "ReadOnly": bool(each.get("read_only"))}
    details = each.get(kind) or {}
    if kind == "bind":
        found["Source"] = each["source"]
        if details.get("propagation"):
            found["BindOptions"] = {"Propagation": details["propagation"]}
    elif kind == "tmpfs":
        options = {"SizeBytes": int(details.get("size", 0)), "Mode": details.get("mode", 0)}
        found["TmpfsOptions"] = {key: value for key, value in options.items() if value}
    elif kind == "volume":
        found["Source"] = _volume_name(project, each) or inherited.get(str(each["target"]), "")
        options = {
            "NoCopy": details.get("nocopy"),
            "Labels": details.get("labels"),
            "Subpath": details.get("subpath"),
        }
        found["VolumeOptions"] = {key: value for key, value in options.items() if value}
    elif each.get("source"):
        found["Source"] = each["source"]
    return found


def _grants(project: Project, service: Service) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """(definition, path in the container, grant) of every secret and config."""
    for grant in service.get("secrets") or ():
        target = str(grant.get("target") or grant["source"])
        path = target if target.startswith("/") else f"/run/secrets/{target}"
        yield project.secrets[grant["source"]], path, grant
    for grant in service.get("configs") or ():
        target = str(grant.get("target") or f"/{grant['source']}")
        yield project.configs[grant["source"]], target if target.startswith("/") else f"/{target}", grant


def _files(project: Project, service: Service) -> Iterator[tuple[str, str]]:
    for definition, path, _ in _grants(project, service):
        if definition.get("file"):
            yield str(definition["file"]), path


def _file_mount(source: str, target: str) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}


def written_files(project: Project, service: Service) -> bytes:
    """A tar of the secrets and configs whose text is in the compose file or the environment; b"" for none."""
    stream = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for definition, path, grant in _grants(project, service):
            content = definition.get("content")
            if definition.get("environment"):
                content = project.environment.get(str(definition["environment"]), "")
            if content is None:
                continue
            data = str(content).encode()
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(data), int(str(grant.get("mode", "0444")), 8)
            member.uid, member.gid = int(grant.get("uid", 0) or 0), int(grant.get("gid", 0) or 0)
            archive.addfile(member, io.BytesIO(data))
            count += 1
    return stream.getvalue() if count else b""
