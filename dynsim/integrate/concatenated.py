"""Many members as one large system, with SciPy: where nothing compiled is at hand, and where a flow is stiff.

The members of a group share their steps, and a step is accepted only if *every* member meets the tolerance by
itself: the usual norm over the whole system would let one bad member hide among a thousand good ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.integrate import DOP853, OdeSolver, Radau

from dynsim.integrate.members import BLOW_UP, INVALID_START, OK, STEP_LIMIT, Batch, Run

__all__ = ["by_radau", "by_scipy"]

GROUP = 2048  # members per explicit system: enough to hide the cost of a NumPy call
IMPLICIT_GROUP = 128
EXPLICIT_STEPS = 10_000  # a group that needs more counts as stiff
IMPLICIT_STEPS = 100_000
_SMALLEST_RTOL = 100 * np.finfo(float).eps


def by_scipy(batch: Batch, run: Run) -> int:
    """Fill `run` with DOP853; members that need too many steps are done again with Radau."""
    with np.errstate(all="ignore"):  # members that diverge overflow before they are taken out
        for first in range(0, batch.y0.shape[1], GROUP):
            group, part = batch.select(slice(first, first + GROUP)), run.part(first, first + GROUP)
            _explicit(group, part)
        stiff = by_radau(batch, run)
        run.mark_rest(batch)
    return stiff


def by_radau(batch: Batch, run: Run) -> int:
    """Do those members again whose status is "step_limit" with an implicit method; how many there were."""
    stiff = np.flatnonzero(run.status == STEP_LIMIT)
    with np.errstate(all="ignore"):
        for index in np.array_split(stiff, -(-len(stiff) // IMPLICIT_GROUP)) if len(stiff) else ():
            group = batch.select(index)
            part = Run.empty(len(batch.y0), len(index), len(batch.times))
            _implicit(group, part)
            part.mark_rest(group)
            run.put(index, part)
    return len(stiff)


def _explicit(batch: Batch, run: Run) -> None:
    """One group with DOP853; a member that diverges leaves it, the others go on from where they are."""
    run.status[~np.isfinite(batch.field.f(0.0, batch.y0)).all(axis=0)] = INVALID_START
    active = np.flatnonzero(run.status == OK)
    t, y = 0.0, batch.y0[:, active]
    while active.size:
        group = batch.select(active)
        solver = _PerMember(_flat(group), t, y.ravel(), batch.times[-1], rtol=_rtol(batch), atol=batch.atol)
        solver.members = len(active)
        _advance(solver, batch.times, active, run, EXPLICIT_STEPS)
        if solver.status == "finished":
            return
        t, y = solver.t, solver.y.reshape(-1, len(active))
        if solver.status == "running":
            run.status[active] = STEP_LIMIT
            return
        failed = ~(solver.errors < 1)
        run.status[active[failed]] = BLOW_UP
        active, y = active[~failed], y[:, ~failed]


def _implicit(batch: Batch, run: Run) -> None:
    """One group with Radau. Its norm is a root mean square, so a tolerance tightened by √members binds each."""
    size, count = batch.y0.shape
    options: dict[str, Any] = {"rtol": _rtol(batch, count), "atol": batch.atol / np.sqrt(count)}
    if batch.field.jacobian_function is not None:
        options["jac"] = _block_jacobian(batch)
    elif count > 1:
        options["jac_sparsity"] = scipy.sparse.kron(np.ones((size, size)), scipy.sparse.identity(count), "csc")
    solver = Radau(_flat(batch), 0.0, batch.y0.ravel(), batch.times[-1], **options)
    _advance(solver, batch.times, np.arange(count), run, IMPLICIT_STEPS)
    if solver.status == "finished":
        return
    run.states[:] = np.nan
    if count == 1:
        run.status[:] = STEP_LIMIT if solver.status == "running" else BLOW_UP
        return
    for index in np.array_split(np.arange(count), 2):  # halve until the member that fails is alone
        part = Run.empty(size, len(index), len(batch.times))
        _implicit(batch.select(index), part)
        run.put(index, part)


def _advance(solver: OdeSolver, times: np.ndarray, members: np.ndarray, run: Run, limit: int) -> None:
    """Step until the end, a failure or the step limit, writing the times that lie on the way."""
    shape = (-1, len(members))
    if times[0] == solver.t == 0.0:
        run.states[:, members, 0] = solver.y.reshape(shape)
    done = int(np.searchsorted(times, solver.t, side="right"))
    for _ in range(limit):
        if solver.status != "running":
            return
        if solver.step() is not None:
            return
        run.steps[members] += 1
        reached = int(np.searchsorted(times, solver.t, side="right"))
        if reached > done:
            inside = times[done:reached]
            between = inside[inside < solver.t]
            if between.size:
                columns = slice(done, done + len(between))
                at = solver.dense_output()(between)
                run.states[:, members, columns] = at.reshape(*shape, len(between))
            if len(between) < len(inside):
                run.states[:, members, reached - 1] = solver.y.reshape(shape)
            done = reached


def _flat(batch: Batch) -> Any:
    """Right-hand side of the concatenated system."""
    shape = batch.y0.shape
    return lambda t, y: batch.field.f(t, y.reshape(shape)).ravel()


def _block_jacobian(batch: Batch) -> Any:
    """Jacobian of the concatenated system: member i's entries stand where rows and columns belong to i."""
    size, count = batch.y0.shape
    rows, columns, members = np.indices((size, size, count))
    at = ((rows * count + members).ravel(), (columns * count + members).ravel())

    def jacobian(t: float, y: np.ndarray) -> Any:
        values = batch.field.jacobian(t, y.reshape(size, count)).ravel()
        return scipy.sparse.csc_matrix((values, at), shape=(size * count, size * count))

    return jacobian


def _rtol(batch: Batch, members: int = 1) -> float:
    return float(max(batch.rtol / np.sqrt(members), _SMALLEST_RTOL))


class _PerMember(DOP853):
    """DOP853 whose error norm is the largest of its members' norms."""

    members = 1
    errors = np.zeros(1)

    def _estimate_error_norm(self, K: np.ndarray, h: float, scale: np.ndarray) -> float:
        fifth, third = (
            np.square(np.dot(K.T, weights) / scale).reshape(-1, self.members).sum(axis=0)
            for weights in (self.E5, self.E3)
        )
        size = len(scale) // self.members
        self.errors = np.where(fifth == 0, 0.0, abs(h) * fifth / np.sqrt((fifth + 0.01 * third) * size))
        return float(self.errors.max())
