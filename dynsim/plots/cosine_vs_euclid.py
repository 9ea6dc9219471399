"""Cosine against Euclidean loss with a closed-form predictor: who collapses, who equalises, what is conserved."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.experiments.cosine_vs_euclid import fates
from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.systems.laws import passage

EXPERIMENT = "cosine-vs-euclid"
OPTIONS: dict[str, Any] = {}
SIZE = (12.5, 8.8)

STYLES = ("-", "--", "-.", ":")
TITLES = {"euclidean": "Euclidean", "cosine": "cosine"}
CASES: dict[str, dict[str, Any]] = {
    "stop": {"color": COLOURS["blue"], "marker": "o"},
    "full": {"color": COLOURS["vermilion"], "marker": "s"},
    "target": {"color": COLOURS["green"], "marker": "^"},
    "no predictor": {"color": COLOURS["grey"], "marker": "x"},
    "IsoLoss": {"color": COLOURS["purple"], "marker": "D"},
}
LEAST = 4e-4


def draw(data: xr.Dataset, figure: Any) -> None:
    """Modes over time under every variant of both losses; below, norm, number of modes in use, learning times."""
    losses, cases = data["loss"].values, data["case"].values
    grid = figure.add_gridspec(len(losses) + 1, 3 * len(cases), height_ratios=[1.0] * len(losses) + [1.25])
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["mode"]))
    told = fates(data)
    shown = data["variance"].isel(spectrum=0, time=slice(1, None))
    shared = None
    for row, loss in enumerate(losses):
        for column, case in enumerate(cases):
            axes = figure.add_subplot(grid[row, 3 * column : 3 * column + 3], sharex=shared, sharey=shared)
            shared = shared or axes
            one = shown.sel(loss=loss, case=case)
            for index, mode in enumerate(one["mode"].values):
                start = float(data["variance"].sel(loss=loss, case=case, mode=mode).isel(spectrum=0, time=0))
                look = {"color": shades[index], "linestyle": STYLES[index % len(STYLES)]}
                axes.plot(one["time"], one.sel(mode=mode), linewidth=1.6, label=f"{start:g}", **look)
            axes.set(xscale="log", yscale="log", ylim=(LEAST, 2.0))
            axes.set_title(f"{TITLES[str(loss)]}, {case}:\n{told.sel(loss=loss, case=case).item()}", fontsize=10)
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(losses) - 1)
            if column == 0:
                axes.set_ylabel("variance λ of a mode")
            if row == len(losses) - 1:
                axes.set_xlabel("flow time t")
            if row == 0 and case == "no predictor":
                axes.legend(title="λ(0)", fontsize=7.5, title_fontsize=8, loc="lower left", handlelength=1.8)

    width = len(cases)
    norm, used, speed = (figure.add_subplot(grid[len(losses), width * i : width * (i + 1)]) for i in range(3))
    _over_time(norm, data["norm"])
    _over_time(used, data["modes_used"].where(data["norm"] > 0.03), bands_of_both=False)
    norm.set(
        xscale="log", xlabel="flow time t", ylabel="‖ẑ‖ over its start", title="norm: solid cosine, dashed Euclidean"
    )
    used.set(xscale="log", xlabel="flow time t", ylabel="(Σλ)²/Σλ²", title="number of modes in use")
    norm.legend(fontsize=8, loc="upper left")
    _learning(speed, data)
    count = data.sizes["spectrum"]
    caption(
        figure,
        data,
        "Eigenmodes of the representation, identical views, the predictor set to their covariance D = diag(λ_m) at "
        f"every instant, λ_m = E[ẑ_m²]. Above: one spectrum. Below: {count} spectra of the same sum, mean and range "
        "(modes in use: range for cosine; Euclidean as long as the norm is above 0.03); right: every mode that grows "
        "fourfold, lines: closed form. Without stop-gradient the Euclidean loss loses the norm, the cosine loss all "
        "modes but the largest, of which equal ones part only algebraically slowly. Without predictor identical views "
        "exert no force; noisy ones shrink every mode",
    )


def _over_time(axes: Any, values: xr.DataArray, bands_of_both: bool = True) -> None:
    """Mean over the spectra as a line, their range as a band; one colour per variant, one dash per loss."""
    for case, look in CASES.items():
        for loss, style in (("cosine", "-"), ("euclidean", "--")):
            one = values.sel(loss=loss, case=case).isel(time=slice(1, None))
            known = one.notnull().all("spectrum").values
            one = one.isel(time=known)
            colour = look["color"]
            label = case if loss == "cosine" else None
            axes.plot(one["time"], one.mean("spectrum"), color=colour, linestyle=style, linewidth=1.6, label=label)
            if case == "no predictor" or (loss == "euclidean" and not bands_of_both):
                continue
            low, high = one.min("spectrum"), one.max("spectrum")
            axes.fill_between(one["time"], low, high, color=colour, alpha=0.12, linewidth=0)


def _learning(axes: Any, data: xr.Dataset) -> None:
    """Time to half of the end over the start, with the closed form of the Euclidean loss."""
    for case in ("stop", "IsoLoss"):
        look = CASES[case]
        for loss, face in (("cosine", look["color"]), ("euclidean", "none")):
            start = data["variance"].sel(loss=loss, case=case).isel(time=0).values.ravel()
            time = data["half_time"].sel(loss=loss, case=case).values.ravel()
            axes.plot(
                start, time, look["marker"], color=look["color"], markerfacecolor=face, markersize=4, linestyle="none",
                label=f"{TITLES[loss]}, {case}",
            )  # fmt: skip
    fine = np.geomspace(0.01, 0.25, 60)
    for case, power, style in (("stop", 2.0, "-"), ("IsoLoss", 1.0, "--")):
        axes.plot(fine, passage(fine, 0.5, power) / 2, color=CASES[case]["color"], linestyle=style, linewidth=1.0)
    axes.set(xscale="log", yscale="log", xlabel="λ(0) of the mode", ylabel="time to half of its end")
    axes.set_title("small modes wait; IsoLoss shortens it")
    axes.legend(fontsize=7.5, loc="upper right")
