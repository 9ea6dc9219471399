"""The toy and a real network in the three branches, on the same kind of axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import BRANCH_STYLE
from dynsim.drawing.words import caption, measure
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.trained_networks import refuse_branch
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

MEASURES = ("spread", "rankme", "norm_ratio", "knn", "loss", "relative_speed_ratio")


def compute(
    progress: Progress | None = None,
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

    refuse_branch(fields)
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


def verdict(data: xr.Dataset) -> Verdict:
    """Say which branches collapse, over all seeds."""
    last = data["spread"].isel(step=-1)
    words = []
    for branch in data["branch"].values:
        values = last.sel(branch=branch).values
        words.append(f"{branch} {values.mean():.2f} ± {values.std():.2f}")
    stop = last.sel(branch="stop").values
    others = np.concatenate([last.sel(branch=b).values for b in ("full", "target")])
    overlap = "without overlap between" if stop.min() > others.max() else "with overlap between"
    detail = (
        f"spread std(z/|z|)·√d at the end: {'; '.join(words)} ({data.sizes['seed']} seeds, {overlap} stop and the "
        "others; 1 is spread out, 0 is collapsed)"
    )
    headline = (
        "Spread at the end: "
        + ", ".join(f"{b} {float(last.sel(branch=b).mean()):.2f}" for b in data["branch"].values)
        + f" ({data.sizes['seed']} seeds)"
    )
    return concluded("holds" if stop.min() > others.max() else "does not hold", headline, detail)


# One column per quantity: what the toy calls it, what the network calls it, the scale of both.
_SHARED = (
    ("norm_ratio", "encoder |θ|/|θ(0)|", "norm of z / norm at start", "log"),
    ("loss", "loss", "loss", "linear"),
    ("relative_speed_ratio", "relative speed, predictor/encoder", "relative speed, predictor/encoder", "log"),
)
_MEASURES = (
    ("spread", "spread std(z/|z|)·√d", (0, 1.05)),
    ("rankme", "RankMe", (0, None)),
    ("knn", "kNN accuracy (augmented)", (0, 1.05)),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Three measures of the network that do not share a blind spot."""
    panels = panel_row(figure, 3)
    for axes, name in zip(panels, ("spread", "rankme", "knn"), strict=True):
        ends = []
        for branch in data["branch"].values:
            style = BRANCH_STYLE[str(branch)]
            draw_seeds(axes, data["step"], data[name].sel(branch=branch), style)
            last = data[name].sel(branch=branch).isel(step=-1).mean("seed")
            ends.append((float(last), str(branch), style["color"]))
        axes.set(xlabel="step", title=measure(name), xlim=(0, float(data["step"][-1])))
        axes.set_ylim(bottom=0)
        label_ends(axes, ends)
    about = provenance(data)["experiment"]
    caption(figure, data, f"{about['data']}, {about['encoder']} encoder, norm '{about['norm']}', {about['predictor']} "
            f"predictor, {about['objective']} loss; mean and range over {data.sizes['seed']} seeds")  # fmt: skip


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Toy above, network below, a column per shared quantity; last row what only the network has."""
    grid = figure.subplots(3, 3)
    for branch in data["branch"].values:
        style, one = BRANCH_STYLE[str(branch)], data.sel(branch=branch)
        for toy, network, (name, *_) in zip(grid[0], grid[1], _SHARED, strict=True):
            toy.plot(one["time"], one[f"toy_{name}"].where(one[f"toy_{name}"] > 0), label=str(branch), **style)
            draw_seeds(network, one["step"], one[name], style)
        for axes, (name, *_) in zip(grid[2], _MEASURES, strict=True):
            draw_seeds(axes, one["step"], one[name], style)
    for toy, network, (_, said, told, scale) in zip(grid[0], grid[1], _SHARED, strict=True):
        toy.set(title=f"toy: {said}", xlabel="flow time t", yscale=scale)
        network.set(title=f"network: {told}", xlabel="step", yscale=scale)
    grid[0, 0].set_ylim(1e-4, None)
    grid[0, 2].set_ylim(1e-6, 5)
    for axes, (_, told, limits) in zip(grid[2], _MEASURES, strict=True):
        axes.set(title=f"network: {told}", xlabel="step", ylim=limits)
    for axes in grid.flat:
        axes.title.set_fontsize(9.5)
    grid[0, -1].legend(*grid[0, 0].get_legend_handles_labels(), loc="center left", bbox_to_anchor=(1.0, 0.5))
    about = provenance(data)["experiment"]
    caption(
        figure,
        data,
        f"Network: {about['data']}, {about['encoder']} encoder, norm '{about['norm']}', "
        f"{about['predictor']} predictor, {about['objective']} loss; mean and range over "
        f"{data.sizes['seed']} seeds",
    )


FIGURE = Figure(
    name="network-collapse",
    summary="Spread, norm and loss of a network in the three branches",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=15.0,
    height=3.0,
    full_height=9.9,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 40},
    stored=True,
)
