"""Weight decay × augmentation noise × predictor's rate × branch: where the encoder lives. The study `decay-map`."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.experiments.parts.study_results import study_results
from dynsim.records import as_json
from dynsim.studies.catalogue import study_of
from dynsim.studies.study import Study
from dynsim.systems.catalogue import entry_of

COST = 3.0
SMALL = {"count": 9}  # what tests run
ALIVE = 1e-3


def run(progress: Any = None, *, store: Any = None, count: int | None = None) -> xr.Dataset:
    """Where the scalar system ends over `branch`, `alpha`, `sigma2` and `eta`.

    Parameters
    ----------
    progress : callable, optional
    store : path or URL, optional
        Of a sweep of `decay-map`, or of a study of your own with its axes; by default the study is run here.
    count : int, optional
        So many noises and decays rather than all of the study's.

    Returns
    -------
    xarray.Dataset
        `phi` and `theta` at the end, and `threshold`, η_c = 1/(4(1+σ²)), over `sigma2`.
    """
    study, data = study_results(thinned(count), store, progress)
    data["threshold"] = 1 / (4 * (1 + data["sigma2"]))
    data.attrs |= {
        "initial": as_json(study.initial),
        "t_end": float(study.t_end),
        "flow": as_json({"name": study.system, "reference": entry_of(study.system).reference}),
    }
    return data


def thinned(count: int | None) -> Study:
    """Study `decay-map` with at most so many noises and decays.

    Examples
    --------
    >>> from dynsim.experiments.decay_map import thinned
    >>> thinned(5).sizes
    {'branch': 3, 'alpha': 3, 'sigma2': 5, 'eta': 5}
    """
    study = study_of("decay-map")
    if count is None:
        return study
    fields = study.to_dict()
    for item in study.axes:
        if len(item.values) > count:
            values = np.linspace(item.values[0], item.values[-1], count)
            fields["axes"][item.name] = {"values": values, "sets": list(item.sets)}
    return Study.from_dict(fields)


def verdict(data: xr.Dataset) -> str:
    """Count what lives on either side of the exact threshold."""
    if not data["theta"].notnull().any():
        return f"none of the {data['theta'].size} runs has been made yet"
    alive = (abs(data["theta"]) > ALIVE).where(data["theta"].notnull())
    ratio = data["eta"] / data["threshold"]
    above = alive.sel(branch="stop").where(ratio > 1.02)
    below = alive.sel(branch="stop").where(ratio < 0.98)
    shares = ", ".join(f"{float(below.sel(alpha=a).mean()):.0%} at α = {float(a):g}" for a in data["alpha"])
    acting = (data["sigma2"] > 0) | (data["eta"] > 0)
    others = [str(name) for name in data["branch"].values if name != "stop"]
    noisy = float(alive.sel(branch=others).where(acting).sum())
    return (
        f"with stop-gradient {'nothing' if not float(above.sum()) else f'{float(above.mean()):.1%}'} lives above "
        f"η_c = 1/(4(1+σ²)); below it this start lives in {shares} of the map. Without it "
        f"{'nothing' if not noisy else f'{noisy:.0f} runs'} lives once noise or decay acts"
    )
