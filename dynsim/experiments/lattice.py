"""The ablation lattice on real images, with the matrix flow's prediction beside each linear cell: study `lattice`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import DynsimError
from dynsim.experiments.parts.linear_prediction import MEASURES, is_linear, linear_prediction, pixel_knn
from dynsim.experiments.parts.study_results import study_results
from dynsim.records import stamp
from dynsim.studies.network_runs import cells, experiment_of
from dynsim.studies.study import Study

COST = 200.0
NEEDS = ("networks",)
ALIVE = {"spread": 0.2, "rankme": 3.0, "norm_ratio": 0.2, "knn": 0.2}  # more than this is no collapse; chance is 0.1


def run(
    progress: Callable[[int, int, str], None] | None = None, *, study: Any = "lattice-small", store: Any = None
) -> xr.Dataset:
    """Train every cell of a lattice and integrate the matrix flow of every linear one.

    Parameters
    ----------
    progress : callable, optional
    study : Study, mapping, path or str
        What is trained here where no store is given; with the axes of `lattice`.
    store : path or URL, optional
        Of a sweep of `lattice`, `lattice-small` or a study of your own with their axes.

    Returns
    -------
    xarray.Dataset
        Over the axes of the study and `seed`: `spread`, `rankme`, `knn`, `norm_ratio`, `loss` and `status` of the
        trained networks, and ``ode_spread``, … of the flow, NaN where the network is not linear. `knn_pixels` is the
        accuracy of the pixels themselves.
    """
    told, data = study_results(study, store, progress)
    for name in MEASURES:
        data[f"ode_{name}"] = (tuple(told.sizes), np.full(tuple(told.sizes.values()), np.nan))
    _predict(told, data)
    data["knn_pixels"] = pixel_knn(told.experiment)
    about = told.experiment.to_dict()
    return stamp(data, "torch", "scikit-learn", experiment=about, study=told.to_dict(), digest=told.digest)


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


def verdict(data: xr.Dataset) -> str:
    """Say which choices keep features alive, how one measure alone errs, and how well the flow predicts."""
    passes = {name: (data[name] > least).all("seed") for name, least in ALIVE.items()}
    alive = xr.concat(list(passes.values()), "measure").all("measure")
    run = data["spread"].notnull().any("seed")
    if not run.any():
        return f"none of the {run.size} cells has been trained yet"
    fooled = ", ".join(f"{name} {int((passes[name] & run & ~alive).sum())}" for name in ("spread", "rankme"))
    counts = "; ".join(_counts(alive, name) for name in ("target", "predictor", "batchnorm"))
    knn, linear = data["knn"].mean("seed"), (data["ode_spread"] + data["spread"]).notnull().any("seed")
    at = {name: data[name].values[index] for name, index in zip(knn.dims, _largest(knn.values), strict=True)}
    best, where = data["knn"].sel(at), ", ".join(f"{name} {_label(value)}" for name, value in at.items())
    off = {name: float(abs(data[f"ode_{name}"] - data[name]).where(linear).median()) for name in MEASURES}
    return (
        f"{int(alive.sum())} of {int(run.sum())} cells keep features alive in every seed by four measures "
        f"({', '.join(f'{name} > {least:g}' for name, least in ALIVE.items())}): {counts}; one measure alone would "
        f"pass more, {fooled}. Best kNN accuracy {float(best.mean()):.2f} ({float(best.min()):.2f} to "
        f"{float(best.max()):.2f} over seeds; pixels {float(data['knn_pixels']):.2f}): "
        f"{where}. In the {int(linear.sum())} linear cells the flow misses spread by {off['spread']:.3f}, RankMe by "
        f"{off['rankme']:.2f} and kNN by {off['knn']:.3f} in the median, nothing fitted"
    )


def _largest(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.nanargmax(values), values.shape))


def _counts(chosen: xr.DataArray, name: str) -> str:
    told = (f"{_label(value)} {int(chosen.sel({name: value}).sum())}" for value in chosen[name].values)
    return f"{name}: {', '.join(told)}"


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
