"""Request bodies decoded by type, as Go decodes them."""

from __future__ import annotations

import pytest

from linkspan.api import go_types
from linkspan.api.decoding import decode
from linkspan.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "invalid JSON: got EOF while reading request body"),
        (b" \n", "invalid JSON: got EOF while reading request body"),
        (b"{", "invalid JSON: unexpected EOF"),
        (b"{}x", "unexpected content after JSON"),
        (b"{} {}", "unexpected content after JSON"),
        (b'{"a":NaN}', "invalid JSON: invalid character 'N' looking for beginning of value"),
    ],
)
def test_what_is_not_one_json_value(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        decode(raw)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"[]", "array into Go value of type container.CreateRequest"),
        (b'"x"', "string into Go value of type container.CreateRequest"),
        (b"7", "number into Go value of type container.CreateRequest"),
        (b"true", "bool into Go value of type container.CreateRequest"),
        (b'{"Image":7}', "number into Go struct field CreateRequest.Image of type string"),
        (b'{"image":{}}', "object into Go struct field CreateRequest.Image of type string"),
        (b'{"Tty":"yes"}', "string into Go struct field CreateRequest.Tty of type bool"),
        (b'{"Tty":1}', "number into Go struct field CreateRequest.Tty of type bool"),
        (b'{"StopTimeout":1.5}', "number 1.5 into Go struct field CreateRequest.StopTimeout of type int"),
        (b'{"StopTimeout":true}', "bool into Go struct field CreateRequest.StopTimeout of type int"),
        (b'{"Env":{}}', "object into Go struct field CreateRequest.Env of type []string"),
        (b'{"Env":[1]}', "number into Go struct field CreateRequest.Env of type string"),
        (b'{"Cmd":7}', "number into Go value of type []string"),
        (b'{"Labels":[]}', "array into Go struct field CreateRequest.Labels of type map[string]string"),
        (b'{"HostConfig":[]}', "Go struct field CreateRequest.HostConfig of type container.HostConfig"),
        (b'{"HostConfig":{"Memory":"1g"}}', "field CreateRequest.HostConfig.Memory of type int64"),
        (b'{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}', "HostPort of type string"),
        (
            b'{"HostConfig":{"BlkioWeight":70000}}',
            "number 70000 into Go struct field CreateRequest.HostConfig.BlkioWeight of type uint16",
        ),
        (
            b'{"NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":"x"}}}}',
            "CreateRequest.NetworkingConfig.EndpointsConfig.Aliases of type []string",
        ),
    ],
)
def test_values_of_another_type(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        decode(raw, go_types.CREATE_CONTAINER)
    assert str(caught.value).startswith("invalid JSON: json: cannot unmarshal ")
    assert said in str(caught.value)


def test_names_of_fields_in_any_case_unknown_ones_and_nulls() -> None:
    raw = b'{"image":"x","CMD":"sh","hostconfig":{"memory":5,"Init":null},"Strange":[1]}'
    assert decode(raw, go_types.CREATE_CONTAINER) == {
        "Image": "x",
        "Cmd": "sh",
        "HostConfig": {"Memory": 5, "Init": None},
        "Strange": [1],
    }
    assert decode(b" null", go_types.CREATE_CONTAINER) is None


def test_nulls_among_elements_are_zero_values() -> None:
    raw = b'{"Labels":{"a":null},"IPAM":{"Config":[null,{"Subnet":null}]}}'
    assert decode(raw, go_types.CREATE_NETWORK) == {
        "Labels": {"a": ""},
        "IPAM": {"Config": [{}, {"Subnet": None}]},
    }
    ports = b'{"HostConfig":{"PortBindings":{"80/tcp":null},"Binds":[null]}}'
    found = decode(ports, go_types.CREATE_CONTAINER)
    assert found == {"HostConfig": {"PortBindings": {"80/tcp": None}, "Binds": [""]}}


def test_halves_of_surrogate_pairs_are_no_characters() -> None:
    assert decode(rb'{"a":"\ud800x","\uDFFF":"\ud83d\ude00"}') == {"a": "\ufffdx", "\ufffd": "\U0001f600"}


def test_floats_and_anything() -> None:
    assert decode(b"[1, 2.5]", go_types.array(go_types.GoType("float64", "float"))) == [1, 2.5]
    assert decode(b'{"a":1}', go_types.ANY) == {"a": 1}
    with pytest.raises(InvalidParameter, match="cannot unmarshal string into Go value of type float64"):
        decode(b'"x"', go_types.GoType("float64", "float"))
