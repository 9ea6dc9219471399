"""How the comparison is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption

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
        "Bias-free linear encoder W and predictor P on digits, squared error. Lines left: matrix "
        "equations, "
        f"rings: autograd. Bands: range over {data.sizes['seed']} seeds",
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


def _draw_runs(data: xr.Dataset, axes: Any) -> None:
    few = slice(None, None, max(1, data.sizes["time"] // 16))
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        axes.plot(one["time"], one["norm_theory"], label=str(branch), **style)
        axes.plot(one["time"][few], one["norm_network"][few], "o", color=style["color"], ms=5, mfc="white", zorder=3)
    axes.plot([], [], "o", color=COLOURS["grey"], mfc="white", label="network, by autograd")
    axes.set(xlabel="flow time t", ylabel="‖W‖", title="lines: matrix equations, rings: the network's flow")
    axes.set_ylim(0, None)
    axes.legend()


def _draw_differences(data: xr.Dataset, axes: Any) -> None:
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        error = one["difference"]
        axes.plot(one["time"], error.where(error > 0), label=str(branch), **style)
    worst = float(data["field_error"].max())
    axes.annotate(
        f"the two fields themselves, at random states: at most {worst:.0e}",
        (0.98, 0.9),
        xycoords="axes fraction",
        ha="right",
    )
    axes.axhline(1e-11, color=COLOURS["grey"], linewidth=1, linestyle="--")
    axes.annotate(
        "tolerance of the integrator",
        (0.98, 1e-11),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=COLOURS["grey"],
    )
    axes.set(
        xlabel="flow time t", yscale="log", ylim=(1e-17, 1e-9), title="relative difference of the integrated runs"
    )
    axes.legend(loc="lower right")


def _draw_balance(data: xr.Dataset, axes: Any) -> None:
    time = data["time"]
    decay = float(data["decay"][-1])
    axes.plot(time, data["balance_left"].isel(decay=-1), color=COLOURS["black"], linewidth=1, linestyle=":")
    axes.annotate(
        f"what the law leaves under decay, e$^{{−2ηt}}$ (η = {decay:g})",
        (0.02, 3.0),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
    )
    moments = data["record"].values[1:]
    for name in data["monitored"].values:
        drift = data["balance_drift"].sel(monitored=name).isel(record=slice(1, None))
        draw_seeds(axes, moments, drift, {"linewidth": 1.7} | _MONITORED[str(name)], label=str(name))
    error = data["balance_error"].max("decay")
    axes.plot(time, error.where(error > 1e-16), color=COLOURS["black"], linewidth=1.4)
    axes.annotate(
        "the network's flow, with and without decay",
        (0.02, float(error.max())),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
    )
    axes.set(xlabel="flow time t (Adam: the same number of steps)", yscale="log", ylim=(1e-15, 1e3))
    axes.set_title("drift of the balance law W Wᵀ − Pᵀ P/α = C·e$^{−2ηt}$")
    axes.legend(ncols=2, loc="center right", bbox_to_anchor=(1.0, 0.52))


def _draw_order(data: xr.Dataset, axes: Any) -> None:
    rates = data["lr"].values
    shown = (
        (
            "descent_error",
            {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
            "gradient descent, full batch",
            1,
        ),
        ("sgd_error", {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"}, "SGD, batches of 64", 0.5),
    )
    for name, style, label, power in shown:
        draw_seeds(axes, rates, data[name].transpose("seed", "lr"), {**style, "markersize": 5}, label=label)
        reference = float(data[name].mean("seed")[0]) * (rates / rates[0]) ** power
        axes.plot(rates, 0.7 * reference, color=COLOURS["grey"], linewidth=1, linestyle=":")
        slope = float(np.polyfit(np.log(rates), np.log(data[name].mean("seed")), 1)[0])
        middle = len(rates) // 2
        axes.annotate(
            f"order {slope:.2f} (dotted: {power:g})",
            (rates[middle], float(data[name].mean("seed")[middle])),
            xytext=(10, -22),
            textcoords="offset points",
            color=style["color"],
        )
    axes.set(xlabel="learning rate", xscale="log", yscale="log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.set_xticks([], minor=True)
    axes.set_title("distance from the flow at a fixed time")
    axes.legend()
