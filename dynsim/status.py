"""How a run ended: one enumeration, the same in every Dataset."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

__all__ = ["Status", "status_attributes"]


class Status(IntEnum):
    """How a run ended; the value is what a Dataset stores, `message` is what a person reads.

    Examples
    --------
    >>> from dynsim.status import Status
    >>> Status(2).name, Status.BLOW_UP.message
    ('BLOW_UP', 'a state grew beyond every bound in finite time')
    """

    NOT_RUN = -1
    OK = 0
    AT_REST = 1
    BLOW_UP = 2
    STEP_LIMIT = 3
    INVALID_START = 4
    EVENT = 5
    SLIDING = 6
    SOLVER_FAILED = 7
    NOT_FINITE = 8
    TIME_LIMIT = 9

    @property
    def message(self) -> str:
        """A phrase that follows "the run ended because …" or stands alone."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.NOT_RUN: "the run was not made",
    Status.OK: "the end of the time span was reached",
    Status.AT_REST: "the run came to rest",
    Status.BLOW_UP: "a state grew beyond every bound in finite time",
    Status.STEP_LIMIT: "the largest number of steps was reached",
    Status.INVALID_START: "the start lies outside the domain of the field",
    Status.EVENT: "a terminal event was met",
    Status.SLIDING: "the run reached a surface on which the field jumps and cannot leave it",
    Status.SOLVER_FAILED: "the solver could not meet the tolerance",
    Status.NOT_FINITE: "a value that is not finite appeared",
    Status.TIME_LIMIT: "the budget of computing time was used up",
}


def status_attributes() -> dict[str, Any]:
    """CF attributes of a variable that stores `Status` as int8.

    Examples
    --------
    >>> from dynsim.status import status_attributes
    >>> status_attributes()["flag_meanings"].split()[:3]
    ['not_run', 'ok', 'at_rest']
    """
    import numpy as np

    return {
        "long_name": "how the run ended",
        "flag_values": np.array([int(status) for status in Status], dtype=np.int8),
        "flag_meanings": " ".join(status.name.lower() for status in Status),
    }
