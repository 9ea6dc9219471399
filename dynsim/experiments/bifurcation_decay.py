"""Weight decay and collapse: equilibria of the scalar system over η, for several σ²."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.continuation import continuation
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system

COST = 8.0
SMALL = {"noise": (0.0, 0.3)}  # what tests run
NOISE = (0.0, 0.1, 0.3, 1.0)


def run(progress: Any = None, *, noise: Any = NOISE, alpha: float = 1.0) -> xr.Dataset:
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


def verdict(data: xr.Dataset) -> str:
    """Compare the folds with the exact threshold."""
    error = float(abs(data["fold_eta"] - data["exact_eta"]).max())
    last = ", ".join(f"{float(v):.4g}" for v in data["fold_eta"])
    alpha = provenance(data)["parameters"]["alpha"]
    noise = ", ".join(f"{float(v):g}" for v in data["sigma2"])
    return (
        f"beyond η_c = 1/(4(1+σ²)) nothing but collapse is left: folds at η = {last} for σ² = {noise}, off the exact "
        f"values by {error:.1e} (α = {alpha:g})"
    )
