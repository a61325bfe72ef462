"""Compiles a seccomp section to the kernel's filter program once, so that crun need not do it each time.

libseccomp takes about 10 ms for Docker's profile on three architectures; crun takes a finished program from
an annotation. Source: libseccomp's seccomp_export_bpf(3), crun(1) "run.oci.seccomp_bpf_data".
"""

from __future__ import annotations

import base64
import ctypes
import errno
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

ANNOTATION = "run.oci.seccomp_bpf_data"
_LIBRARY = "libseccomp.so.2"
_ACTIONS = {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_KILL_PROCESS": 0x80000000}
_KILL_THREAD, _TRAP, _ERRNO, _TRACE = 0x0, 0x30000, 0x50000, 0x7FF00000
_COMPARISONS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_UNKNOWN_CALL = -1
_OPTIMIZE, _BINARY_TREE = 8, 2


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def annotation(section: Mapping[str, Any]) -> str | None:
    """Return the value of `ANNOTATION` for an OCI seccomp section.

    None when there is no libseccomp here, or the section has something this does not compile: then the
    runtime does it from the section, slower.
    """
    return _compiled(json.dumps(section, sort_keys=True))


@lru_cache(maxsize=32)
def _compiled(text: str) -> str | None:
    section = json.loads(text)
    try:
        library = _library()
        program = _compile(library, section)
    except (OSError, KeyError):
        return None
    return base64.b64encode(program).decode()


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return library


def _compile(library: ctypes.CDLL, section: Mapping[str, Any]) -> bytes:
    default = _action(section["defaultAction"], section.get("defaultErrnoRet"))
    context = library.seccomp_init(default)
    if not context:
        raise OSError(errno.ENOMEM, "seccomp_init")
    try:
        for name in section.get("architectures") or ():
            token = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
            _check(library.seccomp_arch_add(context, token), "seccomp_arch_add", -errno.EEXIST)
        # A tree instead of a chain: every system call of the container is faster. Old libraries lack it.
        library.seccomp_attr_set(context, _OPTIMIZE, _BINARY_TREE)
        for rule in section.get("syscalls") or ():
            _add(library, context, rule, default)
        return _exported(library, context)
    finally:
        library.seccomp_release(context)


def _add(library: ctypes.CDLL, context: int, rule: Mapping[str, Any], default: int) -> None:
    action = _action(rule["action"], rule.get("errnoRet"))
    if action == default:
        return
    comparisons = [_comparison(argument) for argument in rule.get("args") or ()]
    array = (_Comparison * len(comparisons))(*comparisons)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        # A call that this library does not know stays refused, as in crun and runc.
        if number != _UNKNOWN_CALL:
            added = library.seccomp_rule_add_array(context, action, number, len(comparisons), array)
            _check(added, f"seccomp_rule_add {name}", -errno.EEXIST)


def _exported(library: ctypes.CDLL, context: int) -> bytes:
    memory = os.memfd_create("seccomp")
    with open(memory, "rb+", buffering=0) as file:
        _check(library.seccomp_export_bpf(context, memory), "seccomp_export_bpf")
        file.seek(0)
        return file.read() or b""


def _action(name: str, error: int | None) -> int:
    if name == "SCMP_ACT_ERRNO":
        return _ERRNO | (errno.EPERM if error is None else error)
    if name == "SCMP_ACT_TRACE":
        return _TRACE | (errno.EPERM if error is None else error)
    if name in ("SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD"):
        return _KILL_THREAD
    return _TRAP if name == "SCMP_ACT_TRAP" else _ACTIONS[name]


def _comparison(argument: Mapping[str, Any]) -> _Comparison:
    operation = _COMPARISONS[argument["op"]]
    first, second = argument["value"], argument.get("valueTwo", 0)
    return _Comparison(argument["index"], operation, first, second)


def _check(code: int, attempt: str, *fine: int) -> None:
    if code < 0 and code not in fine:
        raise OSError(-code, os.strerror(-code), attempt)
