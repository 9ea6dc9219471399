"""What is computed once the sliders rest: whatever takes longer than a frame."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.explorer.equations import integral_lines
from dynsim.explorer.live_run import live_run
from dynsim.explorer.outcome_line import OutcomeLine, settled_outcome
from dynsim.explorer.phase_plane import PlaneData, settled_plane
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import subject
from dynsim.records import stamp
from dynsim.symbolic.printing import unicode_name

__all__ = ["Settled", "settled"]


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
    """

    scenery: PlaneData
    verdict: OutcomeLine
    integrals: tuple[str, ...]
    half_lives: str


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
    return Settled(
        scenery if scenery is not None else settled_plane(setting),
        verdict,
        integral_lines(setting),
        _half_lives(setting) if verdict.limit else "",  # half of a way that ends nowhere says nothing
    )


def _half_lives(setting: Setting) -> str:
    """Flow time after which half of each state's way is done for good."""
    about, run = subject(setting), live_run(setting)
    if run.diverged is not None or len(run.times) < 2:
        return ""
    data = xr.Dataset(
        {name: ("time", values) for name, values in zip(about.flow.states, run.states, strict=True)},
        {"time": run.times},
    )
    told = timescales(about.flow, stamp(data, parameters=dict(setting.parameters)))
    known = {name: float(told[f"half_life_{name}"]) for name in about.flow.states}
    words = [f"{unicode_name(name)} {value:.3g}" for name, value in known.items() if value == value]
    return f"half-life {', '.join(words)}" if words else ""
