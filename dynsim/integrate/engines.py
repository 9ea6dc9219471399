"""The engines of `ensemble` by name, which of them "auto" takes, and the closed form as one of them."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from dynsim.errors import bad, missing_extra
from dynsim.integrate.batch import Engine, EnsembleArrays, Members
from dynsim.integrate.solver import slide
from dynsim.status import Status

__all__ = ["ABSENT", "METHODS", "Choice", "by_closed_form", "choose", "why_not_compiled"]

METHODS = ("auto", "compiled", "scipy", "exact")

ABSENT = "llvmlite is not installed"


class Choice(NamedTuple):
    """An engine, the name under which results record it, and why "auto" took it, where that needs saying."""

    name: str
    engine: Engine
    reason: str = ""


def choose(method: str, flow: Any, forever: bool) -> Choice:
    """Engine for a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    flow : Flow or Field
    forever : bool
        Whether the time t = ∞ is asked for, which only closed forms reach.

    Raises
    ------
    InvalidValue
        An unknown method, or one that cannot do this flow.
    """
    if method not in METHODS:
        raise bad("method", method, f"one of {', '.join(METHODS)}")
    if forever and method not in ("auto", "exact"):
        raise bad("t_end", float("inf"), "a finite time", f"method '{method}' integrates; use method='exact'")
    if forever or method == "exact":
        return _closed_form(flow, forever)
    if method == "scipy":
        return _scipy()
    reason = why_not_compiled(flow)
    if method == "compiled":
        if reason == ABSENT:
            raise missing_extra("llvmlite", "fast", "compiled ensembles")
        if reason:
            raise bad("method", method, "a flow that can be compiled", f"{reason}; use method='scipy'")
        from dynsim.integrate.engine.program import by_compiled

        return Choice("compiled", _sliding_too(by_compiled))
    if reason:
        return _scipy(reason)
    from dynsim.integrate.engine.program import by_compiled_or_radau

    return Choice("compiled", _sliding_too(by_compiled_or_radau))


def _scipy(reason: str = "") -> Choice:
    from dynsim.integrate.concatenated import by_scipy  # SciPy's integrators, which the other engines do without

    return Choice("scipy", _sliding_too(by_scipy), reason)


def _sliding_too(engine: Engine) -> Engine:
    """An engine after which members that slide are done again, one by one, along the surfaces where they do."""

    def engine_and_sliding(batch: Members, run: EnsembleArrays) -> int:
        stiff = engine(batch, run)
        if run.gravest < Status.SLIDING:
            return stiff
        members = np.flatnonzero(run.status == Status.SLIDING)
        if members.size:
            slide(batch, run, members)
        return stiff

    return engine_and_sliding


def _closed_form(flow: Any, forever: bool) -> Choice:
    if flow.exact is not None and flow.exact.solution is not None:
        return Choice("exact", by_closed_form)
    argument, received = ("t_end", math.inf) if forever else ("method", "exact")
    raise bad(argument, received, "a flow with a closed form in time", "integrate to a finite time instead")


def why_not_compiled(flow: Any) -> str:
    """Why the compiled engine cannot do a flow, or the empty text."""
    if flow.equations is None:
        return "a Field has no equations to compile"
    if find_spec("llvmlite") is None:
        return ABSENT
    from dynsim.integrate.engine.program import obstacle

    return obstacle(flow)


BLOCK = 8192  # members at a time: what they need stays in the processor's cache


def by_closed_form(batch: Members, run: EnsembleArrays) -> int:
    """Fill `run` from ``flow.exact``; any time, infinity included."""
    for first in range(0, batch.y0.shape[1], BLOCK):
        _fill(batch.select(slice(first, first + BLOCK)), run.part(first, first + BLOCK))
    return 0


def _fill(batch: Members, run: EnsembleArrays) -> None:
    flow, field = batch.flow, batch.field
    initial = {name: values[:, None] for name, values in zip(field.names, batch.y0, strict=True)}
    parameters = {name: value[:, None] if np.ndim(value) else value for name, value in batch.values.items()}
    with np.errstate(all="ignore"):
        solution = flow.exact(batch.times, initial, parameters)
        for row, name in zip(run.states, field.names, strict=True):
            row[:] = solution[name]
    startable = np.isfinite(batch.y0).all(axis=0) & np.isfinite(run.states).all(axis=(0, 2))
    run.status[:] = np.where(startable, Status.OK, Status.INVALID_START)
    run.states[:, ~startable] = np.nan
    run.mark_rest(batch)
    run.observe(batch)
