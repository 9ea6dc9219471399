"""Drawing of the figure `dino`: the flow's plane, the networks' plane, hysteresis, the published settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.dino import digits, regions
from dynsim.gallery.dino.verdict import centre_ratio, hopf_ratio, published, scores
from dynsim.gallery.trained_networks import images_of
from dynsim.methods.prototype_clusters import ALIVE, FATES

PAINT = ("#DDDDDD", "#7CC4EE", "#D55E00", "#5A1A00", "#FFFFFF")  # of FATES; in grey as well from light to dark
LOW, HIGH = 0.025, 40.0  # where a ratio of 0 and one of infinity are drawn


def draw(data: xr.Dataset, figure: Any) -> None:
    """The two planes and the hysteresis."""
    flow, networks, fold = panel_row(figure, 3)
    _draw_flow(data, flow)
    _draw_networks(data, networks)
    _draw_hysteresis(data, fold)
    _explain(data, figure)


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """The same, and the published settings."""
    axes = figure.subplots(2, 2).ravel()
    _draw_flow(data, axes[0])
    _draw_networks(data, axes[1])
    _draw_hysteresis(data, axes[2])
    _draw_published(data, axes[3])
    _explain(data, figure)


def _explain(data: xr.Dataset, figure: Any) -> None:
    caption(
        figure,
        data,
        f"m/β: centre's over teacher's rate. Left: K² logits of the flow, K = {data.attrs['clusters']}, "
        f"r = {data.attrs['agreement']:g}, from cold; crosses alive from warm. Dashed: the uniform state loses "
        f"stability, dotted: fold, solid: Hopf, star: both. Middle: MLP on {images_of(data)}, "
        f"K = {digits.PROTOTYPES}, {data.sizes['seed']} seeds, {data.attrs['steps']} steps; "
        "circles cold, squares warm; pale: not all agree",
    )


def _place(ratio: Any) -> Any:
    return np.clip(ratio, LOW, HIGH)


def _axes(axes: Any) -> None:
    axes.set(xlim=(0.013, 0.107), ylim=(0.018, 58), yscale="log", xlabel="teacher's temperature τ$_t$")
    axes.grid(False)


def _curves(axes: Any, agreement: float, fold: float, taus: np.ndarray, line: np.ndarray) -> None:
    start = agreement * regions.TAU_S
    axes.plot(taus, _place(line), color=COLOURS["black"], linewidth=1.2)
    axes.axvline(start, color=COLOURS["black"], linewidth=1.0, linestyle="--")
    axes.axvline(fold, color=COLOURS["black"], linewidth=1.0, linestyle=":")
    axes.plot(start, regions.TAU_S / start - 1, marker="*", color=COLOURS["black"], markersize=7, linestyle="none")


def _draw_flow(data: xr.Dataset, axes: Any) -> None:
    taus, ratios = data["flow_tau_t"].values, _place(data["flow_ratio"].values)
    cold, warm = (data["flow_fate"].sel(start=start).values.T for start in regions.STARTS)
    edges = np.sqrt(ratios[1:] * ratios[:-1])
    edges = np.concatenate([[0.018], edges, [58]])
    half = np.diff(taus).mean() / 2
    across = np.append(taus - half, taus[-1] + half)
    axes.pcolormesh(across, edges, cold, cmap=ListedColormap(PAINT), vmin=-0.5, vmax=len(FATES) - 0.5, rasterized=True)
    saved = (warm == FATES.index("alive")) & (cold != FATES.index("alive"))
    rows, columns = np.nonzero(saved)
    axes.plot(taus[columns], ratios[rows], "x", color="#0072B2", markersize=3.5)
    _curves(
        axes,
        data.attrs["agreement"],
        float(data["fold"]),
        data["hopf_tau_t"].values,
        data["hopf_ratio"].values,
    )
    _axes(axes)
    axes.set(title="flow", ylabel="m/β")
    axes.set_yticks([LOW, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    axes.minorticks_off()


def _majority(fates: np.ndarray) -> tuple[int, bool]:
    counts = np.bincount(fates, minlength=len(FATES))
    return int(counts.argmax()), bool(counts.max() == len(fates))


def _draw_networks(data: xr.Dataset, axes: Any) -> None:
    found = scores(data)
    for tau in data["tau_t"].values:
        for momentum in data["momentum"].values:
            height = float(_place(centre_ratio(float(momentum))))
            for start, marker, shift in zip(regions.STARTS, "os", (-0.0021, 0.0021), strict=True):
                fate, sure = _majority(data["fate"].sel(tau_t=tau, momentum=momentum, start=start).values)
                style = {"facecolor": PAINT[fate], "edgecolor": COLOURS["black"], "linewidth": 0.5, "s": 26}
                axes.scatter(tau + shift, height, marker=marker, alpha=1.0 if sure else 0.45, zorder=3, **style)
    taus = np.linspace(0.016, 0.099, 200)
    _curves(axes, found["r"], found["fold"], taus, hopf_ratio(taus))
    _axes(axes)
    momenta = data["momentum"].values
    axes.set_yticks([float(_place(centre_ratio(float(m)))) for m in momenta], [f"{m:g}" for m in momenta])
    axes.minorticks_off()
    axes.set(title=f"networks, r = {found['r']:.2f}", ylabel="centre momentum")
    handles = [
        Line2D([], [], marker="o", linestyle="none", markerfacecolor=colour, markeredgecolor="black", label=name)
        for name, colour in zip(FATES, PAINT, strict=True)
    ]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2, handlelength=1, columnspacing=0.8
    )


def _draw_hysteresis(data: xr.Dataset, axes: Any) -> None:
    found = scores(data)
    styles = ((COLOURS["vermilion"], "o", "cold"), (COLOURS["blue"], "s", "warm"))
    for start, (colour, marker, label) in zip(regions.STARTS, styles, strict=True):
        told = data["long_told"].sel(start=start).isel(record=-1)
        axes.plot(data["long_tau_t"], told.median("seed"), color=colour, linewidth=1.0)
        for seed in range(data.sizes["seed"]):
            axes.plot(
                data["long_tau_t"],
                told.isel(seed=seed),
                marker,
                color=colour,
                markersize=3,
                label=label if not seed else None,
            )
    axes.axvline(found["r"] * regions.TAU_S, color=COLOURS["black"], linewidth=1.0, linestyle="--")
    axes.axvline(found["fold"], color=COLOURS["black"], linewidth=1.0, linestyle=":")
    axes.axhline(ALIVE, color=COLOURS["grey"], linewidth=0.8)
    axes.set(xlabel="teacher's temperature τ$_t$", ylabel="information, share of ln K", yscale="log")
    axes.set(title="long runs across the fold")
    axes.legend(loc="lower left")


def _draw_published(data: xr.Dataset, axes: Any) -> None:
    names = [str(name) for name in data["setting"].values]
    top = np.log(digits.PROTOTYPES)
    for row, name in enumerate(names):
        one = data.sel(setting=name)
        for loss, fate in zip(one["published_loss"].isel(record=-1).values, one["published_fate"].values, strict=True):
            axes.plot(loss / top, row, "o", color=COLOURS["black"], markerfacecolor=PAINT[fate], markersize=5)
    axes.axvline(1.0, color=COLOURS["grey"], linewidth=0.8)
    said = {True: "learns", False: "collapses", None: "–"}
    labels = [f"{name.replace('τ_t', 'τ$_t$')} ({said[published(data)[name][0]]})" for name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.invert_yaxis()
    axes.set(xlabel="loss over ln K at the end", title="published settings (and what was found)")
