"""Which optimisers collapse: share of starts that do, and where the article's own start ends, per step and branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.integrate.optimise import optimise
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import system as find_system

COST = 50.0
SMALL = {"resolution": (7, 5), "span": 20.0}  # what tests run
STEP_SIZES = (0.01, 0.1, 1.0)
COLLAPSED = 0.05
SETTINGS = {"stop": ("stop", 0.0), "full": ("full", 0.0), "full, noise": ("full", 0.1)}
# Label → optimiser, its options, flow time it is given.
RUNS: dict[str, tuple[str, dict[str, Any], float]] = {
    "gradient descent": ("gd", {}, 60.0),
    "momentum 0.9": ("momentum", {"momentum": 0.9}, 60.0),
    "Nesterov 0.9": ("nesterov", {"momentum": 0.9}, 60.0),
    "alternating steps": ("alternating", {}, 60.0),
    "sign": ("sign", {}, 60.0),
    "RMSProp": ("rmsprop", {}, 60.0),
    "Adam": ("adam", {}, 60.0),
    "Gauss–Newton": ("gauss-newton", {}, 20.0),
    "Newton": ("newton", {}, 20.0),
    "exact, φ first": ("alternating-minimisation", {"order": ("p1", "w1")}, 30.0),
    "exact, θ first": ("alternating-minimisation", {"order": ("w1", "p1")}, 30.0),
}


def run(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    step_sizes: Any = STEP_SIZES,
    resolution: tuple[int, int] = (33, 25),
    span: float = 60.0,
) -> xr.Dataset:
    """Give every optimiser the same flow time, `span` at most, from a grid of starts and from the article's start."""
    article = {"phi": 0.6, "theta": 0.1, **(initial or {})}
    phi, theta = np.linspace(-0.5, 1.5, resolution[0]), np.linspace(0.05, 1.25, resolution[1])
    grid_phi, grid_theta = (axis.ravel() for axis in np.meshgrid(phi, theta, indexing="ij"))
    starts = {
        "p1": xr.DataArray(np.append(grid_phi, article["phi"]), dims="start"),
        "w1": xr.DataArray(np.append(grid_theta, article["theta"]), dims="start"),
    }
    shape = (len(SETTINGS), len(RUNS), len(step_sizes))
    found = {name: np.full(shape, np.nan) for name in ("collapsed", "diverged", "end")}
    exact = []
    for i, (branch, noise) in enumerate(SETTINGS.values()):
        flow = find_system("modes", k=1, branch=branch).fix(lambda_d1=1, lambda_s1=1 + noise, eta_p=0, eta_s=0)
        exact.append(np.mean([_collapses(flow, p, w) for p, w in zip(grid_phi, grid_theta, strict=True)]))
        for j, (optimiser, options, time) in enumerate(RUNS.values()):
            for k, lr in enumerate(step_sizes):
                if optimiser == "alternating-minimisation":
                    if k:  # the step size plays no part
                        continue
                    lr = 1.0
                steps = max(1, round(min(time, span) / lr))
                ends = optimise(flow, starts, steps, lr=lr, optimiser=optimiser, every=steps, **options)
                theta_end = ends["w1"].isel(step=-1).values
                found["collapsed"][i, j, k] = np.mean(abs(theta_end[:-1]) < COLLAPSED)
                found["diverged"][i, j, k] = np.mean(np.isnan(theta_end[:-1]))
                found["end"][i, j, k] = theta_end[-1]
            if progress:
                progress(i * len(RUNS) + j + 1, len(SETTINGS) * len(RUNS), list(RUNS)[j])
    dims = ("setting", "optimiser", "lr")
    data = xr.Dataset(
        {**{name: (dims, values) for name, values in found.items()}, "exact_share": ("setting", exact)},
        coords={"setting": list(SETTINGS), "optimiser": list(RUNS), "lr": np.asarray(step_sizes, dtype=float)},
    )
    toy = find_system("toy")
    data["exact_end"] = float(toy.exact.end(article, {"alpha": 1.0}).values["theta"])  # type: ignore[union-attr]
    about = {**toy.about(), "branch": "stop and full"}
    return stamp(data, flow=about, parameters={"alpha": 1.0}, initial=article, starts=len(grid_phi), span=span)


def _collapses(flow: Flow, p: float, w: float) -> bool:
    """Where the flow itself goes, by its exact rule."""
    assert flow.exact is not None
    end = flow.exact.end({"p1": p, "w1": w}, {"alpha": 1.0})
    return bool(end is not None and end.collapsed)


def verdict(data: xr.Dataset) -> str:
    """Compare small gradient steps with the flow, and name the optimisers that do otherwise."""
    small = data["collapsed"].isel(lr=0)
    plain = small.sel(optimiser="gradient descent")
    far = abs(small - plain).sel(setting=["stop", "full"]).max("setting")
    other = [str(name) for name, gap in zip(data["optimiser"].values, far.values, strict=True) if gap > 0.1]
    shares = ", ".join(
        f"{setting} {float(plain.sel(setting=setting)):.0%} ({float(data['exact_share'].sel(setting=setting)):.0%})"
        for setting in data["setting"].values
    )
    return (
        "share of starts that collapse under gradient descent with small steps (in brackets: the flow, exactly): "
        f"{shares}; of the others these differ at the smallest step by more than a tenth of the starts: "
        f"{', '.join(other) or 'none'}"
    )
