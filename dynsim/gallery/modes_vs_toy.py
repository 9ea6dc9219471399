"""Eigenmodes of a linear network against the scalar toy: exact when aligned, measured when not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.choices import Branch
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import BRANCH_STYLE, COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.gallery.trained_networks import images_of
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict, Word

if TYPE_CHECKING:
    from dynsim.networks import Experiment

DECAY = 0.06
START = 0.6  # of p and w of every aligned mode
FOLLOWED, CLOSE = 1e-3, 0.05  # errors, absolute of aligned modes and relative from torch's start, that count as none


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 5,
    dim: int = 8,
    t_end: float = 120.0,
    steps: int = 300,
    data: Any = "digits",
) -> xr.Dataset:
    """Integrate linear networks on real digits and compare their modes with the scalar equations.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
        Starts as torch draws them.
    dim : int
        Features, and modes.
    t_end : float
        Flow time; aligned modes take half of it.
    steps : int
        Of the network with hidden layer that is trained for comparison.
    data : str or images
        As `dynsim.networks.Experiment` takes them.

    Returns
    -------
    xarray.Dataset
        Aligned: `w_network`, `w_toy`, `p_network`, `p_toy` over `branch`, `aligned_time`, `mode`; `leak`, what has
        left the modes; `threshold` (`mode`), the weight decay that a mode survives. Default start: `alignment` (mean
        over modes), `weighted_alignment` (by their share of E‖z‖²), `commutator`, `asymmetry` over `decay`, `seed`,
        `time`; `mode_error` over `decay`, `seed`, `started`, `mode`: relative error of w_j, half of `t_end` after
        the scalar equations were started. With a hidden layer: `mlp_alignment`, … over `seed`, `step`.
    """

    def report(done: int, what: str) -> None:
        if progress:
            progress(done, 4 + 2 * seeds, what)

    aligned = xr.concat(
        [
            _aligned(linear_experiment(data=data, dim=dim, branch=branch, eta_p=DECAY, eta_s=DECAY), t_end / 2)
            for branch in BRANCHES
        ],
        xr.DataArray(list(BRANCHES), dims="branch", name="branch"),
    )
    report(3, "aligned modes")
    runs, done = [], 3
    for eta in (0.0, DECAY):
        experiment = linear_experiment(data=data, dim=dim, eta_p=eta, eta_s=eta)
        for seed in range(seeds):
            runs.append(_from_default(experiment, seed, t_end).expand_dims(decay=[eta], seed=[seed]))
            done += 1
            report(done, f"default start, decay {eta:g}, seed {seed}")
    default = xr.combine_by_coords(runs, combine_attrs="drop")
    assert isinstance(default, xr.Dataset)
    default["mode_error"] = _prediction_error(default, t_end / 2)
    shown = default[["alignment", "weighted_alignment", "commutator", "asymmetry", "mode_error"]]
    found = xr.merge([aligned.isel(aligned_time=slice(None, None, 2)), shown, _hidden_layer(seeds, steps, data)],
                     combine_attrs="drop")  # fmt: skip
    for name, values in found.data_vars.items():
        if "seed" in values.dims:  # what differs between seeds needs no double precision
            found[name] = values.astype("float32")
    report(4 + 2 * seeds, "network with a hidden layer")
    about = linear_experiment(data=data, dim=dim).to_dict()
    return stamp(found, "torch", "scikit-learn", experiment=about, t_end=t_end, sigma2=NOISE**2, start=START)


def _aligned(experiment: Any, t_end: float) -> xr.Dataset:
    """The network started on its modes, P = U diag(p) Uᵀ and W = U diag(w) Qᵀ, and the scalar equations."""
    from dynsim.networks import flow

    dim, branch = experiment.dim, experiment.branch
    signal, view = image_moments(experiment.data)
    q = np.linalg.eigh(signal)[1][:, ::-1][:, :dim]
    u = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    data = solve(flow(experiment), {"P": START * u @ u.T, "W": START * u @ q.T}, t_end)
    p, w = u.T @ data["P"].values @ u, u.T @ data["W"].values @ q
    modes = np.arange(1, dim + 1)
    lambda_d, lambda_s = (xr.DataArray(np.diag(q.T @ moment @ q), {"mode": modes}) for moment in (signal, view))
    toy = _scalar(branch, START, START, lambda_d, lambda_s, DECAY, times=data["time"].values)
    own = np.eye(dim, dtype=bool)
    size = np.linalg.norm(data["W"].values, axis=(1, 2))
    outside = data["W"].values - u @ (w * own) @ q.T
    leak = np.hypot(np.linalg.norm(p * ~own, axis=(1, 2)), np.linalg.norm(outside, axis=(1, 2))) / size
    return xr.Dataset(
        {
            "p_network": (("aligned_time", "mode"), np.diagonal(p, axis1=1, axis2=2)),
            "w_network": (("aligned_time", "mode"), np.diagonal(w, axis1=1, axis2=2)),
            "p_toy": (("aligned_time", "mode"), toy["p1"].transpose("time", "mode").values),
            "w_toy": (("aligned_time", "mode"), toy["w1"].transpose("time", "mode").values),
            "leak": ("aligned_time", leak),
            "threshold": lambda_d**2 / (4 * lambda_s),
        },
        {"aligned_time": data["time"].values, "mode": modes},
    )


def _scalar(
    branch: Branch, p: Any, w: Any, lambda_d: xr.DataArray, lambda_s: xr.DataArray, eta: Any, **until: Any
) -> xr.Dataset:
    """All modes at once, each by its scalar equation."""
    rates = {"lambda_d1": lambda_d, "lambda_s1": lambda_s, "eta_p": eta, "eta_s": eta, "alpha": 1.0}
    flow = system("modes", branch=branch, variant="simsiam", k=1)
    return ensemble(flow, {"p1": p, "w1": w}, parameters=rates, rtol=1e-11, atol=1e-13, **until)


def _from_default(experiment: Experiment, seed: int, t_end: float) -> xr.Dataset:
    """Alignment along the flow from torch's own start, and what the scalar equations need at two moments of it."""
    from dynsim.networks import flow, initial_state, measures

    signal, view = image_moments(experiment.data)
    data = solve(flow(experiment), initial_state(experiment, seed), t_end)
    time, w, p = data["time"].values, data["W"].values, data["P"].values
    moment = w @ view @ w.mT
    cosines, share = measures.alignment(moment, p), np.linalg.eigvalsh(moment)[:, ::-1]
    found = xr.Dataset(
        {
            "alignment": ("time", cosines.mean(axis=1)),
            "weighted_alignment": ("time", (cosines * share).sum(axis=1) / share.sum(axis=1)),
            "commutator": ("time", measures.commutator(moment, p)),
            "asymmetry": ("time", measures.asymmetry(p)),
        },
        {"time": time, "mode": np.arange(1, experiment.dim + 1)},
    )
    half = len(time) // 2
    started = []
    for first in (0, half):
        u = np.linalg.eigh(moment[first])[1][:, ::-1]
        then, later = u.T @ w[first], u.T @ w[first + half]
        size = np.linalg.norm(then, axis=1)
        started.append(
            xr.Dataset(
                {
                    "p_then": ("mode", np.diag(u.T @ p[first] @ u)),
                    "w_then": ("mode", size),
                    "lambda_d": ("mode", np.diag(then @ signal @ then.T) / size**2),
                    "lambda_s": ("mode", np.diag(then @ view @ then.T) / size**2),
                    "w_later": ("mode", np.linalg.norm(later, axis=1)),
                }
            )
        )
    moments = xr.DataArray([float(time[0]), float(time[half])], dims="started", name="started")
    return xr.merge([found, xr.concat(started, moments)])


def _prediction_error(data: xr.Dataset, ahead: float) -> xr.DataArray:
    """How wrong the scalar equations are about ‖u_jᵀW‖ after a time, relative to it.

    u_j are the eigenvectors of E[zzᵀ] at the moment of the start; each direction has the signal and the noise that
    the encoder gives it at that moment. For an aligned network the prediction is exact.
    """
    eta = data["decay"].broadcast_like(data["w_then"])
    end = _scalar("stop", data["p_then"], data["w_then"], data["lambda_d"], data["lambda_s"], eta, t_end=ahead)
    error = abs(abs(end["w1"]) - data["w_later"]) / data["w_later"]
    return error.transpose("decay", "seed", "started", "mode").reset_coords(drop=True)


def _hidden_layer(seeds: int, steps: int, images: Any) -> xr.Dataset:
    """The same measures on a network that no theory covers: a hidden layer, the cosine loss, every augmentation."""
    from dynsim.networks import Experiment, train

    names = ("alignment", "commutator", "asymmetry")
    every = max(1, steps // 50)
    experiment = Experiment(data=images, predictor="linear", steps=steps, measures=names, every=every)
    data = train(experiment, seeds)
    return data[list(names)].rename({name: f"mlp_{name}" for name in names}).drop_vars("time")


def aligned_error(data: xr.Dataset) -> xr.DataArray:
    """Largest |network − scalar equation| of p and w over all modes, over `branch` and `aligned_time`."""
    errors = [abs(data[f"{name}_network"] - data[f"{name}_toy"]).max("mode") for name in ("p", "w")]
    return xr.concat(errors, "state").max("state")


def verdict(data: xr.Dataset) -> Verdict:
    """Say how well the scalar equations describe a network."""
    error = data["mode_error"].median(["seed", "mode"])
    first, second = data["started"].values
    told = "; ".join(
        f"decay {eta:g}: {float(error.sel(decay=eta, started=first)):.0%} from the start, "
        f"{float(error.sel(decay=eta, started=second)):.0%} from t = {second:g}"
        for eta in data["decay"].values
    )
    cosine = data["weighted_alignment"].mean("seed").isel(time=[0, -1])
    ends = "; ".join(
        f"{float(cosine.sel(decay=eta)[0]):.2f} to {float(cosine.sel(decay=eta)[1]):.2f} with decay {eta:g}"
        for eta in data["decay"].values
    )
    detail = (
        f"from an aligned start every mode follows its scalar equation to {float(aligned_error(data).max()):.0e} in "
        f"all branches; from torch's start the alignment cosine, weighted by the size of the modes, goes from {ends}, "
        f"and the scalar equations, applied all the same, miss a mode's size by (median) {told}"
    )
    off, other = float(aligned_error(data).max()), error.isel(started=0)
    follow = "follow the toy" if off < FOLLOWED else f"leave the toy by {off:.1g}"
    headline = (
        f"Aligned modes {follow}; from torch's start it misses sizes by {float(other.min()):.0%} to "
        f"{float(other.max()):.0%}"
    )
    word: Word = "holds" if float(other.max()) < CLOSE else "holds under conditions"
    return concluded(word if off < FOLLOWED else "does not hold", headline, detail)


_PLAIN = {"color": COLOURS["blue"], "linestyle": "-", "linewidth": 1.8}
_DECAYED = {"color": COLOURS["vermilion"], "linestyle": "--", "linewidth": 1.8}
_HIDDEN = {"color": COLOURS["green"], "linestyle": "-.", "linewidth": 1.8}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Aligned modes, the error of the scalar prediction from torch's start, and the alignment."""
    modes, predictions, alignment = panel_row(figure, 3)
    _draw_modes(data, modes)
    _draw_predictions(data, predictions)
    _draw_measure(data, alignment, "alignment", r"alignment $\cos(u_j, P u_j)$")
    alignment.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    caption(
        figure,
        data,
        f"Linear network on {images_of(data)}, full-batch flow. Left: lines scalar equation, rings network, "
        f"thresholds η_c at the ends. Right: mean over modes. Bands and bars: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Above: aligned modes, their error, the error from torch's start; below: alignment, commutator, asymmetry."""
    grid = figure.subplots(2, 3)
    _draw_modes(data, grid[0, 0])
    _draw_aligned_error(data, grid[0, 1])
    _draw_predictions(data, grid[0, 2])
    titles = {
        "alignment": r"alignment $\cos(u_j, P u_j)$",
        "commutator": r"$\|FP - PF\|\,/\,\|F\|\|P\|$",
        "asymmetry": r"$\|P - P^T\|\,/\,\|P\|$",
    }
    for axes, (name, title) in zip(grid[1], titles.items(), strict=True):
        _draw_measure(data, axes, name, title)
    grid[1, 1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    caption(
        figure,
        data,
        "Above: aligned start; right: torch's start. Below: modes are eigenvectors u of F = E[zzᵀ]; "
        "green: a hidden layer, where no theory holds. Bands and bars: "
        f"range over {data.sizes['seed']} seeds",
    )


ROUNDING = 1e-7  # what is smaller is error of the integration, and drawn as a line at this height


def _draw_modes(data: xr.Dataset, axes: Any) -> None:
    one, decay = data.sel(branch="stop"), float(data["decay"][-1])
    few = slice(None, None, max(1, data.sizes["aligned_time"] // 10))
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["mode"]))
    ends = []
    for shade, mode in zip(shades, data["mode"].values, strict=True):
        toy, network = one["w_toy"].sel(mode=mode), one["w_network"].sel(mode=mode)
        axes.plot(one["aligned_time"], toy, color=shade)
        axes.plot(one["aligned_time"][few], network[few], "o", color=shade, ms=4, mfc="white", zorder=3)
        ends.append((float(toy[-1]), f"{float(one['threshold'].sel(mode=mode)):.3f}", tuple(shade)))
    axes.set(xlabel="flow time t", ylabel=r"size $w_j$ of mode j", xlim=(0, float(one["aligned_time"][-1])))
    axes.set_ylim(bottom=0)
    axes.set_title(rf"aligned start, decay $\eta = {decay:g}$")
    label_ends(axes, ends)


def _draw_aligned_error(data: xr.Dataset, axes: Any) -> None:
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        encoder, predictor = abs(one["w_network"] - one["w_toy"]), abs(one["p_network"] - one["p_toy"])
        error = encoder.where(encoder > predictor, predictor).max("mode")
        axes.plot(one["aligned_time"], np.maximum(error, ROUNDING), label=str(branch), **style)
    leak = np.maximum(data["leak"].max("branch"), ROUNDING)
    axes.plot(data["aligned_time"], leak, color=COLOURS["grey"], lw=1.2, ls=":", label="off the modes")
    worst = max(float(aligned_error(data).max()), float(data["leak"].max()))
    axes.set(xlabel="flow time t", yscale="log", ylim=(0.3 * ROUNDING, max(1e-3, 3 * worst)))
    axes.set_title("|network − scalar equation|" + (f": below {ROUNDING:g}" if worst < ROUNDING else ""))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)


def _draw_predictions(data: xr.Dataset, axes: Any) -> None:
    looks = {
        (0, 0): (_PLAIN["color"], "white", "o"), (0, 1): (_PLAIN["color"], _PLAIN["color"], "o"),
        (1, 0): (_DECAYED["color"], "white", "s"), (1, 1): (_DECAYED["color"], _DECAYED["color"], "s"),
    }  # fmt: skip
    modes = data["mode"].values
    for (d, s), (colour, face, marker) in looks.items():
        error = data["mode_error"].isel(decay=d, started=s).transpose("seed", "mode").values
        middle = np.median(error, axis=0)
        axes.errorbar(
            modes + 0.18 * (2 * d + s - 1.5),
            middle,
            yerr=[middle - error.min(axis=0), error.max(axis=0) - middle],
            fmt=marker,
            color=colour,
            markerfacecolor=face,
            markersize=4,
            elinewidth=1,
            label=rf"$\eta = {float(data['decay'][d]):g}$, from t = {float(data['started'][s]):g}",
        )
    axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8)
    least = float(data["mode_error"].where(data["mode_error"] > 0).min())
    axes.set(xlabel="mode j, by size", yscale="log", xticks=modes, ylim=(max(1e-6, 0.5 * least), 3))
    axes.set_title(f"torch's start: error of $w_j$, {_ahead(data):g} ahead")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))


def _ahead(data: xr.Dataset) -> float:
    return float(data["started"][1] - data["started"][0])


def _draw_measure(data: xr.Dataset, axes: Any, name: str, title: str) -> None:
    time = data["time"].values
    for eta, style in zip(data["decay"].values, (_PLAIN, _DECAYED), strict=True):
        draw_seeds(axes, time / time[-1], data[name].sel(decay=eta), style, label=rf"linear, $\eta = {eta:g}$")
        if name == "alignment":
            weighted = data["weighted_alignment"].sel(decay=eta)
            draw_seeds(axes, time / time[-1], weighted, {**style, "linewidth": 0.9}, label="… weighted by size")
    step = data["step"].values
    draw_seeds(axes, step / step[-1], data[f"mlp_{name}"], _HIDDEN, label="hidden layer, SGD")
    axes.set(xlabel="share of the run", ylim=(-0.45, 1.05) if name == "alignment" else (0, None))
    axes.set_title(title)


FIGURE = Figure(
    name="modes-vs-toy",
    summary="Modes of a linear network against the scalar toy",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=35.0,
    height=3.9,
    full_height=7.2,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "dim": 3, "t_end": 20.0, "steps": 30},
    stored=True,
)
