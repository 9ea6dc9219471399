"""What decides the sentences about speeds: the toy, and the stored run of networks in the three branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import unknown
from dynsim.gallery.fast_lane import NETWORKS, ahead, slowed
from dynsim.gallery.plotting import stored_file
from dynsim.gallery.who_is_fast import compute as shares_of_the_way
from dynsim.ledger.contract import decided, numbers
from dynsim.ledger.toy_checks import START, judged
from dynsim.storage import open_dataset
from dynsim.symbolic.flow import Branch
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict


def _speeds(branch: Branch, initial: Mapping[str, float], alpha: float) -> tuple[float, float]:
    field = system("toy", branch=branch).field({"alpha": alpha})
    forward, encoder = np.asarray(field.f(0.0, np.array([initial["phi"], initial["theta"]])), dtype=float)
    return abs(float(forward)), abs(float(encoder))


def _stored(networks: Sequence[str]) -> xr.Dataset:
    """The networks of the figure `fast-lane`: five seeds each, every branch from the same start."""
    for name in networks:
        if name not in NETWORKS:
            raise unknown("network", name, tuple(NETWORKS))
    return open_dataset(stored_file("fast-lane")).sel(network=list(networks))


def _named(found: xr.DataArray) -> str:
    return "; ".join(str(name) for name in found["network"].values[found.values]) or "none"


def predictor_is_fast(
    *, initial: Mapping[str, float] = START, alpha: float = 1.0, networks: Sequence[str] = tuple(NETWORKS)
) -> Verdict:
    """Who is ahead with stop-gradient: four measures of the toy, and three of every network, in every seed."""
    data = shares_of_the_way(initial=initial, parameters={"alpha": alpha}, t_end=200.0).sel(branch="stop")
    forward, encoder = _speeds("stop", initial, alpha)
    ratios = {
        "relative speed at the start": forward / encoder * abs(initial["theta"] / initial["phi"]),
        "absolute speed at the start": forward / encoder,
        "half of the way": float(data["when_theta"].sel(share=0.5) / data["when_phi"].sel(share=0.5)),
        "90 % of the way": float(data["when_theta"].sel(share=0.9) / data["when_phi"].sel(share=0.9)),
    }
    toy = sum(ratio > 1 for ratio in ratios.values())
    needed = (initial["phi"] / initial["theta"]) ** 2
    trained = _stored(networks)
    found = {
        "relative speed at the start": ahead(trained).sel(branch="stop"),
        "relative speed over most of the run": ahead(trained, start=False).sel(branch="stop"),
        "half of the way": ahead(trained, "half_life").sel(branch="stop"),
    }
    first = int(found["relative speed at the start"].sum())
    true, of = toy + sum(int(one.sum()) for one in found.values()), len(ratios) + len(found) * len(networks)
    rows: list[tuple[str, Any]] = [(f"toy: {name}, predictor over encoder", ratio) for name, ratio in ratios.items()]
    rows += [("toy: φ₀²/θ₀²; for 0 < φ₀ < 1, α beyond which φ is ahead at every share", needed)]
    rows += [(f"networks in which the predictor is ahead, {name}", _named(one)) for name, one in found.items()]
    return decided(
        judged(true, of),
        f"the predictor starts faster in {first} of {len(networks)} networks, by {toy} of 4 measures in the toy",
        numbers(*rows),
    )


def fast_lane(
    *,
    initial: Mapping[str, float] = START,
    alpha: float = 1.0,
    networks: Sequence[str] = tuple(NETWORKS),
    factor: float = 1.0,
) -> Verdict:
    """Whether the encoder is slower with stop-gradient than with both branches: toy and networks.

    Slower counts by `factor`; of a network in every seed, at the start and over most of the run.
    """
    data = shares_of_the_way(initial=initial, parameters={"alpha": alpha}, t_end=200.0)
    toy: dict[str, list[float]] = {}
    for branch in ("stop", "full"):
        forward, encoder = _speeds(branch, initial, alpha)
        halves = [float(data[f"when_{name}"].sel(branch=branch, share=0.5)) for name in ("theta", "phi")]
        toy[branch] = [encoder, encoder / forward, 1 / halves[0], halves[1] / halves[0]]
    names = ("speed at the start", "speed over φ's", "half of its way per time", "half of its way per time over φ's")
    slower = sum(factor * stop < full for stop, full in zip(toy["stop"], toy["full"], strict=True))
    trained = _stored(networks)
    found = {
        "relative speed at the start": slowed(trained, factor=factor),
        "absolute speed at the start": slowed(trained, "absolute_speed", factor),
        "relative speed over most of the run": slowed(trained, factor=factor, start=False),
    }
    start = int(found["relative speed at the start"].sum())
    later = int(found["relative speed over most of the run"].sum())
    true, of = slower + sum(int(one.sum()) for one in found.values()), len(names) + len(found) * len(networks)
    rows: list[tuple[str, Any]] = [
        (f"toy: encoder's {name}: stop, full", f"{stop:.4g}, {full:.4g}")
        for name, stop, full in zip(names, toy["stop"], toy["full"], strict=True)
    ]
    rows += [(f"networks with a slower encoder, {name}", _named(one)) for name, one in found.items()]
    return decided(
        judged(true, of),
        f"slower at the start in {start} of {len(networks)} networks, later in {later}; by {slower} of 4 toy measures",
        numbers(*rows),
    )
