"""What is computed once the sliders rest: whatever takes longer than a frame."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from dynsim.analysis.numerics.shocks import resilience
from dynsim.analysis.numerics.timescales import timescales
from dynsim.errors import InvalidValue
from dynsim.explorer.equations import integral_lines
from dynsim.explorer.live_run import live_run
from dynsim.explorer.outcome_line import OutcomeLine, settled_outcome
from dynsim.explorer.phase_plane import PlaneData, settled_plane
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import analysed, is_steady, subject
from dynsim.records import stamp
from dynsim.symbolic.expectation import Expectation
from dynsim.symbolic.printing import unicode_name
from dynsim.symbolic.quadrature import TOLD

__all__ = ["Settled", "distance_line", "settled"]


_MOST = 3  # states up to which the boundary of collapse is searched


@dataclass(frozen=True)
class Settled:
    """Attributes
    ----------
    scenery : PlaneData
        With equilibria and separatrices.
    verdict : OutcomeLine
        After integration to rest, where no rule is known.
    integrals : tuple of str
        LaTeX of what is conserved.
    half_lives : str
        "half-life φ 7.1, θ 5.6".
    accuracy : str
        Of the averages in the field, where they are not exact to six digits.
    """

    scenery: PlaneData
    verdict: OutcomeLine
    integrals: tuple[str, ...]
    half_lives: str
    accuracy: str = ""


def settled(setting: Setting, scenery: PlaneData | None = None) -> Settled:
    """Compute everything for a filled setting; a scenery that still holds is taken as it is.

    Examples
    --------
    >>> from dynsim.explorer.settled import settled
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> settled(filled(Setting("toy"))).half_lives
    'half-life φ 7.63, θ 6.65'
    """
    verdict = settled_outcome(setting)
    rests = bool(verdict.limit) and is_steady(setting)  # half of a way that ends nowhere says nothing
    return Settled(
        scenery if scenery is not None else settled_plane(setting),
        verdict,
        integral_lines(setting),
        _half_lives(setting) if rests else "",
        _accuracy(setting),
    )


def _accuracy(setting: Setting) -> str:
    flow = subject(setting).equations
    if flow is None or not flow.rhs.has(Expectation) or not flow.expectation > TOLD:
        return ""
    return str(flow.expectation)


def distance_line(setting: Setting) -> str:
    """Say how far the start of a filled setting is from collapse; empty where that is no question or costs too much.

    Examples
    --------
    >>> from dynsim.explorer.settled import distance_line
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> distance_line(filled(Setting("toy")))
    'distance to collapse 0.4036, by a shock to φ = 1.003, θ = 0.07135 (exact); θ = 0 itself is 0.1 away'
    """
    about = subject(setting)
    flow = about.equations
    if flow is None or not is_steady(setting) or not flow.roles.get("encoder"):
        return ""
    if len(flow.states) > _MOST or flow.rhs.has(Expectation):
        return ""
    if not any(setting.initial[name] for name in flow.roles["encoder"]):
        return ""  # on the null line itself: what lies beside it may live
    try:
        moved, values = analysed(setting)
        found = resilience(moved, setting.initial, values, null_line=False)
    except InvalidValue:  # it stays undecided whether this start collapses
        return ""
    source = "exact" if found.attrs["exact"] else "searched"
    if int(found["collapses"]):
        way = float(found["way_out"])
        if way == way:
            return f"it collapses; the nearest start that lives is {way:.4g} away ({source})"
        return f"it collapses, and no start that lives is known ({source})"
    shock = float(found["fatal_shock"])
    if shock != shock:
        told = f"no fatal shock found ({source})"
    else:
        there = shock * found["direction"].values
        ends = [f"{unicode_name(n)} = {setting.initial[n] + d:.4g}" for n, d in zip(flow.states, there, strict=True)]
        told = f"distance to collapse {shock:.4g}, by a shock to {', '.join(ends)} ({source})"
    null = {str(name): float(found["boundary_distance"][i]) for i, name in enumerate(found["boundary"].values)}
    for name, away in null.items():
        if name.startswith("null line "):
            told += f"; {', '.join(f'{unicode_name(n)} = 0' for n in flow.roles['encoder'])} itself is {away:.4g} away"
    return told.replace("-", "−")


def _half_lives(setting: Setting) -> str:
    """Flow time after which half of each state's way is done for good."""
    about, run = subject(setting), live_run(setting)
    if run.diverged is not None or len(run.times) < 2:
        return ""
    data = xr.Dataset(
        {name: ("time", values) for name, values in zip(about.flow.states, run.states, strict=True)},
        {"time": run.times},
    )
    flow, values = analysed(setting)
    told = timescales(flow, stamp(data, parameters=dict(values)))
    known = {name: float(told[f"half_life_{name}"]) for name in about.flow.states}
    words = [f"{unicode_name(name)} {value:.3g}" for name, value in known.items() if value == value]
    return f"half-life {', '.join(words)}" if words else ""
