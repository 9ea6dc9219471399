"""Measured quantities: time scales, conservation, training, features, studies; never a mean without its range."""

from __future__ import annotations

from itertools import combinations, cycle
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.labels import label_ends
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import measure, symbol

__all__ = [
    "draw_conservation",
    "draw_features",
    "draw_seeds",
    "draw_study",
    "draw_timescales",
    "draw_training",
    "training_panels",
]

ROUNDING = 1e-9  # what is smaller is error of the integration, drawn as a line at this height
_RATIOS = ("relative_speed_ratio", "absolute_speed_ratio")
_FIRST = ("spread", "norm_ratio", "rankme", "knn", "probe", "participation", "loss")


def draw_seeds(axes: Any, x: Any, values: xr.DataArray, style: dict[str, Any], label: str | None = None) -> None:
    """Draw the mean over `seed` as a line and the range over seeds as a band: the convention of every figure."""
    values = values.transpose("seed", ...)
    known = np.isfinite(values.values).all(axis=0)
    x, band = np.asarray(x)[known], values.values[:, known]
    if not band.size:  # neither seeds nor moments: nothing has a mean
        return
    axes.plot(x, band.mean(axis=0), label=label, **style)
    axes.fill_between(x, band.min(axis=0), band.max(axis=0), color=style["color"], alpha=0.2, linewidth=0)


def draw_timescales(data: xr.Dataset, axes: Any) -> None:
    """Draw the ratio of speeds along a run, of predictor and encoder or of any two states; when each is half-way."""
    halves = {str(n).removeprefix("half_life_"): float(data[n]) for n in data if str(n).startswith("half_life_")}
    pairs = [(first, second, f"_{first}_{second}") for first, second in combinations(halves, 2)]
    pairs = [("predictor", "encoder", "")] + [pair for pair in pairs if _RATIOS[0] + pair[2] in data]
    shown = [pair for pair in pairs if any(name + pair[2] in data for name in _RATIOS)]
    ends = []
    for (first, second, suffix), colour in zip(shown, cycle(["black", *COLOURS]), strict=False):
        for name, style in zip(_RATIOS, ("-", "--"), strict=True):
            if name + suffix not in data:
                continue
            ratio = data[name + suffix].values
            positive = np.where(np.isfinite(ratio) & (ratio > 0), ratio, np.nan)
            axes.plot(data["time"], positive, style, color=COLOURS[colour])
            known = positive[np.isfinite(positive)]
            if known.size:
                words = name.split("_")[0] if len(shown) == 1 else f"{name[:3]}. {symbol(first)} / {symbol(second)}"
                ends.append((float(known[-1]), words, COLOURS[colour]))
    if len(shown) == 1:
        first, second, suffix = shown[0]
        axes.set_ylabel(f"speed, {symbol(first)} / {symbol(second)}" if suffix else f"speed, {first} / {second}")
    elif shown:
        axes.set_ylabel("speed of one state / another")
    if shown:
        axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.7)
        axes.set_yscale("log")
    else:  # one state has nobody to be compared with
        axes.set(xlim=(float(data["time"][0]), float(data["time"][-1])), yticks=[])
    axes.set_xlabel("flow time t")
    for state, time in halves.items():
        if state != "ratio" and np.isfinite(time):
            axes.axvline(time, color=COLOURS["grey"], linewidth=0.7, linestyle=":")
            words, size = f"{symbol(state)} half-way", _small(axes)
            where = {"transform": axes.get_xaxis_transform(), "rotation": 90, "va": "top", "ha": "right"}
            axes.text(time, 1.0, words, fontsize=size, **where)
    label_ends(axes, ends)


def draw_conservation(data: xr.Dataset, axes: Any) -> None:
    """Draw how far every conserved quantity drifts; what is below rounding lies on the lower edge."""
    for index in range(data.sizes.get("integral", 1)):
        one = data.isel(integral=index) if "integral" in data.dims else data
        drift = np.maximum(np.abs(one["drift"].values), ROUNDING)
        label = str(one["integral"].item()) if "integral" in one.coords else None
        axes.plot(data["time"], drift, label=label)
    axes.set(yscale="log", xlabel="flow time t", ylabel="drift of the conserved quantity")
    largest = float(np.nanmax(np.abs(data["drift"].values), initial=0.0))
    axes.set_ylim(0.5 * ROUNDING, 2 * max(largest, 10 * ROUNDING))
    if largest < ROUNDING:
        axes.set_title(f"never more than {ROUNDING:g}", loc="left")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def training_panels(data: xr.Dataset) -> list[str]:
    """Measures of which each has a panel, three at the most."""
    return [name for name in _FIRST if name in data and "step" in data[name].dims][:3]


def draw_training(data: xr.Dataset, axes: Any, name: str | None = None) -> None:
    """Draw one recorded measure over steps, mean and range over seeds; by default the first of the usual ones."""
    name = name or training_panels(data)[0]
    values = data[name] if "seed" in data[name].dims else data[name].expand_dims("seed")
    more = [str(dim) for dim in values.dims if dim not in ("seed", "step")]
    for index, one in enumerate(_members(values, more)):
        colour = list(COLOURS.values())[index % len(COLOURS)]
        draw_seeds(axes, data["step"], one, {"color": colour, "linestyle": ("-", "--", "-.", ":")[index % 4]})
    axes.set(xlabel="step", ylabel=measure(name))


def draw_features(data: xr.Dataset, axes: Any) -> None:
    """Draw each feature's amplitude over its reliability: filled where it survives, open where not, grey undecided."""
    reliability = data["reliability"] if "reliability" in data else data["lambda_d"] / data["lambda_s"]
    amplitude = data["amplitude"] if "amplitude" in data else data["survives"].astype(float)
    for value, style, label in (
        (1, {"markerfacecolor": COLOURS["blue"], "color": COLOURS["blue"]}, "survives"),
        (0, {"markerfacecolor": "white", "color": COLOURS["vermilion"]}, "does not survive"),
        (-1, {"markerfacecolor": COLOURS["grey"], "color": COLOURS["grey"]}, "undecided within its error"),
    ):
        chosen = data["survives"].values == value
        if chosen.any():
            error = data["error_reliability"].values[chosen] if "error_reliability" in data else None
            x, y = reliability.values[chosen], np.nan_to_num(amplitude.values[chosen], posinf=np.nan)
            axes.errorbar(x, y, xerr=error, fmt="o", label=label, elinewidth=0.7, **style)
    axes.set(xlabel=r"reliability $\lambda_d/\lambda_s$", ylabel="amplitude at the end")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def draw_study(data: xr.Dataset, axes: Any, name: str | None = None) -> None:
    """Draw one measure of a study: over one axis as a line, over two as a map, over more every cell, sorted."""
    name = name or next(
        (one for one in _FIRST if one in data),
        next(str(n) for n, values in data.data_vars.items() if values.dtype.kind == "f" and values.ndim),
    )
    values = data[name].isel({dim: -1 for dim in ("step", "time") if dim in data[name].dims})
    values = values if "seed" in values.dims else values.expand_dims("seed")
    dims = [str(dim) for dim in values.dims if dim != "seed"]
    if len(dims) == 1:
        draw_seeds(axes, _positions(data, dims[0]), values, {"color": COLOURS["blue"], "marker": "."})
        _label_axis(axes, data, dims[0], "x")
        axes.set(ylabel=measure(name))
    elif len(dims) == 2:
        across, up = dims[1], dims[0]
        mean = values.mean("seed").transpose(up, across)
        mesh = axes.pcolormesh(_positions(data, across), _positions(data, up), mean, shading="nearest")
        axes.figure.colorbar(mesh, ax=axes, label=f"{measure(name)}, mean over seeds")
        _label_axis(axes, data, across, "x")
        _label_axis(axes, data, up, "y")
        axes.grid(False)
    else:
        cells = values.transpose("seed", ...).values.reshape(values.sizes["seed"], -1)
        cells = cells[:, np.isfinite(cells).any(axis=0)]
        cells = cells[:, np.argsort(np.nanmean(cells, axis=0), kind="stable")]
        place = np.arange(cells.shape[1])
        axes.vlines(place, np.nanmin(cells, axis=0), np.nanmax(cells, axis=0), color=COLOURS["sky"], linewidth=0.8)
        axes.plot(place, np.nanmean(cells, axis=0), ".", color=COLOURS["blue"], markersize=2.5)
        axes.set(xlabel=f"cells, sorted ({' × '.join(measure(dim) for dim in dims)})", ylabel=measure(name))


def _members(values: xr.DataArray, more: list[str]) -> list[xr.DataArray]:
    if not more:
        return [values]
    stacked = values.stack(member=more)
    return [stacked.isel(member=index, drop=True) for index in range(stacked.sizes["member"])]


def _positions(data: xr.Dataset, dim: str) -> np.ndarray:
    known = dim in data.coords and data[dim].dtype.kind in "fiu"
    return data[dim].values if known else np.arange(data.sizes[dim])


def _label_axis(axes: Any, data: xr.Dataset, dim: str, which: str) -> None:
    getattr(axes, f"set_{which}label")(measure(dim))
    if dim in data.coords and data[dim].dtype.kind not in "fiu":
        getattr(axes, f"set_{which}ticks")(np.arange(data.sizes[dim]), [str(value) for value in data[dim].values])


def _small(axes: Any) -> float:
    labels = axes.get_yticklabels()
    return float(labels[0].get_fontsize()) if labels else 7.0
