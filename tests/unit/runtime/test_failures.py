"""crun's and runc's messages become Docker's."""

import pytest

from linkspan.runtime import failures

CREATE = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "runc create failed: "
)
INIT = CREATE + "unable to start container process: error during container init: "


@pytest.mark.parametrize(
    ("said", "args", "reason", "code"),
    [
        (
            "executable file `nope` not found in $PATH: No such file or directory",
            ("nope",),
            'exec: "nope": executable file not found in $PATH',
            127,
        ),
        (
            "executable file `/x/y` not found in $PATH: No such file or directory",
            ("/x/y",),
            'exec: "/x/y": stat /x/y: no such file or directory',
            127,
        ),
        ("open executable: Permission denied", ("/etc/p",), 'exec: "/etc/p": permission denied', 126),
        ("open executable: Operation not permitted", ("/etc",), 'exec: "/etc": is a directory', 126),
        (
            "open executable: No such file or directory",
            ("gone",),
            'exec: "gone": executable file not found in $PATH',
            127,
        ),
        (
            "open executable: No such file or directory",
            ("/gone",),
            'exec: "/gone": stat /gone: no such file or directory',
            127,
        ),
        (
            'runc create failed: unable to start container process: exec: "nope": '
            "executable file not found in $PATH",
            ("nope",),
            'exec: "nope": executable file not found in $PATH',
            127,
        ),
        (
            'time="2024-01-02T03:04:05Z" level=error msg="runc create failed: '
            'unable to start container process: exec: \\"/etc\\": permission denied"',
            ("/etc",),
            'exec: "/etc": permission denied',
            126,
        ),
        (
            "chdir to `/w`: Permission denied",
            ("sh",),
            'chdir to cwd ("/w") set in config.json failed: permission denied',
            126,
        ),
    ],
)
def test_a_command_that_cannot_run(said, args, reason, code):
    failure = failures.create_failure(said + "\n", args)
    assert (str(failure), failure.code, failure.status) == (f"{INIT}{reason}: unknown", code, 400)


def test_other_failures_keep_their_words():
    failure = failures.create_failure("error stat'ing file `/x`: No such file or directory", ("sh",))
    assert str(failure) == f"{CREATE}error stat'ing file `/x`: No such file or directory: unknown"
    assert (failure.code, failure.status) == (125, 500)
    failure = failures.create_failure('{"msg":"sync socket closed","level":"error"}', ("sh",))
    assert str(failure) == f"{CREATE}sync socket closed: unknown"
    assert "{not json" in str(failures.create_failure("{not json", ()))
    assert "the runtime said nothing" in str(failures.create_failure(" \n", ()))


def test_exec_start_and_the_rest():
    said = "executable file `nope` not found in $PATH: No such file or directory"
    begin = "OCI runtime exec failed: exec failed: unable to start container process: "
    failure = failures.exec_failure(said, ("nope",))
    assert str(failure) == f'{begin}exec: "nope": executable file not found in $PATH: unknown'
    assert failure.code == 127
    assert str(failures.start_failure("no")) == "failed to start task: OCI runtime start failed: no: unknown"
    assert str(failures.runtime_failure("pause", "no")) == "OCI runtime pause failed: no: unknown"


def test_exit_codes_as_docker_s_cli_reads_them():
    assert failures.exit_code("Executable file not found in $PATH") == 127
    assert failures.exit_code("stat /x: no such file or directory") == 127
    assert failures.exit_code("Permission denied") == 126
    assert failures.exit_code("is a directory") == 126
    assert failures.exit_code("anything else") == 125
