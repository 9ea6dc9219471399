"""One trajectory of a field, with any of SciPy's integrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import BlowUp, StepLimit, bad
from dynsim.field import Field
from dynsim.integrate.events import compile_events
from dynsim.integrate.results import run_dataset
from dynsim.integrate.solver import MOST_STEPS, Trajectory, trajectory
from dynsim.integrate.validation import check_names, field_of, start_of, times_of, tolerance
from dynsim.records import stamp

__all__ = ["METHODS", "solve"]

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")


def solve(
    flow: Any,
    initial: Mapping[Any, Any],
    t_end: float | None = None,
    *,
    times: Any = None,
    parameters: Mapping[Any, Any] | None = None,
    method: str = "DOP853",
    rtol: float = 1e-11,
    atol: float = 1e-13,
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
        Records 201 equally spaced times from 0 to `t_end`. Exactly one of `t_end` and `times` is given.
    times : sequence of float, optional
        Records these times.
    parameters : mapping, optional
        ``{parameter: value}``; what is left out takes the system's default.
    method : {"RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"}
        SciPy's integrators; the implicit ones get the analytic Jacobian.
    rtol, atol : float
        Relative and absolute tolerance per step.
    events : sequence, optional
        "rest" ends the run where every |y'| ≤ 1e-10·|y| + atol; an expression (or text) has its zeros
        recorded; `Terminal` of one ends the run there.

    Returns
    -------
    xarray.Dataset
        One variable per state and observable over `time`. After a rest the state is held, after a terminal
        event it is NaN. With events: `event_time`, `event_index` (which one) and ``event_<state>`` over
        `event`. Attribute `end_time` is where the integration stopped, `end_reason` why.

    Raises
    ------
    BlowUp
        The run diverges or the right-hand side stops being finite; has `.time` and `.dataset`.
    StepLimit
        The run is not done after 500,000 steps; has `.time` and `.dataset`, which ends with the state reached.
    InvalidType, InvalidValue, UnknownName
        A start, parameter, time, method or event that cannot be used.

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
    field = field_of(flow, parameters)
    check_names([*field.names, *field.observables])
    y0 = start_of(field, initial)
    grid = times_of(t_end, times)
    rtol, atol = tolerance("rtol", rtol), tolerance("atol", atol)
    if method not in METHODS:
        raise bad("method", method, f"one of {', '.join(METHODS)}")
    happenings = compile_events(events, field, atol)
    check_names(field.names if happenings else (), ("index",))  # event_index is taken
    if not np.isfinite(field.f(0.0, y0)).all():
        raise bad("initial", initial, "a start at which the right-hand side is finite")

    run = trajectory(field, y0, grid, method, rtol, atol, happenings)
    states, recorded = _up_to_there(run, grid)
    dataset = run_dataset(field, states, "time", recorded)
    dataset["time"].attrs["long_name"] = "flow time"
    if happenings:
        dataset = dataset.assign(_event_variables(field, run))
    stamp(
        dataset,
        flow={key: value for key, value in field.about.items() if key != "parameters"},
        parameters=field.about.get("parameters", {}),
        initial={name: _brief(value) for name, value in field.split(y0).items()},
        method=method,
        rtol=rtol,
        atol=atol,
        events=[event.label for event in happenings],
        end_time=run.reached,
        end_reason=run.reason,
    )
    if run.reason == "blow-up":
        message = (
            f"no finite step beyond flow time {run.reached:.6g}: the run diverges, or its right-hand side jumps there "
            "(then RK23 with a larger rtol may get across)"
        )
        raise BlowUp(message, run.reached, dataset)
    if run.reason == "step-limit":
        message = (
            f"{MOST_STEPS:,} steps reach flow time {run.reached:.6g} of {grid[-1]:.6g} only; integrate less far, end "
            'the run at rest (event "rest") or, where stability limits the steps, take an implicit method (Radau)'
        )
        raise StepLimit(message, run.reached, dataset)
    return dataset


def _brief(value: np.ndarray) -> Any:
    """Small starts are recorded whole; of large ones (attributes are limited to 64 kB) shape and norm."""
    if value.size <= 64:
        return value.tolist()
    return {"shape": list(value.shape), "norm": float(np.linalg.norm(value))}


def _up_to_there(run: Trajectory, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States and times of a run; of an unfinished one those before its end, and its last state if that is known."""
    if run.last is not None:
        before = grid < run.reached
        return np.column_stack((run.states[:, before], run.last)), np.append(grid[before], run.reached)
    if run.reason == "blow-up":
        finite = slice(0, int(np.isfinite(run.states).all(axis=0).cumprod().sum()))
        return run.states[:, finite], grid[finite]
    return run.states, grid


def _event_variables(field: Field, run: Trajectory) -> dict[str, Any]:
    times = [time for time, _, _ in run.hits]
    states = np.array([y for _, _, y in run.hits]).reshape(len(times), field.size).T
    variables: dict[str, Any] = {
        "event_time": ("event", times),
        "event_index": ("event", np.array([index for _, index, _ in run.hits], dtype=np.int32)),
    }
    for name, values in field.split(states).items():
        if values.ndim == 1:
            variables[f"event_{name}"] = ("event", values)
    return variables
