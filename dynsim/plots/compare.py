"""Toy, linear network and real network of one configuration on shared axes, with a verdict table."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import xarray as xr

from dynsim.experiments.compare import COLLAPSED, verdict_table
from dynsim.plots.parts.captions import caption, values
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import COLOURS
from dynsim.records import provenance

EXPERIMENT = "compare"
OPTIONS: dict[str, Any] = {}
SIZE = (10.2, 7.2)

_TOY = {"color": COLOURS["black"], "linestyle": "-"}
_STYLES = {
    "linear": {"color": COLOURS["blue"], "linestyle": "--"},
    "real": {"color": COLOURS["vermilion"], "linestyle": "-."},
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size, loss, speeds and spread over flow time; under them what was predicted and what was seen."""
    grid = figure.add_gridspec(2, 4, height_ratios=(1.35, 1))
    size, loss, speed, spread = (figure.add_subplot(grid[0, column]) for column in range(4))
    size.plot(data["time"], data["toy_size"], label="toy |θ|/|θ(0)|", **_TOY)
    loss.plot(data["time"], data["toy_loss"] / data["toy_loss"][0], label="toy", **_TOY)
    speed.plot(data["time"], data["toy_speed_ratio"], **_TOY)
    for network, style in _STYLES.items():
        one = data.sel(network=network)
        time = one["network_time"].values
        draw_seeds(size, time, one["norm_ratio"], style, label=f"{network}: norm of z / at start")
        draw_seeds(loss, time, _relative_loss(one["loss"], data, network), style)
        draw_seeds(speed, time, one["relative_speed_ratio"], style)
        draw_seeds(spread, time, one["spread"], style)
    size.axhline(COLLAPSED, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    spread.axhline(COLLAPSED, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    speed.axhline(1.0, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    size.set(title="size of the encoder's output", yscale="log")
    loss.set(title="loss / at start", yscale="log")
    speed.set(title="relative speed, predictor\nover encoder", yscale="log")
    spread.set(title="spread std(z/|z|)·√d\n(networks only)", ylim=(0, 1.05))
    for axes in (size, loss, speed, spread):
        axes.set(xlabel="flow time t", xscale="log", xlim=(_first(data), None))
        axes.title.set_fontsize(10)
    handles, labels = size.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    _draw_table(data, figure.add_subplot(grid[1, :]))
    about = provenance(data)
    real, predicted = about["experiment"], about["predicted"]
    caption(
        figure,
        data,
        f"Branch '{real['branch']}'. Toy: leading mode of the data, {values(predicted['parameters'])}, times λ_d = "
        f"{predicted['lambda_d']:.3g}; it {_end(predicted)}",
        f"Networks: {real['data']}, {real['steps']} steps, {real['optimiser']}; real: {real['encoder']} encoder with "
        f"norm '{real['norm']}', {real['predictor']} predictor, {real['objective']} loss, lr {real['lr']:g}; linear: "
        f"squared error, lr {about['linear']['lr']:g}; mean and range over {data.sizes['seed']} seeds",
        f"Collapsed: spread or norm ratio below {COLLAPSED:g} (dotted) at the last step",
        "cosine loss: 1 − cos" if real["objective"] == "cosine" else "",
    )


def _first(data: xr.Dataset) -> float:
    time = data["network_time"].values
    return float(np.nanmin(time[time > 0]))


def _relative_loss(loss: xr.DataArray, data: xr.Dataset, network: str) -> xr.DataArray:
    cosine = network == "real" and provenance(data)["experiment"]["objective"] == "cosine"
    shifted = loss + 1 if cosine else loss
    return shifted / shifted.isel(step=0)


def _end(predicted: dict[str, Any]) -> str:
    fate = {True: "collapses", False: "does not collapse", None: "is undecided"}[predicted["collapsed"]]
    return f"{fate} ({predicted['reason']})"


def _draw_table(data: xr.Dataset, axes: Any) -> None:
    table = verdict_table(data)
    axes.set_axis_off()
    cells = [[textwrap.fill(str(row[name]), 34) for name in table.columns] for row in table]
    drawn = axes.table(cells, colLabels=list(table.columns), loc="center", cellLoc="center", edges="horizontal",
                       colWidths=[0.3, 0.12, 0.14, 0.15, 0.14, 0.15])  # fmt: skip
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.scale(1, 1.5)
    for (row, column), cell in drawn.get_celld().items():
        if column == 0:
            cell.set_text_props(ha="left")
        if row == 0 or (table.columns[column].endswith("agrees") and cells[row - 1][column] != "yes"):
            cell.set_text_props(weight="bold")
