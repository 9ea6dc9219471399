"""One trajectory of a field, with any of SciPy's integrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.choices import Solver
from dynsim.errors import BlowUp, SolverFailure, StepLimit, Unfinished, bad, unknown
from dynsim.field import Field
from dynsim.integrate.compiled_run import compiled_trajectory
from dynsim.integrate.events import Watched, compile_events
from dynsim.integrate.results import description, run_dataset
from dynsim.integrate.schedules import in_flow_time
from dynsim.integrate.sliding import switching_of
from dynsim.integrate.solver import MOST_STEPS, Settings, Trajectory, fixed_atol, trajectory
from dynsim.integrate.stepping import SOLVERS
from dynsim.integrate.validation import breakpoints_of, field_of, start_of, times_of, tolerance
from dynsim.records import as_json, plain_attributes
from dynsim.status import Status
from dynsim.symbolic.sources import as_field

__all__ = ["METHODS", "solve"]

METHODS = (*SOLVERS, "compiled")


def solve(
    flow: Any,
    initial: Mapping[Any, Any],
    t_end: float | None = None,
    *,
    times: Any = None,
    parameters: Mapping[Any, Any] | None = None,
    method: Solver = "DOP853",
    rtol: float = 1e-11,
    atol: float | None = None,
    max_step: float | None = None,
    breakpoints: Any = (),
    events: Any = (),
) -> xr.Dataset:
    """Integrate one trajectory.

    Parameters
    ----------
    flow : Flow or Field
        Anything with a right-hand side: a symbolic flow, the matrix flow, the flow of a network.
    initial : mapping
        ``{state: value}`` at flow time 0.
    t_end : float, optional
        Records 201 equally spaced times from 0 to `t_end`; a negative one runs backward in time. Exactly one of
        `t_end` and `times` is given.
    times : sequence of float, optional
        Records these times, which lead away from 0: increasing, or negative and decreasing.
    parameters : mapping, optional
        ``{parameter: value}``; what is left out takes the system's default. Text is an expression in the time `t`,
        in which ``cosine(a, b)`` and ``linear(a, b)`` go from a at the start to b at the end of the run.
    method : {"RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA", "compiled"}
        SciPy's integrators; the implicit ones get the analytic Jacobian. "compiled" is the engine of `ensemble`
        (extra ``fast``), forward in time: Taylor series or DOP853 in machine code.
    rtol : float
        Relative tolerance per step.
    atol : float, optional
        Absolute tolerance per step. By default an explicit method, "compiled" too, keeps the relative accuracy of
        every state down to what rounding leaves of it, so that a state that decays keeps its sign; an implicit one
        takes 1e-13 times the largest number of the start.
    max_step : float, optional
        Longest step: for forces and pulses that a longer one would step over.
    breakpoints : sequence of float, optional
        Times at which the field may jump; no step crosses one.
    events : sequence, optional
        "rest" ends the run where every |y'| ≤ 1e-10·|y| + atol (without an `atol`, 1e-13 times the largest number of
        the start); an expression (or text) in states, parameters and `t`, or an `Event` of one, has its zeros
        recorded; `Terminal` of one ends the run there.

    Returns
    -------
    xarray.Dataset
        One variable per state and observable over `time`, and `status`, how the run ended. After a rest the state is
        held, after a terminal event it is NaN. With events: `event_time`, `event_index` (which one) and
        ``event_<state>`` over `event`, and the attribute `event_counts`. Attribute `end_time` is where the
        integration stopped, `end_reason` why. Where a flow jumps
        the run crosses or slides, after Filippov; attribute `sliding` lists along which surfaces it slid, and when.

    Raises
    ------
    BlowUp
        A state grows beyond every bound; has `.time` and `.dataset`.
    StepLimit
        The run is not done after 500,000 steps; has `.time` and `.dataset`, which ends with the state reached.
    SolverFailure
        The solver goes no further although no state grows: the field jumps, ends or cannot be resolved there; has
        `.time` and `.dataset`, whose `status` says which.
    InvalidType, InvalidValue, UnknownName
        A start, parameter, time, method or event that cannot be used.

    See Also
    --------
    dynsim.ensemble : many starts and parameters at once.
    dynsim.outcome : where a run ends, exactly where that is known.

    Notes
    -----
    Time is flow time: one gradient step with learning rate h advances it by h.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), for DOP853.

    Examples
    --------
    >>> import dynsim
    >>> run = dynsim.solve(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1}, 60.0)
    >>> round(float(run.theta[-1]), 9)
    0.806225775
    """
    flow = as_field(flow)
    grid = times_of(t_end, times, backward=True)
    parameters = in_flow_time(parameters, float(grid[-1]))
    field = field_of(flow, parameters)
    y0 = start_of(field, initial)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    settings = Settings(
        method,
        tolerance("rtol", rtol),
        None if atol is None else tolerance("atol", atol),
        np.inf if max_step is None else tolerance("max_step", max_step),
        breakpoints_of(breakpoints),
    )
    still = fixed_atol(settings, y0)
    watched = compile_events(events, field, still)
    bound = None if flow.equations is None else flow.equations.with_parameters(parameters)
    if method == "compiled":
        run = compiled_trajectory(bound, field, y0, grid, settings, watched)
    elif np.isfinite(field.f(0.0, y0)).all():
        switching = None if bound is None else switching_of(bound.flow, bound.values)
        steady = field.is_autonomous is True
        run = trajectory(field, y0, grid, settings, watched, autonomous=steady, switching=switching)
        run.see_rest(field, still)
    else:
        run = Trajectory(y0[:, None], 0.0, Status.INVALID_START, y0)
    if run.status == Status.INVALID_START:
        raise bad("initial", initial, "a start at which the right-hand side is finite")
    states, recorded = _up_to_there(run, grid)
    attributes = plain_attributes(
        kind="run",
        flow=description(flow),
        parameters=field.about.get("parameters", {}),
        initial={name: _brief(value) for name, value in field.split(y0).items()},
        method=method,
        rtol=settings.rtol,
        atol="rounding" if settings.atol is None else settings.atol,
        events=[event.label for event in watched],
        end_time=run.reached,
        end_reason=_reason(run, watched),
    )
    if watched:
        attributes["event_counts"] = as_json([sum(hit[1] == i for hit in run.hits) for i in range(len(watched))])
    if run.sliding:
        attributes["sliding"] = as_json([{"along": s, "from": a, "until": b} for s, a, b in run.sliding])
    dataset = run_dataset(
        field, states, recorded, run.status, _happened(field, run) if watched else {}, attributes, run.observed
    )
    if _failed(run, grid):
        error, message = _FAILURES[run.status]
        said = f" ({run.message})" if run.message and run.status == Status.SOLVER_FAILED else ""
        shown = message.format(time=run.reached, end=grid[-1], steps=f"{MOST_STEPS:,}")
        raise error(shown + said, run.reached, dataset)
    return dataset


_FAILURES: dict[Status, tuple[type[Unfinished], str]] = {
    Status.BLOW_UP: (BlowUp, "a state grows beyond every bound at flow time {time:.6g}: the run diverges"),
    Status.STEP_LIMIT: (
        StepLimit,
        "{steps} steps reach flow time {time:.6g} of {end:.6g} only; integrate less far, end the run at rest "
        '(event "rest") or, where stability limits the steps, take an implicit method (Radau)',
    ),
    Status.SLIDING: (
        SolverFailure,
        "the run slides from flow time {time:.6g} on along a surface on which the field jumps, and the field there is "
        "not given by its equations; end the run before, or smooth the jump",
    ),
    Status.NOT_FINITE: (
        SolverFailure,
        "the right-hand side is not finite beyond the state reached at flow time {time:.6g}: the run meets the edge "
        "of the field's domain; end the run before",
    ),
    Status.SOLVER_FAILED: (
        SolverFailure,
        "the solver cannot meet the tolerance beyond flow time {time:.6g}, although no state grows; "
        "take another method or larger tolerances",
    ),
}

_REASONS = {
    Status.OK: "t_end",
    Status.EVENT: "terminal",
    Status.BLOW_UP: "blow-up",
    Status.STEP_LIMIT: "step-limit",
    Status.SLIDING: "sliding",
    Status.NOT_FINITE: "not-finite",
    Status.SOLVER_FAILED: "solver-failed",
}


def _reason(run: Trajectory, events: list[Watched]) -> str:
    """Why the integration stopped, as a word."""
    if run.status == Status.AT_REST:
        return "rest" if any(events[index].label == "rest" for _, index, _ in run.hits) else "t_end"
    return _REASONS[run.status]


def _failed(run: Trajectory, grid: np.ndarray) -> bool:
    return run.status in _FAILURES and run.reached != grid[-1]


def _brief(value: np.ndarray) -> Any:
    """Small starts are recorded whole; of large ones (attributes are limited to 64 kB) shape and norm."""
    if value.size <= 64:
        return value.tolist()
    return {"shape": list(value.shape), "norm": float(np.linalg.norm(value))}


def _up_to_there(run: Trajectory, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States and times of a run; of an unfinished one those before its end, and the last state it reached."""
    if not _failed(run, grid):
        return run.states, grid
    before = np.abs(grid) < abs(run.reached)
    return np.column_stack((run.states[:, before], run.last)), np.append(grid[before], run.reached)


def _happened(field: Field, run: Trajectory) -> dict[str, np.ndarray]:
    """Times, kinds and states of the events, as they are recorded."""
    states = np.array([y for _, _, y in run.hits]).reshape(len(run.hits), field.size).T
    return {
        "event_time": np.array([time for time, _, _ in run.hits], dtype=float),
        "event_index": np.array([index for _, index, _ in run.hits], dtype=np.int32),
        **{f"event_{name}": values for name, values in field.split(states).items() if values.ndim == 1},
    }
