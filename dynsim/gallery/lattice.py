"""The ablation lattice on digits: four measures of every cell, the matrix flow's prediction beside the linear ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.errors import DynsimError, bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import MEASURES, is_linear, linear_prediction, pixel_knn
from dynsim.gallery.study_results import study_results
from dynsim.networks.collapse import judge_run
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.studies.catalogue import study_of
from dynsim.studies.network_runs import cells, experiment_of
from dynsim.studies.study import Study
from dynsim.verdict import Verdict


def compute(
    progress: Progress | None = None,
    *,
    study: Any = "lattice-small",
    store: Any = None,
    seeds: Any = None,
    steps: int | None = None,
    data: Any = None,
) -> xr.Dataset:
    """Train every cell of a lattice and integrate the matrix flow of every linear one.

    Parameters
    ----------
    progress : callable, optional
    study : Study, mapping, path or str
        What is trained here where no store is given; with the axes of `lattice`.
    store : path or URL, optional
        Of a sweep of `lattice`, `lattice-small` or a study of your own with their axes.
    seeds, steps, data : optional
        Instead of what the study says of seeds, steps and images; what is stored has its own.

    Returns
    -------
    xarray.Dataset
        Over the axes of the study and `seed`: `spread`, `rankme`, `knn`, `norm_ratio`, `loss` and `status` of the
        trained networks, and ``ode_spread``, … of the flow, NaN where the network is not linear. `knn_pixels` is the
        accuracy of the pixels themselves.
    """
    own = {"steps": steps, "every": steps, "data": data}
    changes = {name: value for name, value in own.items() if value is not None}
    told, found = study_results(_changed(study, seeds, changes, store), store, progress)
    for name in MEASURES:
        found[f"ode_{name}"] = (tuple(told.sizes), np.full(tuple(told.sizes.values()), np.nan))
    _predict(told, found)
    found["knn_pixels"] = pixel_knn(told.experiment)
    about = told.experiment.to_dict()
    return stamp(found, "torch", "scikit-learn", experiment=about, study=told.to_dict(), digest=told.digest)


def _changed(study: Any, seeds: Any, changes: dict[str, Any], store: Any) -> Any:
    """The study with other seeds, and other fields of the experiment that its cells share."""
    if seeds is None and not changes:
        return study
    given = ", ".join([*changes, *([] if seeds is None else ["seeds"])])
    if store is not None:
        raise bad("options", given, "none beside store=", "what is stored has been trained")
    one = study_of(study)
    shared = one.experiment.but(**changes) if changes else one.experiment
    return replace(one, experiment=shared, seeds=one.seeds if seeds is None else seeds)


def _predict(study: Study, data: xr.Dataset) -> None:
    """Fill in the predictions; cells that differ in what a linear network does not have share one."""
    known: dict[str, dict[str, np.ndarray]] = {}
    for cell in cells(study):
        try:
            experiment = experiment_of(study, cell)
        except DynsimError:  # fields that exclude each other: nothing was trained either
            continue
        if not is_linear(experiment):
            continue
        experiment = experiment.but(norm="none", predictor_norm="none")
        if experiment.digest not in known:
            known[experiment.digest] = linear_prediction(experiment, study.seeds or ())
        for name, values in known[experiment.digest].items():
            data[f"ode_{name}"].loc[cell] = values


def verdict(data: xr.Dataset) -> Verdict:
    """Say which choices keep features alive, how one measure alone errs, and how well the flow predicts."""
    run = data["spread"].notnull().any("seed")
    if not run.any():
        return concluded("open", f"none of the {run.size} cells has been trained yet", "nothing is known yet")
    judged = _judged(data)
    alive = _alive(judged)
    doubt = _every_seed(judged, lambda one: not one.collapsed) & ~alive & run
    passes = {
        "spread": _every_seed(judged, lambda one: one.says("spread") == "healthy"),
        "rankme": _every_seed(judged, lambda one: one.says("rankme") == "healthy"),
    }
    fooled = ", ".join(f"{name} {int((passes[name] & run & ~alive).sum())}" for name in ("spread", "rankme"))
    counts = "; ".join(_counts(alive, name) for name in ("target", "predictor", "batchnorm"))
    knn, linear = data["knn"].mean("seed"), (data["ode_spread"] + data["spread"]).notnull().any("seed")
    at = {name: data[name].values[index] for name, index in zip(knn.dims, _largest(knn.values), strict=True)}
    best, where = data["knn"].sel(at), ", ".join(f"{name} {_label(value)}" for name, value in at.items())
    off = {name: float(abs(data[f"ode_{name}"] - data[name]).where(linear).median()) for name in MEASURES}
    detail = (
        f"{int(alive.sum())} of {int(run.sum())} cells are healthy in every seed by spread, RankMe and norm, "
        f"{int(doubt.sum())} more are in doubt: {counts}; one measure alone would pass more, {fooled}; best kNN "
        f"accuracy {float(best.mean()):.2f} ({float(best.min()):.2f} to "
        f"{float(best.max()):.2f} over seeds; pixels {float(data['knn_pixels']):.2f}): "
        f"{where}; in the {int(linear.sum())} linear cells the flow misses spread by {off['spread']:.3f}, RankMe by "
        f"{off['rankme']:.2f} and kNN by {off['knn']:.3f} in the median, nothing fitted"
    )
    headline = f"{int(alive.sum())} of {int(run.sum())} cells are healthy in every seed, by spread, rank and norm"
    return concluded("measured", headline, detail)


def _judged(data: xr.Dataset) -> xr.DataArray:
    return judge_run(data[list(MEASURES)].assign_attrs(data.attrs))


def _alive(judged: xr.DataArray) -> xr.DataArray:
    """Cells that are healthy in every seed."""
    return _every_seed(judged, lambda one: one.collapsed is False)


def _every_seed(judged: xr.DataArray, holds: Callable[[Any], bool]) -> xr.DataArray:
    found = np.array([holds(one) for one in judged.values.flat]).reshape(judged.shape)
    return judged.copy(data=found).all("seed")


def _largest(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.nanargmax(values), values.shape))


def _counts(chosen: xr.DataArray, name: str) -> str:
    told = (f"{_label(value)} {int(chosen.sel({name: value}).sum())}" for value in chosen[name].values)
    return f"{name}: {', '.join(told)}"


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


ROWS, COLUMNS = ("encoder", "predictor", "objective", "decay"), ("batchnorm", "target")
_LOST = "#DDDDDD"


def draw(data: xr.Dataset, figure: Any) -> None:
    """RankMe and kNN accuracy of every cell; of linear cells the lower half is the flow's prediction."""
    _draw(data, figure, ("rankme", "knn"))


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Draw all four measures."""
    _draw(data, figure, ("spread", "rankme", "knn", "norm_ratio"))


def _draw(data: xr.Dataset, figure: Any, names: tuple[str, ...]) -> None:
    """Draw a cell per combination, in it a stripe per seed."""
    about = provenance(data)["experiment"]
    pixels = float(data["knn_pixels"])
    panels: list[tuple[str, str, Any]] = [
        ("spread", "std·√d", Normalize(0, 1)),
        ("rankme", "RankMe", Normalize(1, about["dim"])),
        ("knn", f"kNN accuracy (pixels {pixels:.2f})", Normalize(0.1, max(0.6, float(data["knn"].max())))),
        ("norm_ratio", "norm / norm at start", LogNorm(1e-2, 1e1, clip=True)),
    ]
    panels = [panel for panel in panels if panel[0] in names]
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True)
    places = np.nonzero(_plane(_alive(_judged(data)).expand_dims(seed=1))[..., 0].T)
    healthy = [np.asarray(place) + 0.5 for place in places]
    for axes, (name, title, scale) in zip(grid, panels, strict=True):
        mesh = _cells(axes, data, name, scale)
        axes.plot(*healthy, "o", color="white", markeredgecolor=COLOURS["black"], markersize=3.5, zorder=6)
        figure.colorbar(mesh, ax=axes, location="top", label=title, shrink=0.9, aspect=25)
    _name_rows(grid[0], data)
    for axes in grid:
        _name_columns(axes, data)
    caption(
        figure,
        data,
        f"{about['data']}, {about['steps']} steps; stripes: {data.sizes['seed']} seeds. Framed: linear "
        "networks, their lower half the matrix flow. Dots: healthy in every seed. Grey: not finite, or not run",
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
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.set_ylabel("encoder · predictor · objective · weight decay")


def _name_columns(axes: Any, data: xr.Dataset) -> None:
    targets = [str(value) for value in data["target"].values]
    norms = [str(value) for value in data["batchnorm"].values]
    axes.set_xticks(np.arange(len(norms) * len(targets)) + 0.5, targets * len(norms), rotation=90)
    for index, name in enumerate(norms):
        middle = (index + 0.5) * len(targets)
        axes.annotate(
            f"BN {name}", (middle, 0), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=8
        )


# Six cells with the axes of the lattice, for tests.
_SMALL = {
    "seeds": 1,
    "record": [*MEASURES, "loss", "status"],
    "experiment": {"steps": 12, "every": 12, "images": 200, "measures": list(MEASURES)},
    "axes": {
        "encoder": ["linear"],
        "predictor": ["none", "linear"],
        "decay": {"values": [0.0], "sets": ["eta_p", "eta_s"]},
        "objective": {"cases": {"squared": {"objective": "squared", "lr": 0.02}}},
        "target": {
            "cases": {
                "stop-gradient": {"branch": "stop", "teacher": 0.0},
                "no stop-gradient": {"branch": "full", "teacher": 0.0},
                "EMA 0.99": {"branch": "stop", "teacher": 0.99},
            }
        },
        "batchnorm": {"cases": {"none": {"norm": "none", "predictor_norm": "none"}}},
    },
}

FIGURE = Figure(
    name="lattice",
    summary="The ablation lattice on digits, with the matrix flow's prediction",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=200.0,
    height=5.4,
    full_height=5.7,
    panels=2,
    needs=("networks",),
    small={"study": _SMALL},
)
