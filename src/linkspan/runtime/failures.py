"""What crun and runc say when they fail, in Docker's words (pure)."""

from __future__ import annotations

import json
import re

from linkspan.model.errors import LinkspanError

_CREATE = (
    "failed to create task for container: failed to create shim task: "
    "OCI runtime create failed: runc create failed: "
)
_START = "failed to start task: OCI runtime start failed: "
_EXEC = "OCI runtime exec failed: exec failed: "
_UNABLE = "unable to start container process: "
_INIT = "error during container init: "

_NOT_FOUND = re.compile(r"executable file `(?P<name>.*?)` not found(?: in \$PATH)?", re.DOTALL)
_OPEN = re.compile(r"open executable: (?P<reason>.+)", re.DOTALL)
_CHDIR = re.compile(r"chdir (?:to )?`(?P<path>.+?)`: (?P<reason>.+)", re.DOTALL)
_RUNC = re.compile(r'exec: \\?"(?P<name>.*?)\\?": (?P<reason>.+)', re.DOTALL)
_RUNC_PREFIX = re.compile(r"^(?:runc create failed: )?(?:unable to start container process: )?")


class RuntimeFailure(LinkspanError):
    """The OCI runtime refused.

    The text is Docker's; `code` is the exit code that Docker gives it: 127 (no such command), 126 (it
    cannot be run) or 125 (anything else). Source: moby daemon/start.go, translateContainerdStartErr.
    """

    def __init__(self, text: str, code: int = 125) -> None:
        super().__init__(text)
        self.code = code
        self.status = 400 if code in (126, 127) else 500


def exit_code(text: str) -> int:
    """Return the exit code of a container or exec session that failed with `text`."""
    lower = text.lower()
    if "executable file not found" in lower or "no such file or directory" in lower:
        return 127
    if "permission denied" in lower or "is a directory" in lower or "not a directory" in lower:
        return 126
    return 125


def create_failure(said: str, args: tuple[str, ...]) -> RuntimeFailure:
    """Translate what the runtime said when it did not create a container running `args`."""
    reason, at_exec = _reason(said, args)
    text = f"{_CREATE}{_UNABLE}{_INIT}{reason}: unknown" if at_exec else f"{_CREATE}{reason}: unknown"
    return _failure(text, at_exec)


def start_failure(said: str) -> RuntimeFailure:
    """Translate what the runtime said when it did not start a created container."""
    return RuntimeFailure(f"{_START}{_plain(said)}: unknown")


def exec_failure(said: str, args: tuple[str, ...]) -> RuntimeFailure:
    """Translate what the runtime said when it did not run a further process `args`."""
    reason, at_exec = _reason(said, args)
    return _failure(f"{_EXEC}{_UNABLE}{reason}: unknown", at_exec)


def runtime_failure(verb: str, said: str) -> RuntimeFailure:
    """Translate what the runtime said when `verb` (pause, kill, update…) failed."""
    return RuntimeFailure(f"OCI runtime {verb} failed: {_plain(said)}: unknown")


def _failure(text: str, at_exec: bool) -> RuntimeFailure:
    return RuntimeFailure(text, exit_code(text) if at_exec else 125)


def _reason(said: str, args: tuple[str, ...]) -> tuple[str, bool]:
    """Return the reason as Go would print it, and whether it is about the command itself."""
    plain = _plain(said)
    name = args[0] if args else ""
    if found := _NOT_FOUND.search(plain):
        name = found["name"]
        if "/" in name:
            return f'exec: "{name}": stat {name}: no such file or directory', True
        return f'exec: "{name}": executable file not found in $PATH', True
    if found := _OPEN.search(plain):
        return _unusable(name, found["reason"]), True
    if found := _CHDIR.search(plain):
        path, reason = found["path"], found["reason"].lower()
        return f'chdir to cwd ("{path}") set in config.json failed: {reason}', True
    if found := _RUNC.search(plain):
        return f'exec: "{found["name"]}": {found["reason"]}', True
    return _RUNC_PREFIX.sub("", plain), False


def _unusable(name: str, reason: str) -> str:
    reason = reason.lower()
    if "no such file" in reason and "/" not in name:
        return f'exec: "{name}": executable file not found in $PATH'
    if "no such file" in reason:
        return f'exec: "{name}": stat {name}: no such file or directory'
    # crun's word for everything that is no regular file.
    if "operation not permitted" in reason:
        reason = "is a directory"
    return f'exec: "{name}": {reason}'


def _plain(said: str) -> str:
    """Strip log decoration from a runtime's last words: crun's JSON or text log, runc's level and time."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    if not lines:
        return "the runtime said nothing"
    messages = [_message(line) for line in lines]
    return "\n".join(messages).strip()


def _message(line: str) -> str:
    if line.startswith("{"):
        try:
            return str(json.loads(line).get("msg", line))
        except ValueError:
            return line
    line = re.sub(r'^time="[^"]*" level=\w+ msg="(.*)"$', r"\1", line)
    line = re.sub(r"^\d{4}-\d\d-\d\dT[\d:.]+Z?[+\-\d:]*\s*[:]?\s*", "", line)
    return re.sub(r"^(?:\[conmon:\w\]: |conmon: |crun: |level=error msg=)", "", line).replace('\\"', '"')
