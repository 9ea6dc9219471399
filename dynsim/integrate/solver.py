"""One trajectory on a time grid: the solver's steps, what happens along them, and how the run ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dynsim.field import Field
from dynsim.integrate.batch import ROUNDING, SCALED, STRUGGLE, TINY, EnsembleArrays, Members
from dynsim.integrate.events import Watched, distance_from_rest
from dynsim.integrate.rest import RestWatch
from dynsim.integrate.sliding import Switching, switching_of
from dynsim.integrate.stepping import IMPLICIT, Stepper, quiet, solver_class, why_it_stopped
from dynsim.integrate.zeros import change_of_sign, sign_changes
from dynsim.status import Status

__all__ = ["MOST_STEPS", "Settings", "Trajectory", "fixed_atol", "slide", "trajectory"]

MOST_STEPS = 500_000  # half a minute of DOP853 for a flow of two states

_SMALLEST_RTOL = 100 * np.finfo(float).eps


@dataclass(frozen=True)
class Settings:
    """How a run is to be integrated.

    Attributes
    ----------
    method : str
        One of SciPy's solvers.
    rtol : float
    atol : float or None
        None: each state keeps its relative accuracy down to what rounding leaves of it.
    max_step : float
    breakpoints : tuple of float
        Times at which the field may jump: no step crosses one.
    """

    method: str = "DOP853"
    rtol: float = 1e-11
    atol: float | None = None
    max_step: float = np.inf
    breakpoints: tuple[float, ...] = ()


def fixed_atol(settings: Settings, y: np.ndarray) -> float:
    """The absolute tolerance of a run that starts at `y` where none follows its states."""
    return settings.atol or SCALED * (float(np.abs(y).max(initial=0.0)) or 1.0)


@dataclass
class Trajectory:
    """States on the grid, and how the run ended.

    Attributes
    ----------
    states : array of shape ``(size, len(grid))``
        Held after a rest, NaN after every other end before the last time.
    reached : float
        Flow time at which integration stopped.
    status : Status
        OK, AT_REST, EVENT, BLOW_UP, STEP_LIMIT, SLIDING, NOT_FINITE or SOLVER_FAILED.
    last : array of shape ``(size,)``
        State at the time reached.
    hits : list of (time, index of the event, state)
        In the order of time.
    steps : int
        Steps accepted.
    message : str
        What the solver said when it failed.
    sliding : list of (surface, from, until)
        Surfaces on which the field jumps and along which the run slid; `until` is NaN if it still did at the end.
    observed : array of shape ``(observables, len(grid))`` or None
        Where the observables are known already.
    """

    states: np.ndarray
    reached: float
    status: Status
    last: np.ndarray
    hits: list[tuple[float, int, np.ndarray]] = field(default_factory=list)
    steps: int = 0
    message: str = ""
    sliding: list[tuple[str, float, float]] = field(default_factory=list)
    observed: np.ndarray | None = None

    def see_rest(self, field: Field, atol: float) -> None:
        """Where the run is ok and its last state moves no faster than rest allows, say so."""
        if self.status == Status.OK and not distance_from_rest(field, atol)(self.reached, self.last) > 0:
            self.status = Status.AT_REST


def trajectory(
    field: Field,
    y0: np.ndarray,
    grid: np.ndarray,
    settings: Settings,
    events: Sequence[Watched] = (),
    *,
    autonomous: bool = False,
    switching: Switching | None = None,
) -> Trajectory:
    """Integrate from time 0 to the last time of the grid, or until something ends the run.

    Parameters
    ----------
    grid : array
        Times away from 0, all on one side of it.
    autonomous : bool
        The field does not depend on time: the run may be held as soon as it rests for good.
    switching : Switching, optional
        Where the field jumps: the run then crosses the surfaces or slides along them.
    """
    run = Trajectory(np.full((field.size, len(grid)), np.nan), 0.0, Status.OK, y0)
    resting = next((i for i, e in enumerate(events) if e.label == "rest" and e.function(0.0, y0) <= 0), None)
    if resting is not None:
        run.states[:] = y0[:, None]
        run.status, run.hits = Status.AT_REST, [(0.0, resting, y0)]
        return run
    t_end, watch = float(grid[-1]), _Events(events, field.size)
    if t_end == 0.0 or (autonomous and not np.asarray(field.f(0.0, y0)).any()):
        _hold(run, y0, t_end, grid, watch)
        run.hits = watch.hits
        return run
    stops = [b for b in sorted(settings.breakpoints, key=abs) if 0 < b * np.sign(t_end) < abs(t_end)]
    if switching is not None:
        switching.start(0.0, y0)
        field = switching.field(field)
    with quiet():
        for stop in (*stops, t_end):
            rest = RestWatch(field, settings.rtol, t_end) if autonomous and stop == t_end else None
            if not _leg(field, run, grid, stop, settings, watch, rest, switching):
                break
    run.hits = watch.hits
    if switching is not None:
        run.sliding = [(surface, start, end) for surface, start, end in switching.record]
        if run.status == Status.OK and switching.sliding.size:
            run.status = Status.SLIDING
    return run


def slide(batch: Members, run: EnsembleArrays, members: np.ndarray) -> None:
    """Do members of an ensemble again that come to where their flow jumps, each by itself."""
    flow = batch.flow.equations
    if flow is None:
        return
    switching = switching_of(flow, dict.fromkeys(flow.parameters, 0.0))
    if switching is None:
        return
    settings = Settings(rtol=batch.rtol, atol=batch.atol)
    for member in members:
        one = batch.select(np.array([member]))
        values = {name: float(np.ravel(value)[0]) for name, value in one.values.items()}
        field = flow.compiled.field(values)
        steady, there = field.is_autonomous is True, switching.at(values)
        found = trajectory(field, one.y0[:, 0], batch.times, settings, autonomous=steady, switching=there)
        if found.reached != batch.times[-1]:
            continue
        part = run.part(int(member), int(member) + 1)
        part.states[:, 0] = found.states
        part.status[0], part.steps[0] = found.status, found.steps
        part.observe(one)


def _leg(
    field: Field,
    run: Trajectory,
    grid: np.ndarray,
    stop: float,
    settings: Settings,
    watch: _Events,
    rest: RestWatch | None,
    switching: Switching | None,
) -> bool:
    """Go on to `stop`; False if the run ended on the way."""
    direction = float(np.sign(stop - run.reached))
    size = float(np.abs(run.last).max(initial=0.0))
    inside = np.flatnonzero(grid * direction <= stop * direction)
    done = int(np.count_nonzero(grid * direction <= run.reached * direction)) if run.steps else 0
    if not run.steps and grid[0] == run.reached:
        run.states[:, 0], done = run.last, 1
    tolerance = _Tolerance(field, settings, run.last)
    function = _within(field.f, run.reached, stop) if settings.breakpoints else field.f
    implicit = settings.method in IMPLICIT

    def stepper_from(t: float, y: np.ndarray) -> Stepper:
        return Stepper(
            solver_class(settings.method),
            function,
            t,
            y,
            stop,
            most=MOST_STEPS - run.steps,
            may_jump=field.may_jump,
            rtol=max(settings.rtol, _SMALLEST_RTOL),
            atol=tolerance.atol,
            max_step=settings.max_step,
            **({"first_step": tolerance.first_step(t, y, stop)} if tolerance.follows else {}),
            **({"jac": field.jacobian} if implicit and field.jacobian_function is not None else {}),
        )

    stepper = stepper_from(run.reached, run.last)
    while stepper.step() or tolerance.follows:
        if stepper.status != Status.NOT_RUN:
            if stepper.status != Status.SOLVER_FAILED or stepper.taken == 0 == run.steps:
                break
            # A force that jumps on a state near zero leaves no relative accuracy to be kept.
            tolerance.settle(run.last)
            stepper = stepper_from(run.reached, run.last)
            continue
        change = None if switching is None else switching.first_change(stepper)
        until = stepper.t if change is None else change[0]
        end = watch.end_within(stepper, until)
        until = until if end is None else end[0]
        due = inside[done:]
        due = due[grid[due] * direction <= until * direction]
        if due.size:
            run.states[:, due] = stepper.dense()(grid[due])
            if grid[due[-1]] == stepper.t:
                run.states[:, due[-1]] = stepper.y
            done += len(due)
        run.reached, run.last, run.steps = stepper.t, stepper.y, run.steps + 1
        if end is not None:
            time, index, y = end
            run.reached, run.last = time, y
            run.status = Status.AT_REST if watch.events[index].label == "rest" else Status.EVENT
            if run.status == Status.AT_REST:
                run.states[:, done:] = y[:, None]
            return False
        if change is not None and switching is not None:
            run.reached, index = change
            run.last = switching.change(run.reached, np.asarray(stepper.dense()(run.reached)), index)
            if run.reached == stop:
                return True
            stepper = stepper_from(run.reached, run.last)
            continue
        held = None if rest is None else rest.held(stepper.taken, stepper.t, stepper.y)
        if held is not None:
            return _hold(run, held, stop, grid[done:], watch)
        tolerance.follow(stepper)
    if stepper.status == Status.OK:
        return True
    run.status, run.message = stepper.status, stepper.message
    if stepper.status == Status.SOLVER_FAILED:
        here = (np.array([run.reached]), run.last[:, None], size)
        reason = why_it_stopped(
            lambda t, y: field.f(t[0], y[:, 0])[:, None], *here, direction, may_jump=field.may_jump
        )
        run.status = Status(reason[0])
    return False


def _hold(run: Trajectory, y: np.ndarray, stop: float, grid: np.ndarray, watch: _Events) -> bool:
    """Let the state rest over the times left, until `stop`; False if an event that waits for a time ends the run."""
    end = watch.end_while_resting(y, run.reached, stop)
    run.reached, run.last = stop if end is None else end[0], y
    left = run.states[:, run.states.shape[1] - len(grid) :]
    left[:, np.abs(grid) <= abs(run.reached)] = y[:, None]
    if end is not None:
        run.status = Status.EVENT
    return end is None


def _within(function: Any, start: float, stop: float) -> Any:
    """The field inside a leg: at its ends, where it may jump, as it is just inside."""
    low, high = sorted((np.nextafter(start, stop), np.nextafter(stop, start)))
    return lambda t, y: function(min(max(t, low), high), y)


class _Tolerance:
    """The absolute tolerance of each state.

    An absolute tolerance that is fixed decides the sign of whatever falls below it. Without one, a state that is the
    difference of larger numbers asks for digits that rounding has eaten. So the tolerance follows the run: it is the
    change of the velocity under a change of the states in their last place, over the step.
    """

    def __init__(self, field: Field, settings: Settings, y: np.ndarray) -> None:
        self.field = field
        self.follows = settings.atol is None and settings.method not in IMPLICIT
        self.scaled = SCALED * (float(np.abs(y).max(initial=0.0)) or 1.0)
        self.atol: Any = settings.atol if settings.atol is not None else self.scaled
        if self.follows:
            self.signs = np.random.default_rng(0)
            self.noise = np.zeros(field.size)
            self.rtol, self.max_step = settings.rtol, settings.max_step
            self.atol = np.full(field.size, TINY)

    def first_step(self, t: float, y: np.ndarray, stop: float) -> float:
        """First step after Hairer, with a tolerance that is not too small for states that start at zero."""
        weights = 1 / (self.scaled + self.rtol * np.abs(y))
        slope = np.asarray(self.field.f(t, y), dtype=float)
        d0, d1 = np.abs(y * weights).max(initial=0.0), np.abs(slope * weights).max(initial=0.0)
        h = 0.01 * d0 / d1 if d0 >= 1e-5 and d1 >= 1e-5 and np.isfinite(d1) else 1e-6
        return float(min(max(h, 1e-300), abs(stop - t), self.max_step))

    def settle(self, y: np.ndarray) -> None:
        """From here on an absolute tolerance, in units of the largest number so far."""
        self.scaled = max(self.scaled, SCALED * float(np.abs(y).max(initial=0.0)))
        self.follows, self.atol = False, self.scaled

    def follow(self, stepper: Stepper) -> None:
        """Set the tolerance of the next step from the rounding in the last one."""
        if not self.follows:
            return
        if stepper.taken >= STRUGGLE:
            self.settle(stepper.y)
            stepper.solver.atol = self.atol
            return
        y, t = stepper.y, stepper.t
        shaken = y * (1 + np.finfo(float).eps * self.signs.choice((-1.0, 1.0), len(y)))
        change = np.abs(np.asarray(self.field.f(t, shaken)) - stepper.solver.f)
        self.noise = np.maximum(np.where(np.isfinite(change), change, 0.0), self.noise / 2)
        stepper.solver.atol = TINY + ROUNDING * stepper.solver.h_abs * self.noise


_EDGES = 257  # between which events are looked for while a state rests, however long


class _Events:
    """The events of a run: which happened, and which ended it."""

    def __init__(self, events: Sequence[Watched], size: int) -> None:
        self.events = events
        self.hits: list[tuple[float, int, np.ndarray]] = []
        self.counts = [0] * len(events)
        self.signs = [0.0] * len(events)

    def end_within(self, stepper: Stepper, until: float) -> tuple[float, int, np.ndarray] | None:
        """Record what happens within the last step until a time; the event that ends the run there, if one does."""
        if not self.events:
            return None
        dense = stepper.dense()
        found: list[tuple[float, int]] = []
        for index, event in enumerate(self.events):
            if event.label == "rest":
                found += [(time, index) for time in _rest_within(event, stepper, dense, until)]
            else:
                found += self._changes(index, _along(event.function, dense), (stepper.t_before, until))
        return self._first_end(found, lambda time: stepper.y if time == stepper.t else np.asarray(dense(time)))

    def end_while_resting(self, y: np.ndarray, start: float, stop: float) -> tuple[float, int, np.ndarray] | None:
        """The same for a state that does not move: only what depends on the time itself can happen."""
        found: list[tuple[float, int]] = []
        for index, event in enumerate(self.events):
            if event.timed and start != stop:
                along = _along(event.function, lambda times: np.repeat(y[:, None], len(times), axis=1))
                found += self._changes(index, along, np.linspace(start, stop, _EDGES))
        return self._first_end(found, lambda time: y)

    def _changes(self, index: int, function: Any, edges: Any) -> list[tuple[float, int]]:
        """Times between the first and the last edge at which an event happens."""
        found = []
        for time, sign in sign_changes(function, edges):
            if sign != self.signs[index] and sign * self.events[index].direction >= 0:
                found.append((time, index))
            self.signs[index] = sign
        return found

    def _first_end(self, found: list[tuple[float, int]], state: Any) -> tuple[float, int, np.ndarray] | None:
        """Record what happens, in the order of time, up to the event that ends the run."""
        for time, index in sorted(found, key=lambda hit: (abs(hit[0]), hit[1])):
            self.hits.append((time, index, state(time)))
            self.counts[index] += 1
            if self.events[index].terminal and self.counts[index] >= self.events[index].terminal:
                return self.hits[-1]
        return None


def _along(function: Callable[[Any, Any], Any], dense: Any) -> Callable[[np.ndarray], np.ndarray]:
    return lambda times: np.asarray(function(times, dense(times)), dtype=float)


def _rest_within(event: Watched, stepper: Stepper, dense: Any, until: float) -> list[float]:
    """The time at which the state came to rest within the last step, if it rests at the end of it."""
    if until != stepper.t or not event.function(stepper.t, stepper.y) <= 0:
        return []
    moving = float(event.function(stepper.t_before, dense(stepper.t_before)))
    if moving <= 0 or float(event.function(stepper.t, dense(stepper.t))) >= 0:
        return [stepper.t]

    def distance(times: np.ndarray) -> np.ndarray:
        return np.array([event.function(t, dense(t)) for t in times])

    return [change_of_sign(distance, stepper.t_before, stepper.t)]
