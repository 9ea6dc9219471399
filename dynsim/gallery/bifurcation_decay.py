"""Weight decay destroys the learned state in a saddle-node: the fold at η_c, for several σ²."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.analysis.numerics.continuation import continuation
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

NOISE = (0.0, 0.1, 0.3, 1.0)


def compute(progress: Any = None, *, noise: Any = NOISE, alpha: float = 1.0) -> xr.Dataset:
    """Branches over η = η_p = η_s with θ ≥ 0, per `sigma2`; folds as computed, `exact_eta` as proven."""
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    parts, folds = [], []
    for index, sigma2 in enumerate(noise):
        exact = 1 / (4 * (1 + sigma2))
        inner = exact / 2  # on c = 0 both equilibria have s = p²/α, p± as in the fold's normal form
        p = (1 + np.sqrt(1 - 4 * inner * (1 + sigma2))) / (2 * (1 + sigma2))
        start = {"phi": p, "theta": p / np.sqrt(alpha), "eta": inner}
        values = {"sigma2": sigma2, "alpha": alpha}
        found = continuation(flow, "eta", (0.002, 0.3), initial=start, parameters=values)
        parts.append(found.branches.isel(branch=0, drop=True).drop_attrs())
        folds.append([found.folds[0][name] for name in ("eta", "phi", "theta")])
        if progress:
            progress(index + 1, len(noise), f"σ² = {sigma2:g}")
    longest = max(part.sizes["along"] for part in parts)
    padding: Any = {"stable": -1}
    parts = [part.pad(along=(0, longest - part.sizes["along"]), constant_values=padding) for part in parts]
    data = xr.concat(parts, xr.DataArray(np.asarray(noise, float), dims="sigma2", name="sigma2"))
    for column, name in enumerate(("eta", "phi", "theta")):
        data[f"fold_{name}"] = ("sigma2", [fold[column] for fold in folds])
    data["exact_eta"] = 1 / (4 * (1 + data["sigma2"]))
    return stamp(data, flow=flow.about(), parameters={"alpha": alpha})


def verdict(data: xr.Dataset) -> Verdict:
    """Compare the folds with the exact threshold."""
    error = float(abs(data["fold_eta"] - data["exact_eta"]).max())
    last = ", ".join(f"{float(v):.4g}" for v in data["fold_eta"])
    alpha = provenance(data)["parameters"]["alpha"]
    noise = ", ".join(f"{float(v):g}" for v in data["sigma2"])
    detail = (
        f"beyond η_c = 1/(4(1+σ²)) nothing but collapse is left: folds at η = {last} for σ² = {noise}, off the exact "
        f"values by {error:.1e} (α = {alpha:g})"
    )
    headline = (
        "The living state ends in a fold at η_c = 1/(4(1+σ²)), for every σ² tried"
        if error < 1e-6
        else f"Folds miss η_c = 1/(4(1+σ²)) by up to {error:.1g}"
    )
    return concluded("holds" if error < 1e-6 else "does not hold", headline, detail)


def draw(data: xr.Dataset, figure: Any) -> None:
    """φ and θ at the two equilibria over η: the upper stable, the lower the boundary of collapse."""
    panels = panel_row(figure, 2)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["sigma2"]))
    for axes, state, label in zip(panels, ("phi", "theta"), ("φ (predictor)", "θ (encoder)"), strict=True):
        for shade, sigma2 in zip(shades, data["sigma2"].values, strict=True):
            one = data.sel(sigma2=sigma2)
            for value, style in ((1, "-"), (0, "--")):
                shown = one["stable"].values == value
                shown[1:] |= (one["stable"].values[:-1] == value) & (one["stable"].values[1:] >= 0)
                label_ = f"{sigma2:g}" if value == 1 else None
                axes.plot(one["eta"].where(shown), one[state].where(shown), style, color=shade, label=label_)
            exact = float(one["exact_eta"])
            axes.vlines(exact, 0.0, 1.05, color=shade, linewidth=0.8, linestyle=":")
            axes.plot(one["fold_eta"], one[f"fold_{state}"], "o", color=shade, markerfacecolor="white", zorder=4)
        axes.axhline(0.0, color=COLOURS["black"], linewidth=1.6)
        axes.set(xlabel="weight decay η", ylabel=label, xlim=(0, 0.3), ylim=(-0.13, 1.08))
    panels[-1].legend(title=r"noise $\sigma^2$", loc="center left", bbox_to_anchor=(1.0, 0.5))
    panels[0].set_title("predictor at the equilibria")
    panels[1].set_title("encoder at the equilibria")
    caption(
        figure,
        data,
        "Stop-gradient, η_p = η_s = η. Solid: stable. Circle: fold. Dashed: saddle. Dotted: exact η_c = 1/(4(1+σ²))",
    )


FIGURE = Figure(
    name="bifurcation-decay",
    summary="Equilibria over weight decay, for several noise levels",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=8.0,
    height=3.2,
    panels=2,
    small={"noise": (0.0, 0.3)},
)
