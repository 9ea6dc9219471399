"""Many members as one large system, with SciPy: where nothing compiled is at hand, and where a flow is stiff.

The members of a group share their steps, and a step is accepted only if *every* member meets the tolerance by
itself: the usual norm over the whole system would let one bad member hide among a thousand good ones. A member
that diverges, turns out to be stiff or needs too many steps leaves its group, and the others go on.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import scipy.sparse
from scipy.integrate import DOP853, Radau

from dynsim.integrate.batch import MOST_STEPS, STIFF, EnsembleArrays, Members
from dynsim.integrate.stepping import Stepper
from dynsim.status import Status

__all__ = ["by_radau", "by_scipy"]

GROUP = 2048  # members per explicit system: enough to hide the cost of a NumPy call
IMPLICIT_GROUP = 128
LOOK = 1000  # explicit steps between looks at who is stiff
IMPLICIT_STEPS = 20_000
STIFFNESS = 4.0  # step times Lipschitz constant; DOP853 is stable up to about 6
_SMALLEST_RTOL = 100 * np.finfo(float).eps


def by_scipy(batch: Members, run: EnsembleArrays) -> int:
    """Fill `run` with DOP853; members that are stiff are done again with Radau."""
    with np.errstate(all="ignore"):  # members that diverge overflow before they are taken out
        for first in range(0, batch.y0.shape[1], GROUP):
            group, part = batch.select(slice(first, first + GROUP)), run.part(first, first + GROUP)
            _explicit(group, part)
            part.observe(group)
        stiff = by_radau(batch, run)
        run.mark_rest(batch)
    return stiff


def by_radau(batch: Members, run: EnsembleArrays) -> int:
    """Do those members again whose status is `STIFF`, with an implicit method; how many there were."""
    stiff = np.flatnonzero(run.status == STIFF)
    if not len(stiff):
        return 0
    with np.errstate(all="ignore"):
        for index in np.array_split(stiff, -(-len(stiff) // IMPLICIT_GROUP)):
            group = batch.select(index)
            part = EnsembleArrays.empty(group.field, len(index), len(batch.times))
            _implicit(group, part)
            part.mark_rest(group)
            part.observe(group)
            run.put(index, part)
    return len(stiff)


def _explicit(batch: Members, run: EnsembleArrays) -> None:
    """One group with DOP853; members leave it for a reason, the others go on from where they are."""
    run.clear()
    run.status[~np.isfinite(batch.field.f(0.0, batch.y0)).all(axis=0)] = Status.INVALID_START
    active = np.flatnonzero(run.status == Status.OK)
    t, y, work = 0.0, batch.y0[:, active], np.zeros(len(active))
    while active.size:
        group = batch.select(active)
        options: dict[str, Any] = {"rtol": _rtol(batch), "atol": batch.atol, "may_jump": group.field.may_jump}
        stepper = Stepper(_PerMember, _flat(group), t, y.ravel(), batch.times[-1], most=sys.maxsize, **options)
        solver = stepper.solver
        solver.members, solver.work = len(active), work
        leaving = np.zeros(len(active), dtype=np.int8)
        while not leaving.any():
            _advance(stepper, batch.times, active, run, LOOK)
            if stepper.status == Status.OK:
                return
            if stepper.status != Status.NOT_RUN:
                run.explain(batch, active, *_here(batch, active, stepper), only=Status.SLIDING)
                failing = run.status[active] == Status.SLIDING
                if not failing.any():
                    failing = ~(solver.errors < 1)
                    failing = failing if failing.any() else solver.errors >= solver.errors.max()
                    run.explain(batch, active[failing], *_here(batch, active, stepper))
                leaving[failing] = run.status[active[failing]]
            else:
                leaving[solver.work > MOST_STEPS] = Status.STEP_LIMIT
                leaving[solver.stiffness() > STIFFNESS] = STIFF
        run.status[active] = leaving
        stay = leaving == Status.OK
        t, y, work, active = stepper.t, stepper.y.reshape(-1, len(active))[:, stay], solver.work[stay], active[stay]


def _implicit(batch: Members, run: EnsembleArrays) -> None:
    """One group with Radau. Its norm is a root mean square, so a tolerance tightened by √members binds each."""
    run.clear()
    active, t, y = np.arange(batch.y0.shape[1]), 0.0, batch.y0
    while active.size:
        group = batch.select(active)
        options = {**_radau_options(group), "most": IMPLICIT_STEPS, "may_jump": group.field.may_jump}
        stepper = Stepper(Radau, _flat(group), t, y.ravel(), batch.times[-1], **options)
        _advance(stepper, batch.times, active, run, IMPLICIT_STEPS)
        if stepper.status == Status.OK:
            return
        y = stepper.y.reshape(y.shape)
        failed = stepper.status in (Status.SOLVER_FAILED, Status.SLIDING)
        if failed and active.size > 1:
            _halves(batch, run, active)
            return
        if failed:
            run.explain(batch, active, *_here(batch, active, stepper))
            return
        # Those that move fastest for their tolerance keep the steps short.
        rate = np.abs(group.field.f(stepper.t, y) / (batch.atol + batch.rtol * np.abs(y))).max(axis=0)
        stay = (rate < rate.max() / 10) & (active.size > 1)
        run.status[active[~stay]] = Status.STEP_LIMIT
        t, y, active = stepper.t, y[:, stay], active[stay]


def _halves(batch: Members, run: EnsembleArrays, members: np.ndarray) -> None:
    """Do a group that fails again in two, until the member that makes it fail is alone."""
    for index in np.array_split(members, 2):
        group = batch.select(index)
        part = EnsembleArrays.empty(group.field, len(index), len(batch.times))
        _implicit(group, part)
        run.put(index, part)


def _radau_options(batch: Members) -> dict[str, Any]:
    size, count = batch.y0.shape
    options: dict[str, Any] = {"rtol": _rtol(batch, count), "atol": batch.atol / np.sqrt(count)}
    if batch.field.jacobian_function is not None:
        options["jac"] = _block_jacobian(batch)
    elif count > 1:
        options["jac_sparsity"] = scipy.sparse.kron(np.ones((size, size)), scipy.sparse.identity(count), "csc")
    return options


def _here(batch: Members, active: np.ndarray, stepper: Stepper) -> tuple[np.ndarray, np.ndarray]:
    """Times and states of all members of a batch, of which the active ones stand where the stepper stands."""
    states = batch.y0.copy()
    states[:, active] = stepper.y.reshape(-1, len(active))
    return np.full(states.shape[1], stepper.t), states


def _advance(stepper: Stepper, times: np.ndarray, members: np.ndarray, run: EnsembleArrays, limit: int) -> None:
    """Step until the end, a failure or the step limit, writing the times that lie on the way."""
    shape = (-1, len(members))
    if times[0] == stepper.t == 0.0:
        run.states[:, members, 0] = stepper.y.reshape(shape)
    done = int(np.searchsorted(times, stepper.t, side="right"))
    for _ in range(limit):
        if not stepper.step():
            return
        run.steps[members] += 1
        reached = int(np.searchsorted(times, stepper.t, side="right"))
        if reached > done:
            inside = times[done:reached]
            between = inside[inside < stepper.t]
            if between.size:
                columns = slice(done, done + len(between))
                at = stepper.dense()(between)
                run.states[:, members, columns] = at.reshape(*shape, len(between))
            if len(between) < len(inside):
                run.states[:, members, reached - 1] = stepper.y.reshape(shape)
            done = reached


def _flat(batch: Members) -> Any:
    """Right-hand side of the concatenated system."""
    shape = batch.y0.shape
    return lambda t, y: batch.field.f(t, y.reshape(shape)).ravel()


def _block_jacobian(batch: Members) -> Any:
    """Jacobian of the concatenated system: member i's entries stand where rows and columns belong to i."""
    size, count = batch.y0.shape
    rows, columns, members = np.indices((size, size, count))
    at = ((rows * count + members).ravel(), (columns * count + members).ravel())

    def jacobian(t: float, y: np.ndarray) -> Any:
        values = batch.field.jacobian(t, y.reshape(size, count)).ravel()
        return scipy.sparse.csc_matrix((values, at), shape=(size * count, size * count))

    return jacobian


def _rtol(batch: Members, members: int = 1) -> float:
    return float(max(batch.rtol / np.sqrt(members), _SMALLEST_RTOL))


class _PerMember(DOP853):
    """DOP853 whose error norm is the largest of its members' norms.

    Attributes
    ----------
    work : array of shape ``(members,)``
        About how many steps each member would have taken by itself.
    """

    members = 1
    errors = np.zeros(1)
    work = np.zeros(1)

    def _estimate_error_norm(self, K: np.ndarray, h: float, scale: np.ndarray) -> float:
        fifth, third = (
            np.square(np.dot(K.T, weights) / scale).reshape(-1, self.members).sum(axis=0)
            for weights in (self.E5, self.E3)
        )
        size = len(scale) // self.members
        self.errors = np.where(fifth == 0, 0.0, abs(h) * fifth / np.sqrt((fifth + 0.01 * third) * size))
        self.work = self.work + np.fmin(self.errors, 1.0) ** (1 / 8)
        return float(self.errors.max())

    def stiffness(self) -> np.ndarray:
        """Last step times Hairer's estimate of each member's Lipschitz constant, from the last two stages."""
        h, last = self.t - self.t_old, self.n_stages - 1
        before = self.y_old + h * np.dot(self.K[:last].T, self.A[last, :last])
        rise, run = (
            np.square(difference).reshape(-1, self.members).sum(axis=0)
            for difference in (self.K[last + 1] - self.K[last], self.y - before)
        )
        return h * np.sqrt(rise / run)
