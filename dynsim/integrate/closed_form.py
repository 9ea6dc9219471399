"""Closed forms as an engine: the flow says where each member is, nothing is integrated."""

from __future__ import annotations

import numpy as np

from dynsim.integrate.members import INVALID_START, Batch, Run
from dynsim.symbolic.flow import Flow

__all__ = ["by_closed_form"]


BLOCK = 8192  # members at a time: what they need stays in the processor's cache


def by_closed_form(batch: Batch, run: Run) -> int:
    """Fill `run` from ``flow.exact``; any time, infinity included."""
    for first in range(0, batch.y0.shape[1], BLOCK):
        _fill(batch.select(slice(first, first + BLOCK)), run.part(first, first + BLOCK))
    return 0


def _fill(batch: Batch, run: Run) -> None:
    flow, field = batch.flow, batch.field
    assert isinstance(flow, Flow)
    assert flow.exact is not None
    initial = {name: values[:, None] for name, values in zip(field.names, batch.y0, strict=True)}
    parameters = {name: value[:, None] if np.ndim(value) else value for name, value in batch.values.items()}
    with np.errstate(all="ignore"):
        solution = flow.exact(batch.times, initial, parameters)
        for row, name in zip(run.states, field.names, strict=True):
            row[:] = solution[name]
    startable = np.isfinite(batch.y0).all(axis=0) & np.isfinite(run.states).all(axis=(0, 2))
    run.status[~startable] = INVALID_START
    run.states[:, ~startable] = np.nan
    run.mark_rest(batch)
    run.observe(batch)
