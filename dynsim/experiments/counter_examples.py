"""Settings in which stop-gradient does not save the network, each beside what the toy foretells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from dynsim.experiments.parts.counter_settings import HIDDEN, LINEAR, Setting, toy_outcome
from dynsim.experiments.parts.foretold import by_matrix_flow, by_modes
from dynsim.experiments.parts.full_size import seed_count
from dynsim.experiments.parts.linear_digits import NOISE, linear_experiment
from dynsim.experiments.parts.trained_settings import hidden_layer
from dynsim.records import stamp

COST = 65.0
NEEDS = ("networks",)
SMALL = {"seeds": 2, "steps": 40, "linear_steps": 300}  # what tests run
MEASURES = ("spread", "rankme", "norm_ratio", "knn")
# An alarm: less than half of the spread or of the effective rank at the start, a size three times as small or large,
# neighbours no better than before training.
LEAST_SHARE, SIZES = 0.5, (1 / 3, 3.0)


def run(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    seeds: int | None = None,
    steps: int = 600,
    linear_steps: int = 2000,
    full: bool = False,
) -> xr.Dataset:
    """Train every setting, always with stop-gradient, and ask the toy and the mode equations.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of the networks with hidden layer; two settings under squared error take more, in proportion.
    linear_steps : int
    full : bool
        10 seeds, and MNIST for the networks with hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `setting` (coordinate `network`: linear or hidden layer), `seed` and `moment` (start, end): `spread`,
        `rankme`, `norm_ratio`, `knn`. Over `setting`, `seed`, at the end and for linear networks only: the same with
        prefix `modes_` (every direction by its scalar equation) and `flow_` (the matrix equations). Over `setting`:
        `toy_collapses` (0 or 1) and `usual`, 1 for the settings that the others are compared with.
    """
    seeds = seed_count(seeds, full)
    rows: list[xr.Dataset] = []
    total = len(LINEAR) + len(HIDDEN)

    def report(name: str) -> None:
        if progress:
            progress(len(rows), total, name.strip())

    base = linear_experiment(
        dim=32,
        lr=0.01,
        momentum=0.9,
        batch=64,
        dtype="float32",
        steps=linear_steps,
        measures=MEASURES,
        measure_every=linear_steps,
    )
    for name, setting in LINEAR.items():
        rows.append(_linear(name, setting, base, seeds))
        report(f"linear, {name}")
    for name, setting in HIDDEN.items():
        taken = max(1, round(setting.longer * steps))
        changes = {**setting.network, "steps": taken, "measure_every": taken}
        rows.append(
            _row(name, "hidden layer", setting, _ends(hidden_layer(full, measures=MEASURES, **changes), seeds))
        )
        report(f"hidden layer, {name}")
    data = xr.concat(rows, "setting")
    data["setting"] = data["setting"].astype(str)
    about = {"sigma2": NOISE**2, "steps": steps, "linear_steps": linear_steps}
    return stamp(data, "torch", "scikit-learn", experiment=hidden_layer(full).to_dict(), **about)


def _ends(experiment: Any, seeds: int) -> xr.Dataset:
    from dynsim.networks import train

    return _two_moments(train(experiment, seeds))


def _two_moments(run_: xr.Dataset) -> xr.Dataset:
    two = run_[list(MEASURES)].isel(step=[0, -1]).drop_vars("time").rename(step="moment")
    return two.assign_coords(moment=["start", "end"]).drop_attrs()


def _row(name: str, network: str, setting: Setting, data: xr.Dataset) -> xr.Dataset:
    for prefix in ("modes", "flow"):
        for measure in MEASURES:
            if f"{prefix}_{measure}" not in data:
                data[f"{prefix}_{measure}"] = ("seed", np.full(data.sizes["seed"], np.nan))
    data["toy_collapses"] = int(bool(toy_outcome(setting).collapsed))
    data["usual"] = int(setting.usual)
    return data.expand_dims(setting=[f"{network}: {name}"]).assign_coords(network=("setting", [network]))


def _linear(name: str, setting: Setting, base: Any, seeds: int) -> xr.Dataset:
    """The network, and its measures if its weights were those that theory foretells."""
    from dynsim.networks import fit, initial_state

    experiment = base.but(**setting.network)
    trained = fit(experiment, seeds)
    data = _two_moments(trained.dataset)
    time = float(trained.dataset["time"][-1])
    starts = [initial_state(experiment, seed) for seed in range(seeds)]
    for prefix, theory in (("modes", by_modes), ("flow", by_matrix_flow)):
        weights = np.array([theory(experiment, start, time) for start in starts])
        for measure, values in trained.measured(W=weights).items():
            data[f"{prefix}_{measure}"] = ("seed", values)
    return _row(name, "linear", setting, data)


def alarms(data: xr.Dataset) -> xr.DataArray:
    """Which of the four measures, averaged over seeds, says that something is wrong; over `setting`, `measure`.

    A run that ended in infinities sets off every alarm.
    """
    start, end = (data[list(MEASURES)].sel(moment=m).mean("seed", skipna=False) for m in ("start", "end"))
    found = {
        "spread": ~(end["spread"] >= LEAST_SHARE * start["spread"]),
        "rankme": ~(end["rankme"] >= LEAST_SHARE * start["rankme"]),
        "norm_ratio": ~((end["norm_ratio"] >= SIZES[0]) & (end["norm_ratio"] <= SIZES[1])),
        "knn": ~(end["knn"] > start["knn"]),
    }
    return xr.concat(list(found.values()), xr.DataArray(list(found), dims="measure", name="measure"))


def verdict(data: xr.Dataset) -> str:
    """Say which settings fail, which measure notices, and how often the toy had said so."""
    alarm = alarms(data)
    failed = alarm.any("measure")
    toy = data["toy_collapses"] == 1
    told = []
    for network in ("linear", "hidden layer"):
        here = data["network"] == network
        names = [
            f"{str(name).split(': ', 1)[1].strip()} ({', '.join(alarm['measure'].values[bad])})"
            for name, bad in zip(
                data["setting"].values[here], alarm.transpose("setting", "measure").values[here], strict=True
            )
            if bad.any()
        ]
        right = int((toy == failed)[here].sum())
        told.append(f"{network}: {'; '.join(names) or 'none'}; the toy is right in {right} of {int(here.sum())}")
    noticed = ", ".join(f"{name} {int(alarm.sel(measure=name).sum())}" for name in alarm["measure"].values)
    close = _closeness(data)
    return (
        f"settings that fail in spite of stop-gradient (and the measures that notice): {'. '.join(told)}. Of "
        f"{int(failed.sum())} failures each measure alone notices: {noticed}. Size of the linear networks' features "
        f"at the end, median factor between network and theory: matrix flow {close['flow']:.2f}, modes one by one "
        f"{close['modes']:.2f}"
    )


def _closeness(data: xr.Dataset) -> dict[str, float]:
    linear = data.isel(setting=(data["network"] == "linear").values)
    network = np.log(linear["norm_ratio"].sel(moment="end").clip(1e-6).values)
    sizes = {name: np.log(linear[f"{name}_norm_ratio"].clip(1e-6).values) for name in ("flow", "modes")}
    return {name: float(np.exp(np.median(abs(network - size)))) for name, size in sizes.items()}
