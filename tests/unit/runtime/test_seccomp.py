"""The default filter and profiles in Docker's format."""

import json

import pytest

from linkspan.model.errors import InvalidParameter
from linkspan.runtime import seccomp
from linkspan.runtime.capabilities import DEFAULT


def _names(section):
    return {name for rule in section["syscalls"] if not rule.get("args") for name in rule["names"]}


def test_the_default_profile_follows_capabilities():
    plain = seccomp.section("", DEFAULT, "x86_64")
    assert plain["defaultAction"] == "SCMP_ACT_ERRNO" and plain["defaultErrnoRet"] == 1
    assert plain["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert {"read", "chroot", "arch_prctl"} <= _names(plain)
    assert not {"mount", "io_uring_setup", "keyctl", "reboot", "socket", "personality"} & _names(plain)
    assert {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38} in plain["syscalls"]
    opened = seccomp.section("builtin", (*DEFAULT, "CAP_SYS_ADMIN", "CAP_SYS_BOOT"), "x86_64")
    assert {"mount", "clone", "clone3", "reboot"} <= _names(opened)
    assert len(opened["syscalls"]) == len(plain["syscalls"]) - 2


def test_other_machines():
    arm = seccomp.section("", DEFAULT, "aarch64")
    assert arm["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    assert "arch_prctl" not in _names(arm)
    s390 = [rule for rule in seccomp.section("", (), "s390x")["syscalls"] if rule["names"] == ["clone"]]
    assert s390[0]["args"][0]["index"] == 1
    assert seccomp.section("", (), "vax")["architectures"] == []


def test_unconfined_has_none():
    assert seccomp.section("unconfined", (), "x86_64") is None


def test_a_user_s_profile_is_resolved():
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "defaultErrnoRet": 1,
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_X"]}},
            {"names": ["b"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_X"]}, "errnoRet": 5},
            {"name": "c", "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["amd64"]}},
            {"names": ["d"], "action": "SCMP_ACT_ERRNO", "excludes": {"arches": ["amd64"]}},
            {"names": ["e"], "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["arm64"]}},
        ],
    }
    section = seccomp.section(json.dumps(profile), (), "x86_64")
    assert section["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert section["flags"] == ["SECCOMP_FILTER_FLAG_LOG"]
    assert [rule["names"] for rule in section["syscalls"]] == [["b"], ["c"]]
    assert section["syscalls"][0]["errnoRet"] == 5
    section = seccomp.section(json.dumps(profile), ("CAP_X",), "aarch64")
    assert section["architectures"] == []
    assert [rule["names"] for rule in section["syscalls"]] == [["a"], ["d"], ["e"]]
    given = seccomp.section('{"defaultAction": "A", "architectures": ["SCMP_ARCH_ARM"]}', (), "x86_64")
    assert given == {"defaultAction": "A", "architectures": ["SCMP_ARCH_ARM"], "syscalls": []}


@pytest.mark.parametrize("text", ["nonsense", "{}", "[]", '{"defaultAction": "A", "syscalls": [{}]}'])
def test_what_is_no_profile_is_refused(text):
    with pytest.raises(InvalidParameter, match="Decoding seccomp profile failed"):
        seccomp.section(text, (), "x86_64")
