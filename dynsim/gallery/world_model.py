"""A world model in miniature: predict the next latent on a ring and in a grid world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import as_predicted
from dynsim.integrate.solve import solve
from dynsim.methods.catalogue import method
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

SIDE, RATE, SMALL = 3, 4.0, 0.1  # of the grid, of descent, factor on the initial weights for the order
LOOK = 4  # steps between two looks at a run from a small start


def transitions(chain: str) -> list[tuple[int, int]]:
    """All equally likely steps of a chain of nine states, whose stationary distribution is uniform.

    "ring": 1/5 stays, 4/5 go to the next, so that eigenvalues are complex. "grid": one of four neighbours with 1/8
    each, against a wall it stays.
    """
    n = SIDE**2
    if chain == "ring":
        return [(one, (one + move) % n) for one in range(n) for move in (0, 1, 1, 1, 1)]
    pairs = []
    for one in range(n):
        row, column = divmod(one, SIDE)
        around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
        inside = [SIDE * i + j for i, j in around if 0 <= i < SIDE and 0 <= j < SIDE]
        pairs += [(one, other) for other in inside + [one] * (8 - len(inside))]
    return pairs


def compute(
    progress: Progress | None = None,
    *,
    decays: Sequence[float] = (0.003, 0.006, 0.01, 0.015, 0.02, 0.025),
    steps: int = 1500,
) -> xr.Dataset:
    """Train linear encoders and predictors on both chains by descent on the expected loss, over weight decay.

    Parameters
    ----------
    progress : callable, optional
    decays : sequence of float
        Of encoder and predictor, η.
    steps : int
        Of descent, at a rate of 4.

    Returns
    -------
    xarray.Dataset
        Over `chain`, `eta`, `feature` (eigenvectors of the transition matrix, the largest |λ_T| first): `measured` and
        `predicted` variance at the end; over `chain`, `feature`: `size`, |λ_T|, and the flow times of half the end at
        the first decay from a small start, `time` and `predicted_time`.
    """
    parts = []
    for index, chain in enumerate(("ring", "grid")):
        if progress:
            progress(index, 2, chain)
        parts.append(_chain(chain, decays, steps))
    data = xr.concat(parts, "chain").assign_coords(chain=["ring", "grid"], eta=list(decays))
    return stamp(data, states=SIDE**2, steps=steps)


def _chain(chain: str, decays: Sequence[float], steps: int) -> xr.Dataset:
    pairs, n = transitions(chain), SIDE**2
    matrix = np.zeros((n, n))
    np.add.at(matrix, tuple(zip(*pairs, strict=True)), n / len(pairs))
    values, vectors = np.linalg.eig(matrix)
    if chain == "grid":
        values, vectors = np.linalg.eigh(matrix)
    order = np.argsort(-np.abs(values), kind="stable")
    values, vectors = values[order], vectors[:, order]
    asked = method("next-latent", transition=matrix)
    predicted = [asked.amplitude(eta=eta).value for eta in decays]
    measured = [_trained(pairs, vectors, eta, steps, 1.0)[-1] for eta in decays]
    grown = _trained(pairs, vectors, decays[0], steps, SMALL)
    passed = grown >= predicted[0] / 2
    time = np.where((predicted[0] > 0) & passed.any(0), RATE * LOOK * passed.argmax(0), np.nan)
    return xr.Dataset(
        {
            "predicted": (("eta", "feature"), np.array(predicted)),
            "measured": (("eta", "feature"), np.array(measured)),
            "size": ("feature", np.abs(values)),
            "time": ("feature", time),
            "predicted_time": ("feature", [_half_time(size / n, decays[0], steps) for size in np.abs(values)]),
        }
    )


def _half_time(signal: float, eta: float, steps: int) -> float:
    """Flow time at which one mode passes half its end, from the same start, by the flow of the method."""
    times = np.linspace(0, RATE * steps, 10 * steps + 1)
    start, values = {"p": 0.0, "w": SMALL}, {"lambda_d": signal, "lambda_s": 1 / SIDE**2, "eta_p": eta, "eta_s": eta}
    run = solve(method("next-latent").flow(), start, times=times, parameters=values)
    v = run["w"].values ** 2
    return float(times[np.argmax(v >= v[-1] / 2)]) if v[-1] > SMALL**2 else np.nan


def _trained(pairs: list[tuple[int, int]], vectors: np.ndarray, eta: float, steps: int, scale: float) -> np.ndarray:
    """Variance of every eigenvector in the embedding, every few steps of descent, (look, feature)."""
    from dynsim.networks import Experiment
    from dynsim.networks.given_views import run_on_pairs
    from dynsim.networks.torch_settings import one_thread

    n = SIDE**2
    experiment = Experiment(
        data=np.tile(np.eye(n), (9, 1)), augmentation={"noise": 0.0}, objective=method("next-latent").loss,
        encoder="linear", norm="none", init="orthogonal", init_scale=scale, predictor="linear", predictor_init="zero",
        dim=n, eta_p=eta, eta_s=eta, lr=RATE, momentum=0.0, symmetric=False, subtract_mean=False, steps=steps,
        batch="full", dtype="float64", measures=(),
    )  # fmt: skip
    run = run_on_pairs(experiment, [0], n, pairs)
    seen = []
    with one_thread():
        while run.step < steps:
            if run.step % LOOK == 0:
                seen.append(run.encoder_parameters()["W"][0].copy())
            run.advance()
    seen.append(run.encoder_parameters()["W"][0].copy())
    return np.asarray(np.square(np.abs(np.array(seen) @ vectors)).sum(1) / n)


def verdict(data: xr.Dataset) -> Verdict:
    """Whether eigenvectors live and die at |λ_T|²/(4n), how large they end, and whether they come in that order."""
    from scipy.stats import spearmanr

    lives = data["predicted"] > 0
    right = float(as_predicted(data).mean())
    error = float(abs(data["measured"] / data["predicted"] - 1).where(lives).median())
    known = np.isfinite(data["time"].values) & np.isfinite(data["predicted_time"].values)
    order = float(spearmanr(-data["size"].values[known], data["time"].values[known]).statistic)
    late = float(abs(data["time"] / data["predicted_time"] - 1).max())
    return concluded(
        "holds" if right >= 0.95 and order > 0.9 else "holds under conditions" if right > 0.5 else "does not hold",
        f"Eigenvectors live where η < |λ$_T$|²/4n in {right:.0%} of cases, larger |λ$_T$| first (ρ = {order:.2f})",
        f"{right:.1%} of {lives.size} eigenvectors live or die as predicted; median error of the amplitude "
        f"{error:.1%}; rank correlation of |λ_T| with the time of half amplitude {order:.3f}; that time is within "
        f"{late:.0%} of the flow's; linear encoder and predictor, expected loss, {data.attrs['states']} states, the "
        "predictor starts at 0",
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Alive and dead over |λ_T| and decay; the time of half amplitude over |λ_T|."""
    left, beside = panel_row(figure, 2)
    sizes, n = np.linspace(0, 1, 101), data.attrs["states"]
    left.plot(sizes, sizes**2 / (4 * n), color=COLOURS["black"], label="|λ$_T$|²/4n")
    styles = (("ring", "o", "blue"), ("grid", "s", "vermilion"))
    for chain, marker, colour in styles:
        one = data.sel(chain=chain)
        alive = one["measured"] > 0.01 * one["measured"].max("feature")
        for eta in data["eta"].values:
            for chosen, face in ((True, COLOURS[colour]), (False, "white")):
                at = one["size"].values[alive.sel(eta=eta).values == chosen]
                left.plot(at, np.full(len(at), eta), marker, color=COLOURS[colour], markersize=4, markerfacecolor=face)
        beside.plot(one["size"], one["time"], marker, color=COLOURS[colour], markersize=4, label=chain)
    sizes, times = (data[name].values.ravel() for name in ("size", "predicted_time"))
    order = np.argsort(sizes)
    beside.plot(sizes[order], times[order], color=COLOURS["black"], linewidth=0.9, label="flow")
    left.set(xlabel="|λ$_T$|", ylabel="weight decay η", xlim=(0.2, 1.03))
    beside.set(xlabel="|λ$_T$|", ylabel="time of half amplitude", yscale="log")
    left.legend(loc="upper left")
    beside.legend()
    caption(
        figure,
        data,
        f"Linear encoder and predictor on chains of {n} states: a ring that turns, a grid world. Left, filled: the "
        "eigenvector of the transition matrix lives, empty: dead. Right: from a small start, "
        f"η = {data['eta'].values[0]:g}",
    )


FIGURE = Figure(
    name="world-model",
    summary="Next latents on a ring and in a grid world: which eigenvectors live, which come first",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=30.0,
    height=3.2,
    panels=2,
    needs=("networks",),
    small={"decays": (0.006, 0.02), "steps": 300},
)
