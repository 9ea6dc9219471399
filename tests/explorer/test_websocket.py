"""What a websocket client sends is read only if it is a message."""

import json

import pytest

pytest.importorskip("voila", reason="needs the extra 'notebooks'")
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

from dynsim.explorer.serving.websocket import LONGEST, well_formed

PARTS = [json.dumps({"msg_type": "comm_msg"}).encode(), b"{}", b"{}", b'{"data": {}}']


def packed(parts=PARTS, channel="shell"):
    return bytes(serialize_msg_to_ws_v1(list(parts), channel))


@pytest.mark.parametrize("buffers", [[], [b""], [b"\x00" * 8, b"x"]])
def test_real_messages_pass(buffers):
    message = packed([*PARTS, *buffers])
    assert well_formed(message)
    channel, parts = deserialize_msg_from_ws_v1(message)
    assert channel == "shell"
    assert [bytes(part) for part in parts] == [*PARTS, *buffers]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xff" * 64, b"", b"\x00" * 64, "text", None, packed()[:-1], packed() + b"x", packed([b"[]", *PARTS[1:]]),
        packed([b"{", *PARTS[1:]]), (2**40).to_bytes(8, "little") + packed()[8:], b"\x00" * (LONGEST + 1),
        packed()[:16] + (2**63).to_bytes(8, "little") + packed()[24:],
    ],
)  # fmt: skip
def test_anything_else_is_refused(wrong):
    assert not well_formed(wrong)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_raise(message):
    assert well_formed(message) in (True, False)
