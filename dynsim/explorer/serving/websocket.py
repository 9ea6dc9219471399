"""The websocket of a kernel, guarded: what a client sends is checked before the server reads it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from tornado.web import HTTPError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

__all__ = ["GuardedWebsocket", "well_formed"]

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MOST_PARTS = 256  # a message has six parts and the buffers of its widgets
LONGEST = 16 * 2**20  # bytes; a frame of the explorer has a few thousand


def well_formed(message: Any) -> bool:
    """Whether bytes are a message of the v1 protocol: a table of offsets that fit, then the parts.

    The servers below read as many offsets as the first eight bytes say, up to 2⁶⁴ of them.

    Examples
    --------
    >>> from dynsim.explorer.serving.websocket import well_formed
    >>> well_formed(bytes([255]) * 64), well_formed("text")
    (False, False)
    """
    if not isinstance(message, bytes) or not 24 <= len(message) <= LONGEST:
        return False
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= MOST_PARTS or len(message) < 8 * (count + 1):
        return False
    offsets = [int.from_bytes(message[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    if offsets[0] != 8 * (count + 1) or offsets != sorted(offsets) or offsets[-1] != len(message):
        return False
    parts = [message[low:high] for low, high in pairwise(offsets)]
    try:
        parts[0].decode("utf-8")
        return all(isinstance(json.loads(part), dict) for part in parts[1:5])
    except ValueError:
        return False


class GuardedWebsocket(VoilaKernelWebsocketHandler):
    """Handler that refuses clients without the v1 protocol and closes on a message that is none."""

    async def get(self, kernel_id: str) -> None:
        """Open the websocket for a client that speaks the protocol."""
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in [word.strip() for word in offered.split(",")]:
            raise HTTPError(400, "this server speaks the v1 protocol of kernels only")
        await super().get(kernel_id=kernel_id)

    def on_message(self, ws_message: Any) -> None:
        """Hand on a message, or end the connection."""
        if well_formed(ws_message):
            super().on_message(ws_message)
        else:
            self.close(1007, "not a message of the v1 protocol")
