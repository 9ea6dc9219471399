"""How the comparison is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.trained_networks import images_of

if TYPE_CHECKING:
    pass


_MONITORED: dict[str, dict[str, Any]] = {
    "SGD": {"color": COLOURS["blue"], "linestyle": "-"},
    "SGD, half the lr": {"color": COLOURS["sky"], "linestyle": "--"},
    "SGD with decay": {"color": COLOURS["green"], "linestyle": "-."},
    "momentum 0.9": {"color": COLOURS["orange"], "linestyle": (0, (1, 1))},
    "Adam": {"color": COLOURS["vermilion"], "linestyle": (0, (5, 1, 1, 1, 1, 1))},
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Theory under network, the balance law in training, the order in the learning rate."""
    runs, balance, order_ = panel_row(figure, 3)
    _draw_runs(data, runs)
    _draw_balance(data, balance)
    _draw_order(data, order_)
    caption(
        figure,
        data,
        f"Bias-free linear encoder W and predictor P on {images_of(data)}, squared error. Left: lines matrix "
        "equations, rings autograd. Middle: the law W Wᵀ − PᵀP/α = C·exp(−2ηt) in training, relative "
        "to the start. Dotted: orders "
        f"1 and ½. Bands: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Four panels: theory under network, their difference, the balance law, the order in the learning rate."""
    grid = figure.subplots(2, 2)
    _draw_runs(data, grid[0, 0])
    _draw_differences(data, grid[0, 1])
    _draw_balance(data, grid[1, 0])
    _draw_order(data, grid[1, 1])
    caption(
        figure,
        data,
        "Lower left: minibatches with every augmentation, drift relative to the start; right: order in "
        f"the learning rate. Bands: range over {data.sizes['seed']} seeds",
    )


ROUNDING = 1e-10  # relative: what is smaller is rounding of the integration, and drawn as a line at this height


def _draw_runs(data: xr.Dataset, axes: Any) -> None:
    few = slice(None, None, max(1, data.sizes["time"] // 16))
    ends = []
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        axes.plot(one["time"], one["norm_theory"], **style)
        axes.plot(one["time"][few], one["norm_network"][few], "o", color=style["color"], ms=4, mfc="white", zorder=3)
        ends.append((float(one["norm_theory"][-1]), str(branch), style["color"]))
    axes.set(xlabel="flow time t", title=r"size of the encoder, $\|W\|$", xlim=(0, float(data["time"][-1])))
    axes.set_ylim(bottom=0)
    label_ends(axes, ends)


def _draw_differences(data: xr.Dataset, axes: Any) -> None:
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        axes.plot(one["time"], np.maximum(one["difference"], ROUNDING), label=str(branch), **style)
    worst = max(float(data["field_error"].max()), float(data["difference"].max()))
    axes.set(xlabel="flow time t", yscale="log", ylim=(0.3 * ROUNDING, max(1e-6, 3 * worst)))
    axes.set_title("relative difference of the runs" + (f": below {ROUNDING:g}" if worst < ROUNDING else ""))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _draw_balance(data: xr.Dataset, axes: Any) -> None:
    moments = data["record"].values[1:]
    ends = []
    for name in data["monitored"].values:
        drift = data["balance_drift"].sel(monitored=name).isel(record=slice(1, None))
        style = _MONITORED[str(name)]
        draw_seeds(axes, moments, drift, {"linewidth": 1.5} | style)
        ends.append((float(drift.isel(record=-1).mean("seed")), str(name), style["color"]))
    error = np.maximum(data["balance_error"].max("decay"), ROUNDING)
    axes.plot(data["time"], error, color=COLOURS["black"], linewidth=1.4)
    ends.append((float(error[-1]), "flow", COLOURS["black"]))
    axes.set(xlabel="flow time t", yscale="log", ylim=(0.3 * ROUNDING, None), xlim=(0, float(moments[-1])))
    axes.set_title("drift of the balance law")
    label_ends(axes, ends)


def _draw_order(data: xr.Dataset, axes: Any) -> None:
    rates = data["lr"].values
    shown = (
        (
            "descent_error",
            {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
            "full batch",
            1,
        ),
        ("sgd_error", {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"}, "SGD", 0.5),
    )
    ends = []
    for name, style, label, power in shown:
        draw_seeds(axes, rates, data[name].transpose("seed", "lr"), {**style, "markersize": 4})
        reference = float(data[name].mean("seed")[0]) * (rates / rates[0]) ** power
        axes.plot(rates, 0.7 * reference, color=COLOURS["grey"], linewidth=1, linestyle=":")
        slope = float(np.polyfit(np.log(rates), np.log(data[name].mean("seed")), 1)[0])
        ends.append((float(data[name].mean("seed")[-1]), f"{label},\norder {slope:.2f}", style["color"]))
    axes.set(xlabel="learning rate", xscale="log", yscale="log")
    axes.set_xticks(rates[::2], [f"{rate:g}" for rate in rates[::2]])
    axes.set_xticks([], minor=True)
    axes.set_title("distance from the flow")
    label_ends(axes, ends)
