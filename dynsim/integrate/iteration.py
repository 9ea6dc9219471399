"""A discrete optimiser on many members at once: what is set up before the first step, and the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.integrate.events import REST_RATE
from dynsim.integrate.grid import Grid, grid_of
from dynsim.integrate.members import AT_REST, BLOW_UP, INVALID_START, OK
from dynsim.integrate.optimisers.catalogue import Step, optimiser_named
from dynsim.integrate.optimisers.parts.problem import Problem
from dynsim.integrate.optimisers.parts.teachers import Update, teacher_update
from dynsim.symbolic.flow import Flow

__all__ = ["Iteration", "iteration_of"]

_ATOL = 1e-13


@dataclass(frozen=True)
class Iteration:
    """An optimiser, ready to step.

    Attributes
    ----------
    grid : Grid
        The members.
    problem : Problem
    y0 : array of shape ``(size, members)``
    step, update : callable
        Change of the moving states, and the teachers after it.
    pace : float
        Flow time per step in units of the step size.
    told : dict
        Optimiser and options, for provenance.
    """

    grid: Grid
    problem: Problem
    y0: np.ndarray
    step: Step
    update: Update
    pace: float
    told: dict[str, Any]

    def run(self, record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step to the last of the increasing step numbers `record`; states ``(size, members, records)`` and status."""
        rows = self.problem.rows
        y = self.y0.copy()
        status = np.full(y.shape[1], OK, dtype=np.int8)
        states = np.full((*y.shape, len(record)), np.nan)
        with np.errstate(all="ignore"):  # members that diverge overflow before they are marked
            started = np.isfinite(y).all(axis=0) & np.isfinite(self.problem.field.f(0.0, y)).all(axis=0)
            status[~started] = INVALID_START
            y[:, ~started] = np.nan
            taken = 0
            for index, target in enumerate(record):
                for _ in range(taken, int(target)):
                    after = y.copy()
                    after[rows] += self.step(y)
                    self.update(y, after)
                    y = after
                taken = int(target)
                gone = ~np.isfinite(y).all(axis=0)
                status[gone & (status == OK)] = BLOW_UP
                y[:, gone] = np.nan
                states[:, :, index] = y
            velocity = np.abs(self.problem.field.f(0.0, y))
            moving = ~(velocity <= REST_RATE * np.abs(y) + _ATOL).all(axis=0)
        status[(status == OK) & ~moving] = AT_REST
        return states, status


def iteration_of(
    flow: Any,
    initial: Any,
    parameters: Mapping[Any, Any] | None,
    optimiser: str,
    lr: Any,
    teacher: Any,
    options: Mapping[str, Any],
) -> Iteration:
    """Check everything at the door and set an optimiser up."""
    entry = optimiser_named(optimiser)
    chosen = entry.complete(options)
    more = {"lr": lr} if teacher is None else {"lr": lr, "teacher": teacher}
    grid = grid_of(flow, initial, parameters, **more)
    _check("lr", lr, grid.values["lr"], "positive, finite step sizes", lambda x: (x > 0) & np.isfinite(x))
    if teacher is not None:
        within = "EMA coefficients from 0 (SimSiam) to 1 (frozen)"
        _check("teacher", teacher, grid.values["teacher"], within, lambda x: (x >= 0) & (x <= 1))
    symbolic = flow if isinstance(flow, Flow) else None
    states = flow.states if isinstance(flow, Flow) else flow.names
    y0 = np.concatenate(
        [grid.members(name).reshape(grid.size, math.prod(grid.own(name))).T for name in states], dtype=float
    )
    constants = symbolic.parameters if symbolic else ()
    values = {n: grid.members(n) if grid.spans[n] else grid.values[n].item() for n in constants}
    field = symbolic.compiled.field(values) if symbolic else flow
    problem = Problem(symbolic, field, values, grid.members("lr"))
    step = entry.prepare(problem, **chosen)
    pace = entry.pace(**chosen)
    update = teacher_update(problem, None if teacher is None else grid.members("teacher"), pace)
    return Iteration(grid, problem, y0, step, update, pace, {"optimiser": entry.name, "options": chosen})


def _check(argument: str, given: Any, values: np.ndarray, expected: str, fits: Any) -> None:
    if isinstance(given, bool):
        raise bad(argument, given, expected, kind=InvalidType)
    if not fits(values).all():
        raise bad(argument, given, expected)
