"""Command-line flags as docker's commands have them: long and short, joined or apart; and their help.

The standard library's parser costs 15 ms of every start and cannot stop at the first argument while it takes
flags in any order, as `run IMAGE -x` needs; so this is a small one of our own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkspan.cli.client import Client

TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")


class UsageError(Exception):
    """The command line is wrong; the text says what, in docker's words."""

    def __init__(self, text: str, code: int = 125) -> None:
        super().__init__(text)
        self.code = code


class HelpWanted(Exception):
    """--help was among the flags."""


class Flag:
    """One flag: `kind` is "bool", "text", "list" or "number"; `value` is the placeholder in the help."""

    __slots__ = ("default", "help", "kind", "name", "short", "value")

    def __init__(
        self,
        name: str,
        help: str,
        kind: str = "text",
        *,
        short: str = "",
        value: str = "",
        default: str | bool = "",
    ) -> None:
        self.name = name
        self.help = help
        self.kind = kind
        self.short = short
        self.value = value or {"bool": "", "number": "int", "list": "list"}.get(kind, "string")
        self.default = default


class Command:
    """One command: its flags, its help, and the function that carries it out and returns the exit code."""

    __slots__ = ("examples", "flags", "interspersed", "maximum", "minimum", "name", "run", "summary", "usage")

    def __init__(
        self,
        name: str,
        usage: str,
        summary: str,
        run: Callable[[Options, Client], int],
        flags: Sequence[Flag] = (),
        *,
        examples: str = "",
        minimum: int = 0,
        maximum: int | None = None,
        interspersed: bool = True,
    ) -> None:
        """`minimum` and `maximum` count the arguments (None: any number).

        With `interspersed` false, everything after the first argument belongs to that argument.
        """
        self.name = name
        self.usage = usage
        self.summary = summary
        self.run = run
        self.flags = tuple(flags)
        self.examples = examples
        self.minimum = minimum
        self.maximum = maximum
        self.interspersed = interspersed


class Options:
    """What was given on the command line: flags by their long name, and the arguments."""

    def __init__(self, command: Command) -> None:
        self._values: dict[str, list[str]] = {}
        self._defaults = {flag.name: flag.default for flag in command.flags}
        self.arguments: list[str] = []

    def add(self, name: str, value: str) -> None:
        self._values.setdefault(name, []).append(value)

    def given(self, name: str) -> bool:
        """Whether the flag was there at all."""
        return name in self._values

    def text(self, name: str) -> str:
        """The flag's last value, or its default."""
        return self._values[name][-1] if name in self._values else str(self._defaults[name])

    def on(self, name: str) -> bool:
        """Whether a bool flag is on."""
        return self._values[name][-1] in TRUE if name in self._values else bool(self._defaults[name])

    def list(self, name: str) -> list[str]:
        """All values of a flag that may be repeated."""
        return list(self._values.get(name, ()))

    def number(self, name: str, default: int | None = None) -> int | None:
        """The flag's value as a number, or `default`."""
        text = self.text(name)
        return int(text) if text else default


def parse(command: Command, words: Sequence[str]) -> Options:
    """Read a command line; raises UsageError with docker's words."""
    options = Options(command)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            options.arguments += rest
            break
        if word.startswith("--"):
            _long(command, options, word[2:], rest)
        elif word.startswith("-") and word != "-":
            _short(command, options, word[1:], rest)
        else:
            options.arguments.append(word)
            if not command.interspersed:
                options.arguments += rest
                break
    _count(command, len(options.arguments))
    return options


def _long(command: Command, options: Options, word: str, rest: list[str]) -> None:
    name, joined, value = word.partition("=")
    if name == "help":
        raise HelpWanted
    flag = next((each for each in command.flags if each.name == name), None)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}\n\n{see(command)}")
    if flag.kind == "bool" and not joined:
        value = "true"
    elif not joined:
        value = _next(command, rest, f"flag needs an argument: --{name}")
    _store(command, options, flag, value, f"--{name}")


def _short(command: Command, options: Options, letters: str, rest: list[str]) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = next((each for each in command.flags if each.short == letter), None)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in -{letter}{letters}\n\n{see(command)}")
        shown = f"-{letter}, --{flag.name}"
        if flag.kind == "bool":
            value = "true"
            if letters.startswith("="):
                value, letters = letters[1:], ""
        else:
            value = letters.removeprefix("=") or _next(
                command, rest, f"flag needs an argument: '{letter}' in -{letter}"
            )
            letters = ""
        _store(command, options, flag, value, shown)


def _next(command: Command, rest: list[str], complaint: str) -> str:
    if not rest:
        raise UsageError(f"{complaint}\n\n{see(command)}")
    return rest.pop(0)


def _store(command: Command, options: Options, flag: Flag, value: str, shown: str) -> None:
    if flag.kind == "bool" and value not in TRUE + FALSE:
        kind = "strconv.ParseBool"
    elif flag.kind == "number" and not value.lstrip("-").isdigit():
        kind = "strconv.ParseInt"
    else:
        options.add(flag.name, value)
        return
    reason = f'{kind}: parsing "{value}": invalid syntax'
    raise UsageError(f'invalid argument "{value}" for "{shown}" flag: {reason}\n\n{see(command)}')


def _count(command: Command, count: int) -> None:
    least, most = command.minimum, command.maximum
    if count >= least and (most is None or count <= most):
        return
    amount = str(least)
    if most is None:
        amount = f"at least {least}"
    elif most == 0:
        raise UsageError(_usage_text(command, "accepts no arguments"), 1)
    elif most != least:
        amount = f"at least {least}" if count < least else f"at most {most}"
    plural = "" if amount.endswith(" 1") or amount == "1" else "s"
    raise UsageError(_usage_text(command, f"requires {amount} argument{plural}"), 1)


def _usage_text(command: Command, complaint: str) -> str:
    return f"linkspan: 'linkspan {command.name}' {complaint}\n\n{see(command)}"


def see(command: Command) -> str:
    """The line that points at the help."""
    full = f"linkspan {command.name}"
    return f"Usage:  {full} {command.usage}\n\nRun '{full} --help' for more information"


def help_text(command: Command) -> str:
    """The whole help of a command: usage, what it does, its flags, examples."""
    parts = [f"Usage:  linkspan {command.name} {command.usage}", command.summary]
    if command.flags:
        parts.append("Options:\n" + "\n".join(_flag_lines(command.flags)))
    if command.examples:
        indented = "\n".join(f"  {line}" for line in command.examples.strip().splitlines())
        parts.append(f"Examples:\n{indented}")
    return "\n\n".join(parts) + "\n"


def _flag_lines(flags: Sequence[Flag]) -> list[str]:
    rows = []
    for flag in sorted(flags, key=lambda each: each.name):
        short = f"-{flag.short}, " if flag.short else "    "
        rows.append((f"  {short}--{flag.name} {flag.value}".rstrip(), _with_default(flag)))
    width = max(len(left) for left, _ in rows) + 3
    return [f"{left:<{width}}{help}" for left, help in rows]


def _with_default(flag: Flag) -> str:
    if flag.kind == "bool":
        return f"{flag.help} (default true)" if flag.default else flag.help
    return f"{flag.help} (default {flag.default})" if flag.default else flag.help
