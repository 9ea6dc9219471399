"""Weight decay on networks: in a linear one the threshold λ_d²/(4λ_s) says which modes survive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from dynsim.experiments.parts.full_size import seed_count
from dynsim.experiments.parts.linear_digits import NOISE, digit_moments, linear_experiment
from dynsim.experiments.parts.trained_settings import hidden_layer, trained_settings
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES

COST = 75.0
NEEDS = ("networks",)
SMALL = {"seeds": 2, "steps": 40, "linear_steps": 600, "decays": (0.0, 0.01, 0.03, 0.2)}  # what tests run
DECAYS = (0.0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.2)
MEASURES = ("spread", "rankme", "norm_ratio", "knn", "probe")
SHARE_OF_STEPS = {"stop": 1.0, "full": 0.3, "target": 0.3}  # the others need no longer to collapse


def run(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    seeds: int | None = None,
    steps: int = 600,
    linear_steps: int = 2000,
    decays: Any = DECAYS,
    full: bool = False,
) -> xr.Dataset:
    """Train with weight decay η on both layers, per unit of flow time, in every branch.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of the network with hidden layer; branches without stop-gradient take 30 % of them.
    linear_steps : int
        Likewise, of the linear network; a step is one unit of flow time.
    decays : sequence of float
    full : bool
        10 seeds, and MNIST for the network with hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `branch`, `decay`, `seed`, at the end: `spread`, `rankme`, `norm_ratio`, `knn`, `probe` of the network
        with hidden layer, and, also over `mode`, `size` = ‖Wq_j‖², what the linear network's encoder keeps of the
        j-th principal direction of the digits. `threshold` (`mode`), the decay that the mode survives; `fold`
        (`mode`), the size below which there is no equilibrium; `size_theory` (`decay`, `mode`), the aligned mode's
        equilibrium under stop-gradient, 0 above its threshold.
    """
    seeds = seed_count(seeds, full)
    decays = tuple(float(eta) for eta in decays)
    total, rows = 2 * len(BRANCHES) * len(decays), []
    base = hidden_layer(full, measures=MEASURES)
    for index, branch in enumerate(BRANCHES):

        def report(done: int, what: str, index: int = index, branch: str = branch) -> None:
            if progress:
                progress(2 * index * len(decays) + done, total, f"branch {branch}, {what}")

        taken = max(1, round(SHARE_OF_STEPS[branch] * steps))
        settings = {eta: base.but(branch=branch, eta_p=eta, eta_s=eta, steps=taken) for eta in decays}
        last = {eta: e.but(measure_every=taken) for eta, e in settings.items()}
        hidden = trained_settings(last, "decay", seeds, report)[list(MEASURES)].isel(step=-1, drop=True)
        sizes = []
        for done, eta in enumerate(decays, 1):
            sizes.append(_sizes(branch, eta, seeds, max(1, round(SHARE_OF_STEPS[branch] * linear_steps))))
            report(len(decays) + done, f"linear, decay {eta:g}")
        hidden["size"] = xr.concat(sizes, hidden["decay"])
        rows.append(hidden)
    data = xr.concat(rows, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    data = data.transpose("branch", "decay", "seed", "mode").merge(_theory(decays, data.sizes["mode"]))
    return stamp(data, "torch", "scikit-learn", experiment=base.to_dict(), sigma2=NOISE**2, steps=steps)


def _linear(branch: str, eta: float, steps: int) -> Any:
    return linear_experiment(
        branch=branch,
        eta_p=eta,
        eta_s=eta,
        lr=0.1,
        momentum=0.9,
        batch=128,
        dtype="float32",
        steps=steps,
        measure_every=steps,
    )


def _directions() -> tuple[np.ndarray, np.ndarray]:
    """Second moments of the digits along their principal directions, and these as columns, the largest first."""
    values, vectors = np.linalg.eigh(digit_moments()[0])
    return values[::-1], vectors[:, ::-1]


def _sizes(branch: str, eta: float, seeds: int, steps: int) -> xr.DataArray:
    """‖Wq_j‖² of the trained encoders for as many principal directions as there are features."""
    from dynsim.networks import fit

    trained = fit(_linear(branch, eta, steps), seeds)
    weights = np.array([trained.parameters(seed)["W"] for seed in range(seeds)])
    features = weights.shape[1]
    squares = ((weights @ _directions()[1][:, :features]) ** 2).sum(axis=1)
    return xr.DataArray(squares, {"seed": np.arange(seeds), "mode": np.arange(1, features + 1)}, ("seed", "mode"))


def _theory(decays: tuple[float, ...], modes: int) -> xr.Dataset:
    """Aligned modes with α = 1 and equal decay: s₊ = p₊², p₊ = (λ_d + √(λ_d² − 4ηλ_s))/(2λ_s)."""
    axis = {"mode": np.arange(1, modes + 1)}
    lambda_d = xr.DataArray(_directions()[0][:modes], axis)
    lambda_s = lambda_d + NOISE**2
    eta = xr.DataArray(list(decays), {"decay": list(decays)})
    square = lambda_d**2 - 4 * eta * lambda_s
    alive = ((lambda_d + np.sqrt(square.clip(0))) / (2 * lambda_s)) ** 2
    return xr.Dataset(
        {
            "threshold": lambda_d**2 / (4 * lambda_s),
            "fold": (lambda_d / (2 * lambda_s)) ** 2,
            "size_theory": alive.where(square > 0, 0.0).transpose("decay", "mode"),
        }
    )


def survives(data: xr.Dataset) -> xr.DataArray:
    """Whether a mode is larger than half the size at which its equilibria vanish."""
    return data["size"] > data["fold"] / 2


def verdict(data: xr.Dataset) -> str:
    """Say how many modes' fates the threshold foretold, and at which decay the measures notice."""
    alive = survives(data)
    foretold = data["decay"] < data["threshold"]
    right = (alive.sel(branch="stop") == foretold).mean(["seed", "mode"])
    numbers = alive.sum("mode")
    told = ", ".join(
        f"η = {eta:g}: {float(numbers.sel(branch='stop', decay=eta).mean()):.0f} "
        f"({int(foretold.sel(decay=eta).sum())}; {float(right.sel(decay=eta)):.0%} of the modes right)"
        for eta in data["decay"].values
    )
    others = int(numbers.sel(branch=["full", "target"]).max())
    stop = data.sel(branch="stop").mean("seed")
    fall = ", ".join(
        f"{float(eta):g}: {float(stop['spread'].sel(decay=eta)):.2f}|{float(stop['rankme'].sel(decay=eta)):.1f}|"
        f"{float(stop['knn'].sel(decay=eta)):.2f}"
        for eta in data["decay"].values
    )
    return (
        f"linear network, surviving modes under stop-gradient (in brackets: those with η below λ_d²/(4λ_s)): {told}; "
        f"without it at most {others} survive at any decay; hidden layer, spread|RankMe|kNN by decay: {fall}"
    )
