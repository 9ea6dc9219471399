"""The ablation lattice on digits: four measures of every cell, the matrix flow's prediction beside the linear ones."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "lattice"
OPTIONS: dict[str, Any] = {}
SIZE = (13.0, 8.6)

ROWS, COLUMNS = ("encoder", "predictor", "objective", "decay"), ("batchnorm", "target")
_LOST = "#DDDDDD"


def draw(data: xr.Dataset, figure: Any) -> None:
    """A cell per combination, in it a stripe per seed; of linear cells the lower half is the flow's prediction."""
    about = provenance(data)["experiment"]
    pixels = float(data["knn_pixels"])
    panels = (
        ("spread", "std·√d", Normalize(0, 1)),
        ("rankme", "RankMe", Normalize(1, about["dim"])),
        ("knn", f"kNN accuracy (pixels {pixels:.2f})", Normalize(0.1, max(0.6, float(data["knn"].max())))),
        ("norm_ratio", "norm / norm at start", LogNorm(1e-2, 1e1, clip=True)),
    )
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for axes, (name, title, scale) in zip(grid, panels, strict=True):
        mesh = _cells(axes, data, name, scale)
        figure.colorbar(mesh, ax=axes, location="top", label=title, shrink=0.9, aspect=25)
    _name_rows(grid[0], data)
    for axes in grid:
        _name_columns(axes, data)
    caption(
        figure,
        data,
        f"{about['data']}, {about['steps']} steps of sgd, momentum {about['momentum']:g}, batch {about['batch']}"
        f"{_rates(data)}; "
        f"stripes: {data.sizes['seed']} seeds. Framed: linear networks under the squared loss; their lower half is "
        "the matrix flow from the same start with the moments of the augmented images, nothing fitted. Grey: not "
        "finite, or not run. A hidden BatchNorm changes nothing where there is no hidden layer. No measure "
        "suffices: std·√d and RankMe look fine on features that have shrunk to nothing",
    )


def _rates(data: xr.Dataset) -> str:
    """Learning rates, where they go with the objective."""
    given = provenance(data)["study"]["axes"]["objective"]
    if "lr" not in given["sets"]:
        return ""
    rates = [case[given["sets"].index("lr")] for case in given.get("cases", ())]
    return ", lr " + ", ".join(f"{lr:g} ({name})" for name, lr in zip(given["values"], rates, strict=True))


def _cells(axes: Any, data: xr.Dataset, name: str, scale: Any) -> Any:
    seeds = data.sizes["seed"]
    network, flow = (_plane(data[part]) for part in (name, f"ode_{name}"))
    linear = np.isfinite(flow).any(axis=2)
    halves = np.stack([network, np.where(linear[:, :, None], flow, network)], axis=1)  # row, half, column, seed
    rows, columns = linear.shape
    image = halves.reshape(2 * rows, columns * seeds)
    x, y = np.linspace(0, columns, columns * seeds + 1), np.linspace(0, rows, 2 * rows + 1)
    axes.set_facecolor(_LOST)
    mesh = axes.pcolormesh(x, y, np.ma.masked_invalid(image), cmap=SEQUENCE, norm=scale, rasterized=True)
    for row, column in zip(*np.nonzero(linear), strict=True):
        axes.plot((column, column + 1), (row + 0.5, row + 0.5), color="white", linewidth=0.5)
        axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=COLOURS["black"], linewidth=1.3, zorder=5))
    axes.hlines(range(rows + 1), 0, columns, colors="white", linewidth=0.5)
    axes.vlines(range(columns + 1), 0, rows, colors="white", linewidth=0.5)
    inner = rows // max(1, data.sizes["encoder"] * data.sizes["predictor"])
    axes.hlines(range(0, rows + 1, inner), 0, columns, colors="white", linewidth=2.5)
    axes.vlines(range(0, columns + 1, data.sizes["target"]), 0, rows, colors="white", linewidth=2.5)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh


def _plane(values: xr.DataArray) -> np.ndarray:
    """Rows × columns × seeds."""
    ordered = values.transpose(*ROWS, *COLUMNS, "seed")
    rows = int(np.prod(ordered.shape[: len(ROWS)]))
    return ordered.values.reshape(rows, -1, ordered.sizes["seed"])


def _name_rows(axes: Any, data: xr.Dataset) -> None:
    labels = [
        f"{encoder} · {predictor} · {objective} · η {decay:g}"
        for encoder, predictor, objective, decay in product(*(data[name].values for name in ROWS))
    ]
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize=8)
    axes.set_ylabel("encoder · predictor · objective · weight decay")


def _name_columns(axes: Any, data: xr.Dataset) -> None:
    targets = [str(value) for value in data["target"].values]
    norms = [str(value) for value in data["batchnorm"].values]
    axes.set_xticks(np.arange(len(norms) * len(targets)) + 0.5, targets * len(norms), rotation=90, fontsize=7.5)
    for index, name in enumerate(norms):
        middle = (index + 0.5) * len(targets)
        axes.annotate(
            f"BN {name}", (middle, 0), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=8
        )
