"""Weight decay on networks: the threshold of each mode, and measures that do and do not see the features go."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import BRANCH_STYLE, COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.gallery.trained_networks import hidden_layer, seed_count, trained_settings
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.verdict import Verdict

DECAYS = (0.0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.2)
MEASURES = ("spread", "rankme", "norm_ratio", "knn", "probe")
SHARE_OF_STEPS = {"stop": 1.0, "full": 0.3, "target": 0.3}  # the others need no longer to collapse


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 600,
    linear_steps: int = 2000,
    decays: Any = DECAYS,
    data: Any = None,
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
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default, in full MNIST.
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
    decays, images = tuple(float(eta) for eta in decays), "digits" if data is None else data
    total, rows = 2 * len(BRANCHES) * len(decays), []
    base = hidden_layer(full, data, measures=MEASURES)
    for index, branch in enumerate(BRANCHES):

        def report(done: int, what: str, index: int = index, branch: str = branch) -> None:
            if progress:
                progress(2 * index * len(decays) + done, total, f"branch {branch}, {what}")

        taken = max(1, round(SHARE_OF_STEPS[branch] * steps))
        settings = {eta: base.but(branch=branch, eta_p=eta, eta_s=eta, steps=taken) for eta in decays}
        last = {eta: e.but(every=taken) for eta, e in settings.items()}
        hidden = trained_settings(last, "decay", seeds, report)[list(MEASURES)].isel(step=-1, drop=True)
        sizes = []
        for done, eta in enumerate(decays, 1):
            sizes.append(
                _sizes(_linear(branch, eta, max(1, round(SHARE_OF_STEPS[branch] * linear_steps)), images), seeds)
            )
            report(len(decays) + done, f"linear, decay {eta:g}")
        hidden["size"] = xr.concat(sizes, hidden["decay"])
        rows.append(hidden)
    found = xr.concat(rows, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    found = found.transpose("branch", "decay", "seed", "mode").merge(_theory(decays, found.sizes["mode"], images))
    return stamp(found, "torch", "scikit-learn", experiment=base.to_dict(), sigma2=NOISE**2, steps=steps)


def _linear(branch: str, eta: float, steps: int, data: Any = "digits") -> Any:
    return linear_experiment(
        data=data,
        branch=branch,
        eta_p=eta,
        eta_s=eta,
        lr=0.1,
        momentum=0.9,
        batch=128,
        dtype="float32",
        steps=steps,
        every=steps,
    )


def _directions(data: Any = "digits") -> tuple[np.ndarray, np.ndarray]:
    """Second moments of the images along their principal directions, and these as columns, the largest first."""
    values, vectors = np.linalg.eigh(image_moments(data)[0])
    return values[::-1], vectors[:, ::-1]


def _sizes(experiment: Any, seeds: int) -> xr.DataArray:
    """‖Wq_j‖² of the trained encoders for as many principal directions as there are features."""
    from dynsim.networks import fit

    trained = fit(experiment, seeds)
    weights = np.array([trained.parameters(seed)["W"] for seed in range(seeds)])
    features = weights.shape[1]
    squares = ((weights @ _directions(experiment.data)[1][:, :features]) ** 2).sum(axis=1)
    return xr.DataArray(squares, {"seed": np.arange(seeds), "mode": np.arange(1, features + 1)}, ("seed", "mode"))


def _theory(decays: tuple[float, ...], modes: int, data: Any = "digits") -> xr.Dataset:
    """Aligned modes with α = 1 and equal decay: s₊ = p₊², p₊ = (λ_d + √(λ_d² − 4ηλ_s))/(2λ_s)."""
    axis = {"mode": np.arange(1, modes + 1)}
    lambda_d = xr.DataArray(_directions(data)[0][:modes], axis)
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


def verdict(data: xr.Dataset) -> Verdict:
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
    detail = (
        f"linear network, surviving modes under stop-gradient (in brackets: those with η below λ_d²/(4λ_s)): {told}; "
        f"without it at most {others} survive at any decay; hidden layer, spread|RankMe|kNN by decay: {fall}"
    )
    headline = f"η < λ_d²/(4λ_s) foretells {float(right.mean()):.0%} of the modes' fates under stop-gradient"
    return concluded("measured", headline, detail)


_MARKERS = ("o", "s", "^")
_PANELS = (
    ("spread", "spread std(z/|z|)·√d"),
    ("rankme", "RankMe"),
    ("knn", "kNN accuracy (augmented)"),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Modes of the linear network against their threshold, and the accuracy of one with a hidden layer."""
    fates, numbers, knn = panel_row(figure, 3)
    _draw_fates(data, fates)
    _draw_numbers(data, numbers)
    for branch in data["branch"].values:
        style = {**BRANCH_STYLE[str(branch)], "marker": "o", "markersize": 4}
        draw_seeds(knn, np.arange(data.sizes["decay"]), data["knn"].sel(branch=branch), style, label=str(branch))
    knn.set(ylim=(0, None), title="hidden layer: kNN accuracy")
    _label_decays(data, knn.xaxis, knn)
    caption(figure, data, "Linear: each mode at its threshold λ_d²/(4λ_s), one row per decay. Mean and range over "
            f"{data.sizes['seed']} seeds")  # fmt: skip


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Above the linear network's modes against their threshold, below the measures of one with hidden layer."""
    grid = figure.subplots(2, 3)
    _draw_sizes(data, grid[0, 0])
    _draw_fates(data, grid[0, 1])
    _draw_numbers(data, grid[0, 2])
    for axes, (name, title) in zip(grid[1], _PANELS, strict=True):
        for branch in data["branch"].values:
            style = {**BRANCH_STYLE[str(branch)], "marker": "o", "markersize": 4}
            draw_seeds(axes, np.arange(data.sizes["decay"]), data[name].sel(branch=branch), style, label=str(branch))
        axes.set_ylim(0, None)
        axes.set_title(f"hidden layer: {title}")
        _label_decays(data, axes.xaxis, axes)
    grid[1, 0].legend(loc="center left", bbox_to_anchor=(0.0, 0.4))
    f"{SHARE_OF_STEPS['full']:.0%}"
    caption(
        figure,
        data,
        f"Linear: alive means larger than half the size at the fold; σ² = {data.attrs['sigma2']:g}. "
        f"Below: hidden layer, {data.attrs['steps']} steps. Mean and range over {data.sizes['seed']} seeds",
    )


def _label_decays(data: xr.Dataset, axis: Any, axes: Any) -> None:
    axis.set_ticks(np.arange(data.sizes["decay"]), [f"{eta:g}" for eta in data["decay"].values])
    axis.set_tick_params(rotation=60 if axis.axis_name == "x" else 0)
    axes.set(**{f"{axis.axis_name}label": "weight decay η"})


def _draw_sizes(data: xr.Dataset, axes: Any) -> None:
    """Measured rings on predicted lines for the largest decays that any mode survives."""
    alive = [eta for eta in data["decay"].values if 0 < eta < float(data["threshold"].max())][-3:]
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.7, max(1, len(alive))))
    for eta, shade, marker in zip(alive, shades, _MARKERS, strict=False):
        values = data["size"].sel(branch="stop", decay=eta)
        mean = values.mean("seed")
        axes.plot(data["mode"], data["size_theory"].sel(decay=eta), color=shade, linewidth=1.2, drawstyle="steps-mid")
        axes.vlines(data["mode"], values.min("seed"), values.max("seed"), color=shade, linewidth=1)
        axes.plot(data["mode"], mean, marker, color=shade, mfc="white", ms=4.5, label=f"η = {eta:g}")
    axes.set(xlabel="mode j", ylabel="‖W q$_j$‖²", ylim=(0, None))
    axes.set_title("linear: size of each mode with stop-gradient\n(lines: equilibrium p₊² of the mode)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2, handlelength=1.8)


def _draw_fates(data: xr.Dataset, axes: Any) -> None:
    """Share of seeds in which a mode is alive, over its threshold; the threshold rule is the step between."""
    share = survives(data).sel(branch="stop").mean("seed")
    rows = np.arange(data.sizes["decay"])
    for row, eta in enumerate(data["decay"].values):
        filled = 0.85 - 0.85 * share.sel(decay=eta)
        axes.scatter(data["threshold"], np.full(data.sizes["mode"], row), s=26, c=filled, cmap="gray", vmin=0, vmax=1,
                     edgecolors=COLOURS["grey"], linewidths=0.5, zorder=3)  # fmt: skip
        if eta:
            axes.plot([eta, eta], [row - 0.42, row + 0.42], color=COLOURS["vermilion"], linewidth=2, zorder=2)
    low, high = float(data["threshold"].min()), float(data["threshold"].max())
    axes.set(xscale="log", xlim=(low / 1.6, high * 2.2), xlabel="threshold of the mode, λ$_d$²/(4λ$_s$)")
    axes.set_ylim(rows[-1] + 0.7, -0.7)
    _label_decays(data, axes.yaxis, axes)
    axes.set_title("linear: alive (black), lost (pale)")


def _draw_numbers(data: xr.Dataset, axes: Any) -> None:
    rows = np.arange(data.sizes["decay"])
    numbers = survives(data).sum("mode")
    for branch in data["branch"].values:
        style = {**BRANCH_STYLE[str(branch)], "marker": "o", "markersize": 4}
        draw_seeds(axes, rows, numbers.sel(branch=branch), style, label=str(branch))
    foretold = (data["decay"] < data["threshold"]).sum("mode")
    axes.plot(rows, foretold, "x", color=COLOURS["black"], ms=8, mew=1.8, label="η < λ$_d$²/(4λ$_s$)", zorder=4)
    _label_decays(data, axes.xaxis, axes)
    axes.set_title(f"linear: modes alive, of {data.sizes['mode']}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2, handlelength=1.8)


FIGURE = Figure(
    name="network-weight-decay",
    summary="Networks under weight decay: thresholds of modes, four measures",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=75.0,
    height=3.7,
    full_height=7.0,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 40, "linear_steps": 600, "decays": (0.0, 0.01, 0.03, 0.2)},
)
