"""How the losses are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption

if TYPE_CHECKING:
    pass


from dynsim.gallery.expansion.losses import order

_VIEWS: dict[str, dict[str, Any]] = {
    "noise": {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
    "erasing, mirrored": {"color": COLOURS["green"], "linestyle": "-.", "marker": "^"},
    "erasing": {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"},
    "all six": {"color": COLOURS["black"], "linestyle": ":", "marker": "D"},
}
_TRAINED: tuple[dict[str, Any], ...] = (
    {"color": COLOURS["vermilion"], "linestyle": "-", "linewidth": 3.5, "alpha": 0.5},
    {"color": COLOURS["black"], "linestyle": "--", "linewidth": 1.3},
    {"color": COLOURS["green"], "linestyle": "-.", "linewidth": 1.6},
    {"color": COLOURS["blue"], "linestyle": "-"},
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Errors of a smooth network and of one with kinks; the factor between the two losses."""
    smooth, kinks, factor = panel_row(figure, 3)
    _draw_errors(data, "tanh", smooth)
    _draw_errors(data, "ReLU", kinks)
    _draw_factor(data, factor)
    caption(
        figure,
        data,
        "Lines: loss with the optimal target, open marks: of two views, each against its first-order "
        f"expansion in the strength ε; bands and bars: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Errors of a smooth network and of one with kinks above; factor, variances and training below."""
    panels = figure.subplot_mosaic([["tanh"] * 3 + ["ReLU"] * 3, ["factor"] * 2 + ["variance"] * 2 + ["training"] * 2])
    for network in ("tanh", "ReLU"):
        _draw_errors(data, network, panels[network])
    panels["ReLU"].sharey(panels["tanh"])
    _draw_factor(data, panels["factor"])
    _draw_variances(data, panels["variance"])
    _draw_training(data, panels["training"])
    caption(
        figure,
        data,
        "Above: lines the loss with the optimal target, open marks that of two views, each against its first order",
        f"range over {data.sizes['seed']} seeds".replace("range", "Bands and bars: range"),
    )


def _draw_errors(data: xr.Dataset, network: str, axes: Any) -> None:
    here = data.sel(network=network, stage="trained")
    strengths = here["strength"].values
    for view, style in _VIEWS.items():
        one = here.sel(augmentation=view)
        label = f"{view}: order {float(order(one)):.2f}"
        line = {key: value for key, value in style.items() if key != "marker"}
        draw_seeds(axes, strengths, one["optimal_error"], line, label=label)
        pair = one["pair_error"].mean("seed")
        axes.plot(strengths, pair, style["marker"], color=style["color"], mfc="white", ms=5, zorder=3)
    kind = "smooth" if network == "tanh" else "kinks"
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"strength $\varepsilon$",
        ylabel="relative error",
        title=f"{network} ({kind})",
        ylim=(3e-6, 1),
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))


def _draw_factor(data: xr.Dataset, axes: Any) -> None:
    views = data["views"].values
    fine = np.linspace(views[0], views[-1], 200)
    shown = (
        ("mean of the same views", 2 / (1 - 1 / fine), COLOURS["vermilion"], "s"),
        ("corrected", 2 * np.ones_like(fine), COLOURS["blue"], "o"),
        ("mean of other views", 2 / (1 + 1 / fine), COLOURS["green"], "^"),
    )
    for name, law, colour, marker in shown:
        axes.plot(fine, law, color=colour, linewidth=1, linestyle=":")
        values = data["factor"].sel(estimate=name)
        middle = values.mean("seed")
        reach = np.abs(np.stack([values.min("seed") - middle, values.max("seed") - middle]))
        axes.errorbar(views, middle, reach, fmt=marker, color=colour, mfc="white", ms=5, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(views, [str(number) for number in views])
    axes.set(xlabel="views K of the estimate")
    axes.set_title(r"factor; dotted: $2/(1 \mp 1/K)$")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))


def _draw_variances(data: xr.Dataset, axes: Any) -> None:
    names = list(_VIEWS)
    networks = (("tanh", COLOURS["blue"], "o"), ("ReLU", COLOURS["vermilion"], "s"), ("linear", COLOURS["green"], "^"))
    for shift, (network, colour, marker) in zip((-0.22, 0.0, 0.22), networks, strict=True):
        one = data.sel(network=network, stage="trained")
        x = np.arange(len(names)) + shift
        ratio = one["variance_ratio"].sel(augmentation=names)
        axes.vlines(x, ratio.min("seed"), ratio.max("seed"), color=colour, linewidth=5, alpha=0.35)
        axes.plot(x, ratio.mean("seed"), "_", color=colour, ms=11, mew=2)
        measured = one["variance_measured"].sel(augmentation=names).mean("seed")
        axes.plot(x, measured, marker, color=colour, mfc="white", ms=4.5, zorder=3, label=network)
    axes.axhline(1, color=COLOURS["grey"], linewidth=1, linestyle="--")
    axes.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    axes.set(ylabel="½ two-view loss / optimal-target loss", ylim=(0.8, None))
    axes.set_title("variance (bars: identity, marks: pairs)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, columnspacing=0.8)


def _draw_training(data: xr.Dataset, axes: Any) -> None:
    for name, style in zip(data["trained"].values, _TRAINED, strict=True):
        draw_seeds(axes, data["step"].values, data["norm_ratio"].sel(trained=name), style, label=str(name))
    axes.set(xlabel="step", ylabel="norm of the features / at the start", ylim=(0, 1.75))
    axes.set_title("training")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
