"""The images of a project: which are missing, who may download them, and what to do where only `build` is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from linkspan.compose.daemon import Daemon, Refused
from linkspan.compose.errors import Problem, refuse
from linkspan.compose.execution import PARALLEL, Failure, Reporter
from linkspan.compose.project import Project, Service
from linkspan.compose.state import State
from linkspan.compose.steps import Step

_NEVER = ("never", "build")


def to_pull(project: Project, names: Iterable[str], seen: State, policy: str = "") -> list[str]:
    """The images to download first, by each service's pull_policy or the one given for all."""
    found: dict[str, None] = {}
    for name in names:
        service = project.services[name]
        image = service.image(project.name)
        wanted = policy or service.get("pull_policy") or ("build" if not service.get("image") else "missing")
        missing = image not in seen.images and not service.get("build")
        if wanted == "always" or (missing and wanted not in _NEVER):
            found[image] = None
    return list(found)


def refuse_unbuilt(project: Project, names: Iterable[str], seen: State, pulled: Sequence[str]) -> None:
    """ComposeError for services whose image is not here and will not come."""
    problems = []
    for name in names:
        service = project.services[name]
        image = service.image(project.name)
        if image in seen.images or image in pulled:
            continue
        mark = service.definition.marks.get("build" if service.get("build") else "image")
        what = f"the image {image} is not here, and pull_policy forbids to download it"
        if service.get("build"):
            what = f"the image {image} is not here, and compose builds none. {_advice(project, service)}"
        problems.append(Problem(what, ("services", name), mark))
    refuse(problems)


def how_to_build(project: Project, names: Iterable[str]) -> list[str]:
    """A sentence for each service that has a `build`."""
    built = [project.services[name] for name in names if project.services[name].get("build")]
    return [f"services.{each.name}: compose builds no images. {_advice(project, each)}" for each in built]


def _advice(project: Project, service: Service) -> str:
    build, image = service.get("build"), service.image(project.name)
    context = str(build.get("context", "."))
    words = ["docker", "build", "-t", image]
    if build.get("dockerfile") not in (None, "Dockerfile"):
        words += ["-f", f"{context}/{build['dockerfile']}"]
    words += ["--target", build["target"]] if build.get("target") else []
    for key, value in (build.get("args") or {}).items():
        words += ["--build-arg", f"{key}={value}" if value is not None else key]
    command = shlex.join([*words, context])
    return (
        f"Build it with `DOCKER_BUILDKIT=0 {command}`, DOCKER_HOST leading to this daemon (or elsewhere, and "
        f"bring it here: `docker save {image} | linkspan load`), then run this again"
    )


def all_of(project: Project, names: Iterable[str]) -> list[str]:
    """The images that can be downloaded."""
    found = [project.services[name].get("image") for name in names if not project.services[name].get("build")]
    return list(dict.fromkeys(image for image in found if image))


def pull(wanted: Sequence[str], daemon: Daemon, reporter: Reporter) -> list[Failure]:
    """Download images, several at once."""
    steps = [Step(f"pull:{image}", f"Image {image}", "Pulling", "Pulled") for image in wanted]

    def one(step: Step) -> Failure | None:
        reporter.begin(step)
        try:
            _download(daemon, step.key.removeprefix("pull:"))
        except Refused as error:
            reporter.fail(step, str(error))
            return Failure(step, str(error))
        reporter.end(step)
        return None

    with ThreadPoolExecutor(PARALLEL) as pool:
        return [failure for failure in pool.map(one, steps) if failure]


def _download(daemon: Daemon, image: str) -> None:
    name, tag = image, "latest"
    if "@" in image:
        name, _, tag = image.partition("@")
    elif ":" in image.rpartition("/")[2]:
        name, _, tag = image.rpartition(":")
    answer = daemon.send("POST", "/images/create", query={"fromImage": name, "tag": tag})
    for document in answer.documents():
        if "error" in document:
            raise Refused(str(document["error"]), 500)
