"""The compiled filter: a program of 8-byte instructions, kept for the next container."""

import base64
import ctypes.util

import pytest

from linkspan.runtime import filters, seccomp
from linkspan.runtime.capabilities import DEFAULT

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("seccomp") is None, reason="libseccomp is not installed"
)


def test_the_default_profile_compiles_once():
    section = seccomp.section("", DEFAULT, "x86_64")
    text = filters.annotation(section)
    program = base64.b64decode(text)
    assert len(program) % 8 == 0 and len(program) > 1000
    assert filters.annotation(dict(section)) is text


@pytest.mark.parametrize(
    "action", ["SCMP_ACT_KILL", "SCMP_ACT_TRAP", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_KILL_PROCESS"]
)
def test_every_action_compiles(action):
    rule = {"names": ["read", "no_such_call"], "action": action}
    assert filters.annotation({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})


def test_what_it_does_not_know_is_left_to_the_runtime():
    assert filters.annotation({"defaultAction": "SCMP_ACT_NOTIFY"}) is None
    odd = {"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "odd"}]}
    assert filters.annotation({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [odd]}) is None
