"""One run in a millisecond, for a picture that follows a slider; the exact end comes from `outcome`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.integrate import odeint

from dynsim.errors import BlowUp, Unfinished
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import Subject, subject
from dynsim.field import Dynamics, Field
from dynsim.integrate.compiled_run import compiled_states
from dynsim.integrate.solve import solve

__all__ = ["LiveRun", "field_at", "live_run", "live_times"]

_RTOL, _ATOL = 1e-7, 1e-10


class LiveRun:
    """States of one run at the times it reached.

    Attributes
    ----------
    times : array of shape ``(n,)``
        Flow time; ends before `t_end` where the run diverges or takes too many steps.
    states : array of shape ``(number of states, n)``
    diverged : float or None
        Flow time beyond which nothing finite follows.
    """

    def __init__(self, times: np.ndarray, states: np.ndarray, diverged: float | None = None) -> None:
        self.times, self.states, self.diverged = times, states, diverged


def live_times(t_end: float) -> np.ndarray:
    """Times that draw well on a linear and on a logarithmic axis: 0, equal steps and equal ratios.

    Examples
    --------
    >>> from dynsim.explorer.live_run import live_times
    >>> times = live_times(30.0)
    >>> float(times[0]), float(times[-1]), len(times) < 300
    (0.0, 30.0, True)
    """
    return np.unique(np.concatenate([np.linspace(0.0, t_end, 181), np.geomspace(1e-4 * t_end, t_end, 101)]).round(12))


def field_at(about: Subject, parameters: Mapping[str, Any]) -> Field:
    """Numeric field at these parameters; the last few are kept."""
    return _field(about.flow, tuple(parameters.items()))


@lru_cache(maxsize=8)
def _field(flow: Dynamics, parameters: tuple[tuple[str, Any], ...]) -> Field:
    return flow.field(dict(parameters))


def live_run(setting: Setting, start: tuple[float, ...] | None = None) -> LiveRun:
    """Run a filled setting, from its own start or from another one.

    Tolerances are those of a picture (relative 1e-7); times are `live_times`.

    Examples
    --------
    >>> from dynsim.explorer.live_run import live_run
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> round(float(live_run(filled(Setting("toy"))).states[1, -1]), 5)
    0.80623
    """
    about = subject(setting)
    field = field_at(about, setting.parameters)
    y0 = start or tuple(setting.initial[name] for name in about.flow.states)
    return _run(field, y0, setting.t_end)


@lru_cache(maxsize=64)
def _run(field: Field, y0: tuple[float, ...], t_end: float) -> LiveRun:
    times = live_times(t_end)
    found = compiled_states(field, np.array(y0), times, _RTOL, _ATOL)
    if found is not None and np.isfinite(found).all():
        return LiveRun(times, found)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a run that fails is seen below and repeated with care
        states, report = odeint(field.f, y0, times, tfirst=True, rtol=_RTOL, atol=_ATOL, full_output=True, mxstep=2000)
    if report["message"] == "Integration successful." and np.isfinite(states).all() and np.abs(states).max() < 1e9:
        return LiveRun(times, states.T)
    try:
        run = solve(field, dict(zip(field.names, y0, strict=True)), times=times, rtol=_RTOL, atol=_ATOL)
        return LiveRun(times, _stacked(run, field))
    except BlowUp as error:
        return LiveRun(error.dataset["time"].values, _stacked(error.dataset, field), error.time)
    except Unfinished as error:  # too many steps, or it slides: what it reached is drawn
        if error.dataset is None:
            return LiveRun(times[:1], np.array([y0]).T, 0.0)
        return LiveRun(error.dataset["time"].values, _stacked(error.dataset, field))
    except ValueError:  # the start itself is outside the domain
        return LiveRun(times[:1], np.array([y0]).T, 0.0)


def _stacked(run: object, field: Field) -> np.ndarray:
    return np.array([run[name].values for name in field.names])  # type: ignore[index]
