"""Is the predictor fast? Every measure of fast and slow, on two networks and on the toy, for three ratios α."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.experiments.parts.linear_digits import NOISE, linear_experiment
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system

COST = 30.0
NEEDS = ("networks",)
SMALL = {"seeds": 2, "steps": 30, "dim": 2, "t_end": 10.0}  # what tests run
RATIOS = (0.1, 1.0, 10.0)
SUBJECTS = ("toy", "linear network", "hidden layer")
SERIES = ("relative_speed_ratio", "absolute_speed_ratio", "predictor_gap", "predictor_share")
NUMBERS = ("half_life_ratio", "time90_ratio")
_RECORDED = ("relative_speed_ratio", "absolute_speed_ratio", "predictor_gap", "loss_share", "half_life")


def run(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    seeds: int = 5,
    steps: int = 400,
    dim: int = 4,
    t_end: float = 40.0,
    records: int = 40,
) -> xr.Dataset:
    """Measure who is fast, with stop-gradient, at learning-rate ratios 0.1, 1 and 10.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
    steps : int
        Of both trained networks.
    dim : int
        Features of the small linear network whose Jacobian is taken.
    t_end : float
        Flow time of the toy and of that network.
    records : int

    Returns
    -------
    xarray.Dataset
        Over `alpha`, `subject`, `seed`, `record` (share of the run): `relative_speed_ratio`, `absolute_speed_ratio`,
        `predictor_gap` (‖P − P*‖/‖P*‖; |φ − 1| in the toy; NaN for a predictor that is not linear), `predictor_share`,
        the predictor's part of dl/dt in the sum of the sizes of both parts. Without `record`: `half_life_ratio`,
        `time90_ratio`. Over `alpha`, `jacobian_of` (toy, linear network), `record`: `eigenvalue_gap`,
        `zero_eigenvalues`.
    """

    def report(done: int, what: str) -> None:
        if progress:
            progress(done, len(RATIOS) * 3, what)

    rows = []
    for index, alpha in enumerate(RATIOS):
        toy, toy_spectrum = _toy(alpha, t_end, records)
        report(3 * index + 1, f"α = {alpha:g}, spectra")
        spectra = xr.concat([toy_spectrum, _linear_spectrum(alpha, dim, t_end, records)], "jacobian_of")
        report(3 * index + 2, f"α = {alpha:g}, linear network")
        linear = _trained(seeds, steps, records, alpha=alpha, **LINEAR)
        report(3 * index + 3, f"α = {alpha:g}, hidden layer")
        hidden = _trained(seeds, steps, records, alpha=alpha)
        subjects = xr.concat([toy, linear, hidden], xr.DataArray(list(SUBJECTS), dims="subject", name="subject"))
        rows.append(subjects.merge(spectra.assign_coords(jacobian_of=list(SUBJECTS[:2]))))
    data = xr.concat(rows, xr.DataArray(list(RATIOS), dims="alpha", name="alpha"))
    about = {"t_end": t_end, "steps": steps, "sigma2": NOISE**2, "dim": dim, "initial": _START}
    return stamp(data.drop_attrs(), "torch", "scikit-learn", **about)


_START = {"phi": 0.6, "theta": 0.1}
LINEAR = {
    "encoder": "linear",
    "norm": "none",
    "predictor": "linear",
    "objective": "squared",
    "lr": 0.02,
}  # with momentum 0.9 and every augmentation, as the network with a hidden layer


def _toy(alpha: float, t_end: float, records: int) -> tuple[xr.Dataset, xr.Dataset]:
    flow = system("toy")
    run_ = solve(flow, _START, times=np.linspace(0, t_end, records + 1), parameters={"alpha": alpha})
    told = timescales(flow, run_)
    predictor, encoder = told["loss_share_phi"], told["loss_share_theta"]
    told["predictor_gap"] = abs(run_["phi"] - 1)  # the optimal predictor of the toy is φ = 1
    told["predictor_share"] = _share(predictor, encoder)
    found = _by_share_of_the_run(told[[*SERIES, *NUMBERS]], "time")
    return found, _spectrum(told)


def _linear_spectrum(alpha: float, dim: int, t_end: float, records: int) -> xr.Dataset:
    from dynsim.networks import flow, initial_state

    experiment = linear_experiment(dim=dim, alpha=alpha)
    field = flow(experiment)
    moments = np.linspace(0, t_end, min(records, 10) + 1)  # a Jacobian takes a backward pass for every parameter
    told = _spectrum(timescales(field, solve(field, initial_state(experiment), times=moments)))
    return told.reindex(record=np.linspace(0, 1, records + 1), method="nearest", tolerance=0.5 / records)


def _spectrum(told: xr.Dataset) -> xr.Dataset:
    size: xr.DataArray = np.hypot(told["eigenvalue"], told["eigenvalue_imaginary"])  # type: ignore[assignment]
    zero = size <= 1e-7 * size.max("mode")
    moving = size.where(~zero)
    spectrum = xr.Dataset(
        {"eigenvalue_gap": moving.max("mode") / moving.min("mode"), "zero_eigenvalues": zero.sum("mode").astype(float)}
    )
    return _by_share_of_the_run(spectrum, "time")


def _trained(seeds: int, steps: int, records: int, **changes: Any) -> xr.Dataset:
    from dynsim.networks import Experiment, train

    every = max(1, steps // records)
    experiment = Experiment(steps=every * records, measures=_RECORDED, measure_every=every, **changes)
    data = train(experiment, seeds)
    data["predictor_share"] = _share(data["loss_share_predictor"], data["loss_share_encoder"])
    if "predictor_gap" not in data:  # there is no optimal linear predictor to compare with
        data["predictor_gap"] = xr.full_like(data["predictor_share"], np.nan)
    return _by_share_of_the_run(data[[*SERIES, *NUMBERS]].drop_vars("time"), "step")


def _share(predictor: xr.DataArray, encoder: xr.DataArray) -> xr.DataArray:
    """Signed: negative where the predictor's motion lowers the loss."""
    total = abs(predictor) + abs(encoder)
    return (predictor / total).where(total > 0)


def _by_share_of_the_run(data: xr.Dataset, axis: str) -> xr.Dataset:
    return data.drop_vars(axis).rename({axis: "record"}).assign_coords(record=np.linspace(0, 1, data.sizes[axis]))


def verdict(data: xr.Dataset) -> str:
    """Say, per subject and ratio, who is fast by the measures, and where they disagree."""
    told = []
    for subject in data["subject"].values:
        words = []
        for alpha in data["alpha"].values:
            here = data.sel(subject=subject, alpha=alpha)
            start = float(here["relative_speed_ratio"].isel(record=0).mean())
            half = float(here["half_life_ratio"].mean())
            disagree = " (they disagree)" if (start > 1) == (half > 1) else ""
            words.append(f"{start:.2g}|{half:.2g}{disagree}")
        told.append(f"{subject} {', '.join(words)}")
    return (
        "predictor over encoder at α = "
        + "/".join(f"{alpha:g}" for alpha in data["alpha"].values)
        + ", relative speed at the start | half-life: "
        + "; ".join(told)
        + "; a fast predictor is a choice of α, not a given"
    )
