"""Discrete optimisers on a flow: the same states, the same Dataset, steps beside time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from dynsim.arguments import a_whole
from dynsim.choices import FlowOptimiser
from dynsim.errors import InvalidType, ParseError, bad
from dynsim.integrate.events import REST_RATE
from dynsim.integrate.grid import Grid, grid_of, state_axes
from dynsim.integrate.optimisers.catalogue import Step, optimiser_named
from dynsim.integrate.optimisers.problem import Problem
from dynsim.integrate.optimisers.teachers import Update, teacher_update
from dynsim.integrate.results import ATTRIBUTES
from dynsim.integrate.schedules import Schedule, in_flow_time, is_schedule
from dynsim.integrate.validation import count
from dynsim.records import stamp
from dynsim.status import Status
from dynsim.symbolic.sources import as_field

__all__ = ["Iteration", "iteration_of", "optimise", "steps_dataset"]


def optimise(
    flow: Any,
    initial: Mapping[Any, Any],
    steps: int,
    *,
    parameters: Mapping[Any, Any] | None = None,
    optimiser: FlowOptimiser = "gd",
    lr: Any,
    every: int = 1,
    teacher: Any = None,
    **optimiser_options: Any,
) -> xr.Dataset:
    """Step through a flow with a discrete optimiser.

    The optimiser takes the negative velocity of the flow for its gradient, learning-rate ratios and weight decay
    included, so that plain gradient descent is the explicit Euler method with step `lr`.

    Parameters
    ----------
    flow : Flow or Field
    initial, parameters : mapping
        ``{name: value}``. A number is shared by all members; a one-dimensional array spans the dimension `phi0` (of a
        state `phi`) or `alpha` (of a parameter `alpha`); a DataArray keeps its own dimensions, and entries that share
        one are paired along it. Text is a schedule in the flow time `t`, `step` and `steps`, as for `lr`.
    steps : int
        Number of steps.
    optimiser : str
        One of `list_optimisers`: "gd", "momentum", "nesterov", "rmsprop", "adam", "sign", "newton", "gauss-newton",
        "simultaneous", "alternating", "alternating-minimisation".
    lr : float, array, DataArray or text
        Step size; an array spans the dimension `lr`. Text is a schedule in `step` and `steps`, with the shapes
        ``cosine(a, b)``, ``linear(a, b)`` and ``warmup(n)``: "warmup(10)*cosine(0.1, 0)".
    every : int
        Record every so many steps; the start and the last step are always recorded.
    teacher : float, array, DataArray or text, optional
        EMA coefficient m per step of every teacher state, v ← m·v + (1 − m)·w after the student w has moved: 0 is
        SimSiam (the teacher equals the encoder), 1 a frozen teacher; it is the rate β = −ln(m)/lr. By default
        teachers follow the flow's own rate, one Euler step at a time.
    **optimiser_options
        Options of the optimiser, such as ``momentum=0.9``, ``beta2=0.99``, ``order=("theta", "phi")``, ``k=5``.

    Returns
    -------
    xarray.Dataset
        One variable per state and observable over the dimensions of the members, then `step`, with the coordinate
        `time` = lr·step of flow time (momentum m: lr·step/(1 − m); k steps per block: k·lr·step). `status` says how a
        member ended, by the values of `dynsim.status.Status`: 0 ok, 1 at_rest, 2 blow_up (NaN from there on),
        4 invalid_start.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        Something at the door. Never for what a member does.

    See Also
    --------
    solve : the flow that small steps follow.
    modified_flow : the flow of finite steps.
    list_optimisers : what there is.

    References
    ----------
    Su Jianlin, kexue.fm/archives/7980 (2020), on optimisers "neither stronger nor weaker" than gradient descent.

    Examples
    --------
    >>> import dynsim
    >>> start = {"phi": 0.6, "theta": 0.1}
    >>> run = dynsim.optimise(dynsim.system("toy"), start, 2000, lr=0.1, every=1000)
    >>> run.theta.values.round(4)
    array([0.1  , 0.808, 0.808])
    >>> run.time.values
    array([  0., 100., 200.])
    >>> both = dynsim.optimise(dynsim.system("toy"), start, 500, lr=[0.01, 0.1], optimiser="adam", every=500)
    >>> dict(both.theta.sizes)
    {'lr': 2, 'step': 2}
    """
    flow = as_field(flow)
    last, stride = a_whole("steps", steps, 0, expected="a whole number ≥ 0"), count("every", every, 1)
    if last // stride > MOST_RECORDED:
        raise bad("steps", steps, f"at most {MOST_RECORDED:.0e} recorded steps", "record fewer with every=")
    texts = {name: text for name, text in (("lr", lr), ("teacher", teacher)) if isinstance(text, str)}
    scheduled = {name: _schedule(name, text) for name, text in texts.items()}
    if isinstance(parameters, Mapping) and any(map(is_schedule, parameters.values())):
        pace = _pace(optimiser, optimiser_options)
        parameters = _timed(parameters, last, pace, None if "lr" in scheduled else lr)
    iteration = iteration_of(
        flow, initial, parameters, optimiser, 1.0 if "lr" in scheduled else lr,
        0.0 if "teacher" in scheduled else teacher, optimiser_options,
    )  # fmt: skip
    if scheduled:
        iteration = replace(iteration, schedules=scheduled, steps=last)
    record = np.unique(np.append(np.arange(0, last + 1, stride), last))
    return steps_dataset(flow, iteration, record)


def steps_dataset(flow: Any, iteration: Iteration, record: np.ndarray) -> xr.Dataset:
    """Run an iteration and put the recorded steps into a Dataset."""
    grid, field = iteration.grid, iteration.problem.field
    states, status = iteration.run(record)
    along = [d for d in grid.dims if d in grid.spans["lr"]]
    rates = grid.values["lr"].reshape([grid.shape[grid.dims.index(d)] for d in along])
    variables: dict[str, Any] = {"status": ((), status)}
    for name, values in field.split(states).items():
        variables[name] = (("step", *state_axes(name, values.ndim - 2)), np.moveaxis(values, (-2, -1), (0, 1)))
    members_last = states.swapaxes(1, 2)  # parameters that vary do so along the last axis
    moments = iteration.times(record[:, None], iteration.problem.lr)
    for name in field.observables:
        variables[name] = (("step",), field.observe(name, moments, members_last).T)
    data = grid.dataset(variables)
    data["status"].attrs = dict(ATTRIBUTES["status"])
    time = xr.DataArray(iteration.times(record, rates[..., None]), dims=(*along, "step"))
    settings = {name: schedule.text for name, schedule in iteration.schedules.items()} | iteration.settings
    data = data.assign_coords(step=record, time=time.variable)
    data["time"].attrs["long_name"] = "flow time"
    return stamp(
        data,
        kind="optimise",
        flow=flow.origin(),
        parameters=grid.describe_parameters(iteration.problem.values),
        initial=grid.describe(field.names),
        **grid.describe([name for name in ("lr", "teacher") if name in grid.values and name not in settings]),
        **settings,
    )


_ATOL = 1e-13
_WITHIN = "EMA coefficients from 0 (SimSiam) to 1 (frozen)"
MOST_RECORDED = 10**8  # about a gigabyte for every number that one start has


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
    settings : dict
        Optimiser and options, for provenance.
    coefficient : array, optional
        EMA coefficients of the teachers, as `update` reads them.
    schedules : dict
        Step size and EMA coefficient as they change from step to step, of so many `steps`.
    """

    grid: Grid
    problem: Problem
    y0: np.ndarray
    step: Step
    update: Update
    pace: float
    settings: dict[str, Any]
    coefficient: np.ndarray | None = None
    schedules: dict[str, Schedule] = field(default_factory=dict)
    steps: int = 0

    @cached_property
    def rates(self) -> np.ndarray:
        """The step size of every step, where it has a schedule."""
        rates = np.array([self.schedules["lr"].at(step, self.steps) for step in range(self.steps)])
        if not (rates >= 0).all():
            number = int(np.argmax(~(rates >= 0)))
            raise bad("lr", self.schedules["lr"].text, "step sizes that are not negative",
                      f"at step {number} it is {rates[number]:g}")  # fmt: skip
        return rates

    @cached_property
    def clock(self) -> np.ndarray:
        """Flow time before every step, and after the last, where the step size has a schedule."""
        return self.pace * np.concatenate([[0.0], np.cumsum(self.rates)])

    def times(self, steps: Any, rates: np.ndarray) -> np.ndarray:
        """Flow time after so many steps of these sizes, broadcast; the largest rates end at infinity."""
        if "lr" in self.schedules:
            return np.asarray(self.clock[steps] + 0.0 * rates)
        with np.errstate(over="ignore"):
            return self.pace * rates * steps

    def begin(self, number: int) -> None:
        """Set the clock, the step size and the coefficient of a step."""
        self.problem.time[:] = self.times(number, self.problem.lr)
        if "lr" in self.schedules:
            self.problem.lr[:] = self.rates[number]
        if "teacher" in self.schedules and self.coefficient is not None:
            time = float(self.problem.time.flat[0])
            value = self.schedules["teacher"].at(number, self.steps, time)
            if not 0 <= value <= 1:
                raise bad("teacher", self.schedules["teacher"].text, _WITHIN, f"at step {number} it is {value:g}")
            self.coefficient[:] = value

    def run(self, record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step to the last of the increasing step numbers `record`; states ``(size, members, records)`` and status."""
        rows = self.problem.rows
        y = self.y0.copy()
        status = np.full(y.shape[1], Status.OK, dtype=np.int8)
        states = np.full((*y.shape, len(record)), np.nan)
        with np.errstate(all="ignore"):  # members that diverge overflow before they are marked
            started = np.isfinite(y).all(axis=0) & np.isfinite(self.problem.field.f(0.0, y)).all(axis=0)
            status[~started] = Status.INVALID_START
            y[:, ~started] = np.nan
            taken = 0
            for index, target in enumerate(record):
                for number in range(taken, int(target)):
                    self.begin(number)
                    after = y.copy()
                    after[rows] += self.step(y)
                    self.update(y, after)
                    y = after
                taken = int(target)
                gone = ~np.isfinite(y).all(axis=0)
                status[gone & (status == Status.OK)] = Status.BLOW_UP
                y[:, gone] = np.nan
                states[:, :, index] = y
            self.problem.time[:] = self.times(taken, self.problem.lr)
            velocity = np.abs(self.problem.field.f(self.problem.time, y))
            moving = ~(velocity <= REST_RATE * np.abs(y) + _ATOL).all(axis=0)
        status[(status == Status.OK) & ~moving] = Status.AT_REST
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
    flow = grid.flow
    _check("lr", lr, grid.values["lr"], "positive, finite step sizes", lambda x: (x > 0) & np.isfinite(x))
    if teacher is not None:
        _check("teacher", teacher, grid.values["teacher"], _WITHIN, lambda x: (x >= 0) & (x <= 1))
    states = flow.states
    y0 = np.concatenate(
        [grid.members(name).reshape(grid.size, math.prod(grid.own(name))).T for name in states], dtype=float
    )
    values = {n: grid.members(n) if grid.spans[n] else grid.values[n].item() for n in flow.parameters}
    problem = Problem(flow.equations, flow.field_over(values), values, np.array(grid.members("lr"), dtype=float))
    step = entry.prepare(problem, **chosen)
    pace = entry.pace(**chosen)
    coefficient = None if teacher is None else np.array(grid.members("teacher"), dtype=float)
    update = teacher_update(problem, coefficient, pace)
    return Iteration(grid, problem, y0, step, update, pace, {"optimiser": entry.name, "options": chosen}, coefficient)


def _pace(optimiser: str, options: Mapping[str, Any]) -> float:
    entry = optimiser_named(optimiser)
    try:
        return float(entry.pace(**entry.complete(options)))
    except (ArithmeticError, TypeError):  # an option that cannot be: said where the optimiser is set up
        return 1.0


def _schedule(name: str, text: str) -> Schedule:
    try:
        schedule = Schedule(text)
    except ParseError as error:
        raise bad(name, text, "a number, or a schedule in step and steps", str(error)) from None
    if name == "lr" and schedule.depends_on_time:
        raise bad("lr", text, "text in step and steps", "the flow time is made of the learning rate")
    return schedule


def _timed(parameters: Any, steps: int, pace: float, lr: Any) -> Any:
    """Parameters with their schedules in flow time: a step of constant size takes lr times the pace of it."""
    if isinstance(lr, int | float | np.number) and not isinstance(lr, bool) and lr > 0:
        return in_flow_time(parameters, pace * float(lr) * max(steps, 1), pace * float(lr), steps)
    if (rewritten := in_flow_time(parameters, 1.0, 1.0, steps)) != parameters:
        names = sorted(str(name) for name in rewritten if rewritten[name] is not parameters[name])
        raise bad(f"parameters[{names[0]!r}]", parameters[names[0]], "an expression in the flow time t",
                  "steps have one length only where lr is one number")  # fmt: skip
    return parameters


def _check(argument: str, given: Any, values: np.ndarray, expected: str, fits: Any) -> None:
    if isinstance(given, bool):
        raise bad(argument, given, expected, kind=InvalidType)
    if not fits(values).all():
        raise bad(argument, given, expected)
