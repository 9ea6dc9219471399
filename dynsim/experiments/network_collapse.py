"""A real network in the three branches beside the toy: who collapses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import system

COST = 15.0
NEEDS = ("networks",)
SMALL = {"seeds": 2, "steps": 40}  # what tests run
MEASURES = ("spread", "rankme", "norm_ratio", "knn", "loss", "relative_speed_ratio")


def run(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    seeds: Any = 3,
    steps: int = 300,
    **fields: Any,
) -> xr.Dataset:
    """Train the network in every branch and run the toy from the article's start.

    Parameters
    ----------
    seeds : int or list
    steps : int
    **fields
        Further fields of `dynsim.networks.Experiment`.

    Returns
    -------
    xarray.Dataset
        Network: `norm_ratio`, `loss`, `relative_speed_ratio`, `spread`, `rankme`, `knn` over `branch`, `seed`,
        `step`. Toy: the first three as ``toy_<name>``, and `phi`, `theta`, over `branch`, `time`.
    """
    from dynsim.networks import Experiment, train

    trained, toys = [], []
    for index, branch in enumerate(BRANCHES):
        experiment = Experiment().but(branch=branch, steps=steps, **fields)

        def report(done: int, total: int, branch: str = branch, before: int = index) -> None:
            if progress:
                progress(before * total + done, len(BRANCHES) * total, f"branch {branch}")

        data = train(experiment, seeds, progress=report)
        trained.append(data[[name for name in MEASURES if name in data]].drop_attrs())
        flow = system("toy", branch=branch)
        start = {name: flow.defaults[name] for name in flow.states}
        toys.append(_toy(flow, solve(flow, start, 30.0)))
    axis = xr.DataArray(list(BRANCHES), dims="branch", name="branch")
    network = xr.concat(trained, axis)
    network = network.rename(time="network_time") if "time" in network.coords else network
    merged = xr.merge([network, xr.concat(toys, axis)])
    about = {**experiment.to_dict(), "branch": "all"}
    return stamp(merged, "torch", "scikit-learn", experiment=about, digest=experiment.digest, initial=start)


def _toy(flow: Flow, run: xr.Dataset) -> xr.Dataset:
    shared = {
        "norm_ratio": abs(run["theta"] / run["theta"][0]),
        "loss": run["loss"],
        "relative_speed_ratio": timescales(flow, run)["relative_speed_ratio"],
    }
    return run[["phi", "theta"]].assign({f"toy_{name}": values for name, values in shared.items()}).drop_attrs()


def verdict(data: xr.Dataset) -> str:
    """Say which branches collapse, over all seeds."""
    last = data["spread"].isel(step=-1)
    words = []
    for branch in data["branch"].values:
        values = last.sel(branch=branch).values
        words.append(f"{branch} {values.mean():.2f} ± {values.std():.2f}")
    stop = last.sel(branch="stop").values
    others = np.concatenate([last.sel(branch=b).values for b in ("full", "target")])
    overlap = "without overlap between" if stop.min() > others.max() else "with overlap between"
    return (
        f"spread std(z/|z|)·√d at the end: {'; '.join(words)} ({data.sizes['seed']} seeds, {overlap} stop and the "
        "others; 1 is spread out, 0 is collapsed)"
    )
