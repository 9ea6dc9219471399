"""What moves with a slider: curves over time, the orbits of the phase plane, and how the run ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynsim.analysis.numerics.timescales import speed_ratios
from dynsim.explorer.live_run import LiveRun, field_at, live_run
from dynsim.explorer.outcome_line import OutcomeLine, quick_outcome
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import subject

__all__ = ["Picture", "picture"]

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
    """

    setting: Setting
    time: np.ndarray
    states: dict[str, np.ndarray]
    loss: np.ndarray | None
    ratios: dict[str, np.ndarray]
    orbits: tuple[tuple[np.ndarray, np.ndarray], ...]
    verdict: OutcomeLine


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
    field = field_at(about, setting.parameters)
    run = live_run(setting)
    loss = field.observe("loss", run.times, run.states) if "loss" in field.observables else None
    return Picture(
        setting,
        run.times,
        dict(zip(field.names, run.states, strict=True)),
        None if loss is None else np.array(loss, dtype=float),
        speed_ratios(field, run.states),
        tuple(_in_plane(setting, one) for one in (run, *(live_run(setting, start) for start in setting.more))),
        quick_outcome(setting, run),
    )


def _in_plane(setting: Setting, run: LiveRun) -> tuple[np.ndarray, np.ndarray]:
    about = subject(setting)
    rows = [about.flow.states.index(name) for name in setting.plane or ()]
    if len(rows) == 2:
        return run.states[rows[0]], run.states[rows[1]]
    along = np.linspace(run.states[0, 0], run.states[0, -1], _ALONG)  # one state moves one way
    return along, field_at(about, setting.parameters).f(0.0, along[None])[0]
