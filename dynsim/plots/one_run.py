"""One run of any system or typed loss: states, phase plane, speeds and loss side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.phase_plane import (
    draw_field,
    draw_lines,
    draw_nullclines,
    draw_orbit,
    draw_points,
    draw_separatrices,
)
from dynsim.plots.parts.style import COLOURS
from dynsim.plots.parts.trajectories import draw_states
from dynsim.records import provenance
from dynsim.symbolic.printing import unicode_name

EXPERIMENT = "one-run"
OPTIONS: dict[str, Any] = {}
SIZE = (9.6, 6.4)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw the panels that the data has something for."""
    ratios = [name for name in ("relative_speed_ratio", "absolute_speed_ratio") if name in data]
    right = ["states", *(["speeds"] if ratios else []), *(["loss"] if "loss" in data else [])]
    has_plane = "velocity_x" in data
    layout = [["plane", name] for name in right] if has_plane else [[name] for name in right]
    axes = figure.subplot_mosaic(layout, width_ratios=[1.1, 1.0] if has_plane else None)
    if has_plane:
        _draw_plane(data, axes["plane"])
    draw_states(data, axes["states"])
    axes["states"].legend(loc="best")
    if ratios:
        _draw_speeds(data, axes["speeds"], ratios)
    if "loss" in data:
        axes["loss"].plot(data["time"], data["loss"], color=COLOURS["black"])
        axes["loss"].set(xlabel="flow time t", ylabel="loss")
    if data.attrs.get("time_scale") == "log":
        for name in right:
            axes[name].set(xscale="log", xlim=(1e-4 * float(data["time"][-1]), float(data["time"][-1])))
    about = provenance(data)
    word = {"yes": "collapse", "no": "no collapse", "undecided": "undecided"}[about["collapsed"]]
    ends = ", ".join(f"{unicode_name(name)} → {float(data[f'limit_{name}']):.4g}" for name in about["flow"]["states"])
    figure.suptitle(f"{ends}: {word}" if about["flow"].get("roles") else ends)
    caption(
        figure,
        data,
        f"Branch {about['flow']['branch']}. {'Exact' if about['outcome_exact'] else 'Integrated'}: "
        f"{about['outcome_reason']}",
        "Green: equilibria, dashed where they repel. Purple: separatrices" if has_plane else "",
    )


def _draw_plane(data: xr.Dataset, axes: Any) -> None:
    across, upwards = data.attrs["x_name"], data.attrs["y_name"]
    draw_field(axes, data)
    draw_nullclines(axes, data)
    draw_lines(axes, data)
    draw_separatrices(axes, data)
    draw_points(axes, data)
    for index in range(data.sizes.get("orbit", 0)):
        x, y = (data[f"more_{name}"].isel(orbit=index).values for name in (across, upwards))
        axes.plot(x, y, color="#555555", linewidth=1.1, zorder=3)
        axes.plot(x[0], y[0], "o", color="#555555", markersize=3.5, zorder=3)
    draw_orbit(axes, xr.Dataset({f"orbit_{name}": data[name] for name in (across, upwards)}), across, upwards)
    axes.set(
        xlim=(data.x[0], data.x[-1]),
        ylim=(data.y[0], data.y[-1]),
        xlabel=unicode_name(across),
        ylabel=unicode_name(upwards),
    )


def _draw_speeds(data: xr.Dataset, axes: Any, ratios: list[str]) -> None:
    for name, style in zip(ratios, ("-", "--"), strict=False):
        values = data[name].values
        positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        axes.plot(data["time"], positive, style, color=COLOURS["black"], label=name.split("_")[0])
    axes.axhline(1, color="#888888", linewidth=0.8)
    axes.set(yscale="log", xlabel="flow time t", ylabel="speed of predictor\nover encoder")
    axes.legend(loc="best")
