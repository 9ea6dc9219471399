"""The teacher's coefficient on networks: from none to frozen all survive; a cold, slow one comes too late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.gallery.trained_networks import hidden_layer, seed_count, trained_settings
from dynsim.integrate.solve import solve
from dynsim.networks.collapse import collapsed
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.verdict import Verdict

COEFFICIENTS = (0.0, 0.9, 0.99, 0.996, 1.0)
STARTS = {"warm": "copy", "cold": "zero"}
MEASURES = ("spread", "rankme", "norm_ratio", "knn", "probe")
DECAY = 0.06  # of the linear network, under which a mode that comes too late is lost
SHRUNK = (0.05, 0.15, 0.25)  # of the size at the start: other thresholds at which the facts count


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 1200,
    linear_steps: int = 1000,
    data: Any = None,
    full: bool = False,
) -> xr.Dataset:
    """Train with teachers from none (0) to frozen (1): a network with hidden layer, and a linear one beside its flow.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of the network with hidden layer.
    linear_steps : int
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default, in full MNIST.
    full : bool
        10 seeds, and MNIST for the network with hidden layer.

    Returns
    -------
    xarray.Dataset
        Hidden layer: `spread`, `rankme`, `norm_ratio`, `knn`, `probe` over `teacher` (coefficient m), `seed`, `step`;
        the same with suffix `_full` without stop-gradient, over `seed`, `step`. Linear: `norm_network` and
        `norm_flow`, root mean square of the features over that at the start, over `start` (teacher warm, a copy, or
        cold, zero), `teacher`, `seed`, `record` (flow time).
    """
    seeds = seed_count(seeds, full)
    total = len(COEFFICIENTS) + 1 + len(STARTS) * len(COEFFICIENTS)

    def report(done: int, what: str) -> None:
        if progress:
            progress(done, total, what)

    base = hidden_layer(full, data, steps=steps, measures=MEASURES, every=max(1, steps // 8))
    hidden = trained_settings({m: base.but(teacher=m) for m in COEFFICIENTS}, "teacher", seeds, report)
    other = trained_settings({"full": base.but(branch="full")}, "branch", seeds).isel(branch=0, drop=True)
    report(len(COEFFICIENTS) + 1, "without stop-gradient")
    linear = []
    for index, start in enumerate(STARTS):

        def later(done: int, what: str, index: int = index, start: str = start) -> None:
            report((index + 1) * len(COEFFICIENTS) + 1 + done, f"linear, {start}, {what}")

        linear.append(_linear(start, seeds, linear_steps, "digits" if data is None else data, later))
    found = xr.merge(
        [
            hidden[list(MEASURES)],
            other[list(MEASURES)].rename({name: f"{name}_full" for name in MEASURES}),
            xr.concat(linear, xr.DataArray(list(STARTS), dims="start", name="start")),
        ]
    )
    about = {"sigma2": NOISE**2, "eta": DECAY, "dim": _linear_setting(0.0, "copy", linear_steps, "digits").dim}
    return stamp(found, "torch", "scikit-learn", experiment=base.to_dict(), **about)


def _linear_setting(teacher: float, teacher_init: str, steps: int, data: Any) -> Any:
    return linear_experiment(
        data=data,
        dim=8,
        batch=64,
        lr=0.02,
        momentum=0.9,
        eta_p=DECAY,
        eta_s=DECAY,
        teacher=teacher,
        teacher_init=teacher_init,
        steps=steps,
        measures=("norm_ratio",),
        every=max(1, steps // 10),
    )


def _linear(start: str, seeds: int, steps: int, data: Any, report: Callable[[int, str], None]) -> xr.Dataset:
    """Minibatch training of the linear network, and the matrix flow with the teacher's rate β from the same starts."""
    from dynsim.networks import initial_state
    from dynsim.networks.schedules import flow_times, teacher_rate

    settings = {m: _linear_setting(m, STARTS[start], steps, data) for m in COEFFICIENTS}
    network = trained_settings(settings, "teacher", seeds, report)["norm_ratio"]
    times = flow_times(settings[0.0])[network["step"].values]
    flows = [
        [_flow_norm(initial_state(setting, seed), teacher_rate(setting), times, data) for seed in range(seeds)]
        for setting in settings.values()
    ]
    found = network.rename(step="record").assign_coords(record=times).to_dataset(name="norm_network")
    found["norm_flow"] = (("teacher", "seed", "record"), np.array(flows))
    return found


def _flow_norm(initial: dict[str, np.ndarray], beta: float | None, times: np.ndarray, data: Any) -> np.ndarray:
    """Root mean square of the features of noisy views along the matrix flow, relative to the start."""
    signal, view = image_moments(data)
    field = matrix_flow(signal, view, len(initial["P"]), beta=beta, eta_p=DECAY, eta_s=DECAY)
    w = solve(field, initial, times=times, method="LSODA", rtol=1e-7, atol=1e-9)["W"].values
    size = np.sqrt(np.einsum("tij,jk,tik->t", w, view, w))
    return size / size[0]


def dead(data: xr.Dataset, which: str) -> xr.DataArray:
    """Whether the linear network's features, or the flow's, collapsed, seed by seed, by the one judge of networks."""
    return collapsed(data[[f"norm_{which}"]].rename({f"norm_{which}": "norm_ratio"})) == 1


def verdict(data: xr.Dataset) -> Verdict:
    """Say whether the coefficient decides over collapse, what a frozen teacher costs, and whether the flow knew."""
    last, coefficients, seeds = data.isel(step=-1), data["teacher"].values, data.sizes["seed"]
    hidden = data[[name for name in MEASURES if name in data]]
    fates = collapsed(hidden)
    without = collapsed(data[[f"{one}_full" for one in hidden]].rename({f"{one}_full": str(one) for one in hidden}))
    lost = last["knn"].sel(teacher=0.0) - last["knn"].sel(teacher=1.0)  # seeds start alike
    network, flow = dead(data, "network"), dead(data, "flow")
    facts = []
    for m in coefficients:
        one = last.sel(teacher=m)
        ends = f"spread {float(one['spread'].mean()):.2f}, kNN {float(one['knn'].mean()):.2f} at the end"
        facts.append(f"m = {m:g}: with a hidden layer {_counted(fates.sel(teacher=m))}, {ends}")
    facts += [
        f"without stop-gradient {_counted(without)}, spread {float(last['spread_full'].mean()):.2f}, kNN "
        f"{float(last['knn_full'].mean()):.2f} at the end, untrained kNN "
        f"{float(data['knn'].isel(step=0, teacher=0).mean()):.2f}",
        f"a frozen random teacher costs {float(lost.mean()):.2f} ± {float(lost.std()):.2f} in kNN",
    ]
    size = data["norm_network"].isel(record=-1)
    for start in data["start"].values:
        counts = ", ".join(f"{int(network.sel(start=start, teacher=m).sum())}" for m in coefficients)
        facts.append(f"linear network with decay η = {data.attrs['eta']:g} and a {start} teacher: of {seeds} seeds "
                     f"{counts} collapse at m = {', '.join(f'{m:g}' for m in coefficients)}")  # fmt: skip
        facts += [
            f"{start} teacher, counted as collapsed below {bound:g} of the start: "
            + ", ".join(f"{int((size.sel(start=start, teacher=m) < bound).sum())}" for m in coefficients)
            for bound in SHRUNK
        ]
    facts.append(
        f"network and matrix flow have the same fate in {int((network == flow).sum())} of {network.size} runs"
    )
    most = int(network.sel(start="cold").sum("seed").max())
    alive = int(sum(bool((fates.sel(teacher=m) == 0).all()) for m in coefficients))
    hidden_word = f"Hidden layer: {alive} of {len(coefficients)} teachers keep every seed"
    headline = f"{hidden_word}; a cold one kills up to {most} of {seeds} linear runs"
    return concluded("measured", [headline, hidden_word], "; ".join(facts))


def _counted(fates: xr.DataArray) -> str:
    """How many seeds collapsed, and how many are in doubt."""
    known, total = int((fates == 1).sum()), fates.sizes["seed"]
    doubt = int(fates.isnull().sum())
    return f"{known} of {total} seeds collapse" + (f", {doubt} in doubt" if doubt else "")


_PANELS = (
    ("spread", "spread std(z/|z|)·√d", "linear"),
    ("rankme", "RankMe", "linear"),
    ("norm_ratio", "norm of z / norm at start", "log"),
    ("knn", "kNN accuracy (augmented)", "linear"),
)
_LINES = ("-", (0, (5, 1)), "--", "-.", ":")
_NO_STOP = {"color": COLOURS["vermilion"], "linestyle": (0, (1, 1)), "linewidth": 1.4}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Accuracy with a hidden layer; the size of linear features behind a warm and a cold teacher."""
    knn, *linear = panel_row(figure, 1 + data.sizes["start"])
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["teacher"]))
    styles = [{"color": tuple(c), "linestyle": line} for c, line in zip(shades, _LINES, strict=False)]
    for m, style in zip(data["teacher"].values, styles, strict=True):
        draw_seeds(knn, data["step"], data["knn"].sel(teacher=m), style, label=f"m = {m:g}")
    draw_seeds(knn, data["step"], data["knn_full"], _NO_STOP, label="no stop-gradient")
    knn.set(xlabel="step", title="hidden layer: kNN accuracy", ylim=(0, None))
    knn.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
    for axes, start in zip(linear, data["start"].values, strict=True):
        _draw_linear(data.sel(start=start), axes, styles)
        axes.set(yscale="log", ylim=(1e-3, 5), title=f"linear: size of z, {start} teacher")
    caption(
        figure,
        data,
        f"Teacher V ← mV + (1−m)W. Linear networks with decay η = {data.attrs['eta']:g}; rings: matrix "
        "flow. "
        f"Mean and range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Four measures of the network with hidden layer, and the linear network on its flow, warm and cold."""
    grid = figure.subplots(2, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["teacher"]))
    styles = [{"color": tuple(c), "linestyle": line} for c, line in zip(shades, _LINES, strict=False)]
    for axes, (name, title, scale) in zip(grid[:, :2].flat, _PANELS, strict=True):
        for m, style in zip(data["teacher"].values, styles, strict=True):
            draw_seeds(axes, data["step"], data[name].sel(teacher=m), style, label=f"m = {m:g}")
        draw_seeds(axes, data["step"], data[f"{name}_full"], _NO_STOP, label="no stop-gradient")
        axes.set(xlabel="step", yscale=scale)
        axes.set_title(f"hidden layer: {title}")
    grid[0, 0].set_ylim(0, 1.05)
    grid[1, 1].set_ylim(0, None)
    grid[0, 1].set_ylim(0, None)
    grid[0, 0].legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.12))
    for axes, start in zip(grid[:, 2], data["start"].values, strict=True):
        _draw_linear(data.sel(start=start), axes, styles)
    grid[0, 2].set_ylim(0, None)
    grid[1, 2].set(yscale="log", ylim=(1e-3, 5))
    grid[0, 2].set_title("linear: size of z, warm teacher\n(lines: network, rings: matrix flow)")
    grid[1, 2].set_title("linear: size of z, cold teacher V(0) = 0")
    _about, eta = provenance(data)["experiment"], data.attrs["eta"]
    caption(
        figure,
        data,
        f"Teacher V ← mV + (1−m)W. Linear: decay η = {eta:g}; rings: matrix flow. Mean and range over "
        f"{data.sizes['seed']} seeds",
    )


def _draw_linear(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    few = slice(1, None, 2)
    for m, style in zip(data["teacher"].values, styles, strict=True):
        one = data.sel(teacher=m)
        draw_seeds(axes, one["record"], one["norm_network"].clip(1e-4), style)
        flow = one["norm_flow"].mean("seed").clip(1e-4)
        axes.plot(one["record"][few], flow[few], "o", color=style["color"], mfc="white", ms=4.5, zorder=3)
    axes.set_xlabel("flow time t")


FIGURE = Figure(
    name="network-ema",
    summary="Networks with a moving-average teacher: its rate and its start",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=75.0,
    height=3.6,
    full_height=7.0,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 60, "linear_steps": 200},
)
