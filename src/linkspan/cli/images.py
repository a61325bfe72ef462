"""images, pull, load, import, tag, rmi: where containers' files come from."""

from __future__ import annotations

import sys

from linkspan.cli import tables
from linkspan.cli.client import ClientError
from linkspan.cli.containers import each, filters, formatted
from linkspan.cli.flags import Command, Flag, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, BinaryIO, TextIO

    from linkspan.cli.client import Client


def split_reference(reference: str) -> tuple[str, str]:
    """Name and tag of "name[:tag]" or "name@digest"; no tag means latest."""
    if "@" in reference:
        name, _, digest = reference.partition("@")
        return name, digest
    head, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag or "latest"


def _images(options: Options, client: Client) -> int:
    found = client.get("/images/json", all=options.on("all") or None, filters=filters(options))
    whole = options.on("no-trunc")
    if options.on("quiet"):
        for image in found:
            print(image["Id"] if whole else tables.short(image["Id"]))
        return 0
    rows = [row for image in found for row in _rows(image, whole)]
    if options.given("format"):
        formatted(options.text("format"), rows)
        return 0
    titles = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")
    keys = ("Repository", "Tag", "ID", "CreatedSince", "Size")
    print(tables.table(titles, [[row[key] for key in keys] for row in rows]))
    return 0


def _rows(image: dict[str, Any], whole: bool) -> Iterator[dict[str, str]]:
    for reference in image["RepoTags"] or ["<none>:<none>"]:
        name, _, tag = reference.rpartition(":")
        yield {
            "Repository": name,
            "Tag": tag,
            "ID": image["Id"] if whole else tables.short(image["Id"]),
            "CreatedSince": tables.ago(image["Created"]),
            "Size": tables.size(image["Size"]),
        }


def _pull(options: Options, client: Client) -> int:
    pull(client, options.arguments[0], quiet=options.on("quiet"), output=sys.stdout)
    return 0


def pull(client: Client, reference: str, *, quiet: bool, output: TextIO) -> None:
    """Download an image and show how it goes; ClientError when it fails on the way."""
    name, tag = split_reference(reference)
    if not quiet and ":" not in reference.rpartition("/")[2] and "@" not in reference:
        print("Using default tag: latest", file=output)
    response = client.send("POST", "/images/create", query={"fromImage": name, "tag": tag})
    show_progress(response.documents(), output, quiet=quiet)
    if quiet:
        print(reference, file=output)


def show_progress(documents: Iterable[Any], output: TextIO, *, quiet: bool = False) -> None:
    """Show the progress messages of pull, load and import: a line for each layer, rewritten on a terminal."""
    lines: dict[str, int] = {}
    terminal = output.isatty()
    for document in documents:
        if "error" in document:
            raise ClientError(str(document["error"]))
        if quiet:
            continue
        if "stream" in document:
            print(document["stream"], end="", file=output)
        elif terminal and document.get("id"):
            _rewrite(lines, document, output)
        elif not document.get("progressDetail"):
            prefix = f"{document['id']}: " if document.get("id") else ""
            print(f"{prefix}{document.get('status', '')}", file=output)
        output.flush()


def _rewrite(lines: dict[str, int], document: dict[str, Any], output: TextIO) -> None:
    text = f"{document['id']}: {document.get('status', '')} {document.get('progress', '')}".rstrip()
    if document["id"] not in lines:
        lines[document["id"]] = len(lines)
        print(text, file=output)
        return
    up = len(lines) - lines[document["id"]]
    print(f"\033[{up}A\r\033[2K{text}\033[{up}B\r", end="", file=output)


def _load(options: Options, client: Client) -> int:
    return _send_archive(options.text("input") or "-", client, "/images/load", {"quiet": options.on("quiet")})


def _import(options: Options, client: Client) -> int:
    source, *target = options.arguments
    name, tag = split_reference(target[0]) if target else ("", "")
    query: dict[str, object] = {
        "fromSrc": "-",
        "repo": name or None,
        "tag": tag or None,
        "message": options.text("message") or None,
        "changes": options.list("change") or None,
    }
    return _send_archive(source, client, "/images/create", query)


def _send_archive(source: str, client: Client, path: str, query: dict[str, object]) -> int:
    if source == "-":
        _post_archive(sys.stdin.buffer, client, path, query)
        return 0
    try:
        with open(source, "rb") as file:
            _post_archive(file, client, path, query)
    except OSError as error:
        print(f"open {source}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    return 0


def _post_archive(file: BinaryIO, client: Client, path: str, query: dict[str, object]) -> None:
    response = client.send("POST", path, stream=iter(lambda: file.read(65536), b""), query=query)
    show_progress(response.documents(), sys.stdout)


def _tag(options: Options, client: Client) -> int:
    source, target = options.arguments
    name, tag = split_reference(target)
    client.post(f"/images/{source}/tag", None, repo=name, tag=tag)
    return 0


def _rmi(options: Options, client: Client) -> int:
    def remove(name: str) -> None:
        force = options.on("force") or None
        for change in client.call("DELETE", f"/images/{name}", None, force=force):
            for word, what in change.items():
                print(f"{word}: {what}")

    return each(options.arguments, remove, show=False)


IMAGES = Command(
    "images",
    "[OPTIONS]",
    "List images",
    _images,
    (
        Flag("all", "Show all images", "bool", short="a"),
        Flag("filter", "Show only what matches (reference=busy*, dangling=true, …)", "list", short="f"),
        Flag("format", "Print by a template ('{{.Repository}}:{{.Tag}}', 'table …' or 'json')"),
        Flag("no-trunc", "Show ids in full", "bool"),
        Flag("quiet", "Show ids only", "bool", short="q"),
    ),
    maximum=0,
)
PULL = Command(
    "pull",
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    _pull,
    (Flag("quiet", "Show the name only", "bool", short="q"),),
    examples="linkspan pull localhost:5000/busybox:1.36",
    minimum=1,
    maximum=1,
)
LOAD = Command(
    "load",
    "[OPTIONS]",
    "Load images from a tar archive (docker save, OCI layout) or STDIN",
    _load,
    (
        Flag("input", "The archive's file", short="i"),
        Flag("quiet", "Show the result only", "bool", short="q"),
    ),
    examples="linkspan load -i image.tar\nlinkspan load < image.tar",
    maximum=0,
)
IMPORT = Command(
    "import",
    "[OPTIONS] FILE|- [NAME[:TAG]]",
    "Make an image of the contents of a tar archive",
    _import,
    (
        Flag("change", 'Instruction for the image (CMD ["sh"], ENV A=b, EXPOSE 80, …)', "list", short="c"),
        Flag("message", "Comment of the image", short="m"),
    ),
    examples="tar -C rootfs -c . | linkspan import - mine:latest",
    minimum=1,
    maximum=2,
)
TAG = Command("tag", "SOURCE[:TAG] TARGET[:TAG]", "Give an image another name", _tag, minimum=2, maximum=2)
RMI = Command(
    "rmi",
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove images, or names of them",
    _rmi,
    (Flag("force", "Also if containers or other names use it", "bool", short="f"),),
    minimum=1,
)
