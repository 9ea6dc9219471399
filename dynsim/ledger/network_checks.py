"""What decides the sentences about real networks: smaller versions of the gallery's figures, on digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.ledger.contract import decided, numbers
from dynsim.symbolic.flow import BRANCHES
from dynsim.verdict import Verdict

MEASURES = ("spread", "rankme", "norm_ratio", "knn")


def _trained(experiment: Any, seeds: int, branches: tuple[str, ...] = BRANCHES) -> xr.Dataset:
    """Start and end of one experiment in several branches, over `branch`, `seed` and `step`."""
    from dynsim.networks import train

    last = experiment.steps
    runs = [train(experiment.but(branch=branch, measures=MEASURES, every=last), seeds) for branch in branches]
    ends = [run[[*MEASURES, "loss"]].drop_attrs().isel(step=[0, -1]) for run in runs]
    return xr.concat(ends, xr.DataArray(list(branches), dims="branch", name="branch"))


def _facts(data: xr.Dataset) -> list[tuple[str, Any]]:
    rows = []
    for branch in data["branch"].values:
        for name in data.data_vars:
            values = data[name].sel(branch=branch).isel(step=-1).values
            if np.isfinite(values).all():
                rows.append((f"{branch}: {name}, least and most", f"{values.min():.4g}, {values.max():.4g}"))
    return [*rows, ("seeds", data.sizes["seed"]), ("steps", int(data["step"][-1]))]


def digits(*, seeds: int = 2, steps: int = 150, norm: str = "batch") -> Verdict:
    """Train the default network in the three branches and compare the spread of its features."""
    from dynsim.networks import Experiment

    data = _trained(Experiment().but(steps=steps, norm=norm), seeds)
    spread = data["spread"].isel(step=-1)
    alive = float(spread.sel(branch="stop").min())
    others = float(spread.sel(branch=["full", "target"]).max())
    return decided(
        "holds" if alive > 2 * others else "does not hold",
        f"spread after {steps} steps: at least {alive:.2f} with stop-gradient, at most {others:.2f} without",
        numbers(*_facts(data)),
    )


def linear_digits(*, seeds: int = 2, steps: int = 300, lr: float = 0.02) -> Verdict:
    """Train a linear encoder and predictor under squared error and compare the size of the features."""
    from dynsim.networks import Experiment

    fields = {"encoder": "linear", "norm": "none", "predictor": "linear", "objective": "squared"}
    data = _trained(Experiment().but(steps=steps, lr=lr, **fields), seeds)
    size = data["norm_ratio"].isel(step=-1)
    alive = float(size.sel(branch="stop").min())
    others = float(size.sel(branch=["full", "target"]).max())
    return decided(
        "holds" if alive > 2 * others else "does not hold",
        f"size over that at the start: at least {alive:.2f} with stop-gradient, at most {others:.2f} without",
        numbers(*_facts(data)),
    )


def collapse_minimises(*, seeds: int = 2, steps: int = 150) -> Verdict:
    """Loss and spread at the end, with stop-gradient and without; the least possible cosine loss is −1."""
    from dynsim.networks import Experiment

    data = _trained(Experiment().but(steps=steps), seeds, ("stop", "full"))
    loss, spread = (data[name].isel(step=-1).mean("seed") for name in ("loss", "spread"))
    low, high = (float(loss.sel(branch=branch)) for branch in ("full", "stop"))
    gone = float(spread.sel(branch="full")) < 0.5 * float(spread.sel(branch="stop"))
    return decided(
        "holds" if gone and low < high else "does not hold",
        f"the collapsed network has the loss {low:.3f}, the one that lives {high:.3f}",
        numbers(*_facts(data)),
    )
