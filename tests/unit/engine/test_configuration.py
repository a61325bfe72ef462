"""Docker's defaults, and what an image adds to a container's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from linkspan.engine.configuration import (
    MASKED_PATHS,
    command_line,
    complete_config,
    complete_host_config,
    merge_image,
)
from linkspan.model.errors import InvalidParameter


def merged(body: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    return merge_image(complete_config(body), image)


def test_names_are_read_without_regard_to_case_and_unknown_ones_are_dropped() -> None:
    config = complete_config({"image": "a", "HOSTNAME": "h", "Nonsense": 1})
    assert (config["Image"], config["Hostname"]) == ("a", "h")
    assert "Nonsense" not in config


def test_a_command_may_be_one_string() -> None:
    assert complete_config({"Cmd": "ls"})["Cmd"] == ["ls"]
    assert complete_config({"Cmd": None})["Cmd"] is None
    with pytest.raises(InvalidParameter):
        complete_config({"Cmd": [1]})


@pytest.mark.parametrize(
    ("body", "word"),
    [({"Tty": "yes"}, "Tty"), ({"Image": 1}, "Image"), ({"ExposedPorts": ["80"]}, "ExposedPorts")],
)
def test_a_field_of_another_json_type_is_refused_as_go_does(body: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidParameter, match=f"Go struct field {word}"):
        complete_config(body)


def test_host_config_has_dockers_defaults() -> None:
    host = complete_host_config(None)
    assert host["NetworkMode"] == "bridge"
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert host["ShmSize"] == 64 * 1024 * 1024
    assert host["MaskedPaths"] == list(MASKED_PATHS)
    assert complete_host_config({"NetworkMode": "default"})["NetworkMode"] == "bridge"


def test_a_privileged_container_hides_nothing() -> None:
    assert complete_host_config({"Privileged": True})["MaskedPaths"] is None


def test_two_containers_do_not_share_their_defaults() -> None:
    complete_host_config({})["PortBindings"]["80/tcp"] = []
    assert complete_host_config({})["PortBindings"] == {}


def test_the_image_gives_what_is_missing() -> None:
    image = {"User": "1", "WorkingDir": "/w", "StopSignal": "SIGINT", "Labels": {"a": "image", "b": "image"}}
    config = merged({"Labels": {"a": "own"}}, image)
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("1", "/w", "SIGINT")
    assert config["Labels"] == {"a": "own", "b": "image"}


def test_ports_and_volumes_are_united() -> None:
    config = merged(
        {"ExposedPorts": {"80/tcp": {}}}, {"ExposedPorts": {"53/udp": {}}, "Volumes": {"/data": {}}}
    )
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp"}
    assert config["Volumes"] == {"/data": {}}


def test_own_environment_wins() -> None:
    assert merged({"Env": ["A=own", "B"]}, {"Env": ["A=image", "B=image", "C=image"]})["Env"] == [
        "A=own",
        "B",
        "C=image",
    ]


@pytest.mark.parametrize(
    ("own", "image", "line"),
    [
        ({}, {"Cmd": ["sh"]}, ("sh", ())),
        ({"Cmd": ["ls", "-l"]}, {"Cmd": ["sh"]}, ("ls", ("-l",))),
        ({"Cmd": ["x"]}, {"Entrypoint": ["e", "f"], "Cmd": ["sh"]}, ("e", ("f", "x"))),
        ({"Entrypoint": ["own"]}, {"Entrypoint": ["e"], "Cmd": ["sh"]}, ("own", ())),
        ({"Entrypoint": [""], "Cmd": ["ls"]}, {"Entrypoint": ["e"]}, ("ls", ())),
    ],
)
def test_command_line(own: dict[str, Any], image: dict[str, Any], line: tuple[str, tuple[str, ...]]) -> None:
    assert command_line(merged(own, image)) == line


def test_without_any_command_docker_says_so() -> None:
    with pytest.raises(InvalidParameter, match="no command specified"):
        command_line(merged({}, {}))


def test_a_health_check_is_completed_from_the_image() -> None:
    config = merged(
        {"Healthcheck": {"Retries": 5}},
        {"Healthcheck": {"Test": ["CMD", "true"], "Retries": 1, "Timeout": 9}},
    )
    assert config["Healthcheck"] == {"Test": ["CMD", "true"], "Timeout": 9, "Retries": 5}
