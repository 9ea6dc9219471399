"""What moves with a slider: curves over time, the orbits of the phase plane, and how the run ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from dynsim.analysis.numerics.timescales import speed_ratios
from dynsim.errors import DynsimError
from dynsim.explorer.live_run import LiveRun, field_at, live_run
from dynsim.explorer.outcome_line import OutcomeLine, quick_outcome
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import Subject, is_steady, subject

__all__ = ["BranchRun", "Picture", "picture", "shown_encoder"]

_ALONG = 121


@dataclass(frozen=True)
class Picture:
    """One frame, as numbers.

    Attributes
    ----------
    setting : Setting
        What it is the picture of, complete.
    time : array
        Flow time.
    states : dict
        ``{state: array over time}``.
    loss : array or None
        None for games.
    ratios : dict
        ``{name: array}``, speed ratios as `timescales` names them.
    orbits : tuple of (across, upwards)
        In the plane: the run, then the further orbits. A system of one state has its velocity upwards.
    verdict : OutcomeLine
    branches : dict
        ``{branch: BranchRun}`` from the one start where the setting compares them, else empty.
    """

    setting: Setting
    time: np.ndarray
    states: dict[str, np.ndarray]
    loss: np.ndarray | None
    ratios: dict[str, np.ndarray]
    orbits: tuple[tuple[np.ndarray, np.ndarray], ...]
    verdict: OutcomeLine
    branches: dict[str, BranchRun] = field(default_factory=dict)


@dataclass(frozen=True)
class BranchRun:
    """The run of one branch from the start that all share.

    Attributes
    ----------
    encoder, loss : array or None
        Over the times of the picture, NaN beyond a divergence; the first encoder, else the last state.
    orbit : (across, upwards)
        In the plane.
    """

    encoder: np.ndarray
    loss: np.ndarray | None
    orbit: tuple[np.ndarray, np.ndarray]


def picture(setting: Setting) -> Picture:
    """Compute the frame of a filled setting; a few milliseconds.

    Examples
    --------
    >>> from dynsim.explorer.picture import picture
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> frame = picture(filled(Setting("toy", branch="full")))
    >>> frame.verdict.collapsed, round(float(frame.states["theta"][0]), 6)
    (True, 0.1)
    """
    about = subject(setting)
    numeric = field_at(about, setting.parameters)
    run = live_run(setting)
    loss = numeric.observe("loss", run.times, run.states) if "loss" in numeric.observables else None
    return Picture(
        setting,
        run.times,
        dict(zip(numeric.names, run.states, strict=True)),
        None if loss is None else np.array(loss, dtype=float),
        speed_ratios(numeric, run.states) if is_steady(setting) else {},
        tuple(_in_plane(setting, one) for one in (run, *(live_run(setting, start) for start in setting.more))),
        quick_outcome(setting, run),
        _all_branches(setting, run.times) if setting.compare else {},
    )


def shown_encoder(about: Subject) -> str:
    """The state of which the branches are compared: the first encoder, else the last state."""
    return next(iter(about.flow.roles.get("encoder", ())), about.flow.states[-1])


def _all_branches(setting: Setting, times: np.ndarray) -> dict[str, BranchRun]:
    result: dict[str, BranchRun] = {}
    for branch in subject(setting).branches:
        one = replace(setting, branch=branch)
        try:
            about = subject(one)
        except DynsimError:
            continue  # a variant that is published in other branches only
        run, numeric = live_run(one), field_at(about, one.parameters)
        encoder = run.states[about.flow.states.index(shown_encoder(about))]
        loss = numeric.observe("loss", run.times, run.states) if "loss" in numeric.observables else None
        curves = [None if curve is None else _over(times, run.times, curve) for curve in (encoder, loss)]
        result[branch] = BranchRun(curves[0], curves[1], _in_plane(one, run))  # type: ignore[arg-type]
    return result


def _over(times: np.ndarray, own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values over common times; NaN where the run has ended."""
    return np.interp(times, own, np.broadcast_to(values, own.shape), right=np.nan)


def _in_plane(setting: Setting, run: LiveRun) -> tuple[np.ndarray, np.ndarray]:
    about = subject(setting)
    rows = [about.flow.states.index(name) for name in setting.plane or ()]
    if len(rows) == 2:
        return run.states[rows[0]], run.states[rows[1]]
    along = np.linspace(run.states[0, 0], run.states[0, -1], _ALONG)  # one state moves one way
    return along, field_at(about, setting.parameters).f(0.0, along[None])[0]
