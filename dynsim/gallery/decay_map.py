"""Weight decay × noise × predictor's rate × branch: where the encoder lives, with the exact threshold over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.study_results import study_results
from dynsim.records import as_json
from dynsim.studies.catalogue import study_of
from dynsim.studies.study import Study
from dynsim.systems.catalogue import entry_of
from dynsim.verdict import Verdict

ALIVE = 1e-3


def compute(progress: Any = None, *, store: Any = None, count: int | None = None) -> xr.Dataset:
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
    >>> from dynsim.gallery.decay_map import thinned
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


def verdict(data: xr.Dataset) -> Verdict:
    """Count what lives on either side of the exact threshold."""
    if not data["theta"].notnull().any():
        return concluded("open", f"none of the {data['theta'].size} runs has been made yet", "nothing is known yet")
    alive = (abs(data["theta"]) > ALIVE).where(data["theta"].notnull())
    ratio = data["eta"] / data["threshold"]
    above = alive.sel(branch="stop").where(ratio > 1.02)
    below = alive.sel(branch="stop").where(ratio < 0.98)
    shares = ", ".join(f"{float(below.sel(alpha=a).mean()):.0%} at α = {float(a):g}" for a in data["alpha"])
    acting = (data["sigma2"] > 0) | (data["eta"] > 0)
    others = [str(name) for name in data["branch"].values if name != "stop"]
    noisy = float(alive.sel(branch=others).where(acting).sum())
    detail = (
        f"with stop-gradient {'nothing' if not float(above.sum()) else f'{float(above.mean()):.1%}'} lives above "
        f"η_c = 1/(4(1+σ²)); below it this start lives in {shares} of the map. Without it "
        f"{'nothing' if not noisy else f'{noisy:.0f} runs'} lives once noise or decay acts"
    )
    headline = (
        f"With stop-gradient {'nothing' if not float(above.sum()) else f'{float(above.mean()):.1%}'} lives above η_c; "
        f"without it {'nothing' if not noisy else f'{noisy:.0f} runs'} once noise or decay acts"
    )
    return concluded("holds" if not float(above.sum()) and not noisy else "does not hold", headline, detail)


_TITLES = {"stop": "with stop-gradient", "full": "without", "target": "second branch only"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size of the encoder at the end with stop-gradient, a panel per predictor's rate."""
    panels = panel_row(figure, data.sizes["alpha"], sharey=True)
    size = data["alpha"] ** 0.5 * abs(data["theta"]).transpose("branch", "alpha", "eta", "sigma2")
    for axes, alpha in zip(panels, data["alpha"].values, strict=True):
        mesh = _map(axes, data, size.sel(branch="stop", alpha=alpha))
        axes.set(title=f"stop, α = {alpha:g}", xlabel="noise variance σ²")
    panels[0].set_ylabel("weight decay η")
    figure.colorbar(mesh, ax=list(panels), label="√α·|θ| at the end", shrink=0.8, extend="max")
    caption(
        figure,
        data,
        "Dashed: the exact threshold η_c = 1/(4(1+σ²)); white: boundary of collapse from this start at "
        f"t = {data.attrs['t_end']:g}",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Size of the encoder at the end; a row per branch, a column per predictor's rate."""
    branches = [str(name) for name in data["branch"].values]
    heights = [2.0 if name == "stop" else 1.0 for name in branches]
    panels = figure.subplots(
        len(branches), data.sizes["alpha"], sharex=True, sharey=True, squeeze=False, height_ratios=heights
    )
    size = data["alpha"] ** 0.5 * abs(data["theta"]).transpose("branch", "alpha", "eta", "sigma2")
    for row, branch in zip(panels, branches, strict=True):
        for axes, alpha in zip(row, data["alpha"].values, strict=True):
            mesh = _map(axes, data, size.sel(branch=branch, alpha=alpha))
            axes.set_title(f"{branch}, α = {alpha:g}")
        row[0].set_ylabel(f"{_TITLES.get(branch, branch)}\nweight decay η")
    for axes in panels[-1]:
        axes.set_xlabel("noise variance σ²")
    figure.colorbar(mesh, ax=list(panels.flat), label="√α·|θ| at the end", shrink=0.7, extend="max")
    caption(
        figure,
        data,
        "Dashed: the exact threshold η_c = 1/(4(1+σ²)) of stop-gradient; white: boundary of collapse "
        "from this start at "
        f"t = {data.attrs['t_end']:g}",
    )


def _map(axes: Any, data: xr.Dataset, shown: xr.DataArray) -> Any:
    noise, decay = data["sigma2"], data["eta"]
    mesh = axes.pcolormesh(noise, decay, shown, cmap=SEQUENCE, vmin=0, vmax=1, rasterized=True, shading="nearest")
    alive, known = int((shown > 1e-3).sum()), int(shown.notnull().sum())
    if alive > 0.01 * known:
        level = np.log10(shown.fillna(0) + 1e-12)
        axes.contour(noise, decay, level, levels=[-3], colors="white", linewidths=1.4, linestyles="solid")
    elif known:
        words = f"{alive or 'none'} of {known} runs {'lives' if alive == 1 else 'live'}"
        if alive == 1 and float(shown[0, 0]) > 1e-3:
            words += ": σ² = η = 0"
        axes.annotate(words, (0.5, 0.2), xycoords="axes fraction", ha="center", color="white")
    axes.plot(noise, data["threshold"], color=COLOURS["vermilion"], linestyle="--", linewidth=1.8)
    axes.grid(False)
    return mesh


FIGURE = Figure(
    name="decay-map",
    summary="Weight decay × noise × predictor's rate × branch: which encoders live",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=3.0,
    height=3.0,
    full_height=8.0,
    panels=3,
    small={"count": 9},
)
