"""Deep image prior: pictures, distance to the clean and to the corrupted photograph, frequencies over steps."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "deep-image-prior"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 6.6)

_CLEAN = {"color": COLOURS["blue"], "linestyle": "-"}
_FITTED = {"color": COLOURS["vermilion"], "linestyle": "--"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Pictures of one seed above; below, both distances per task and both spectra."""
    names = [str(name) for name in data["shown"].values]
    above, under = figure.add_gridspec(2, 1, height_ratios=(1.0, 1.9))
    for name, place in zip(names, above.subgridspec(1, len(names)), strict=True):
        _draw_picture(data["picture"].sel(shown=name), name, figure.add_subplot(place))
    below = [figure.add_subplot(place) for place in under.subgridspec(1, 4)]
    for axes, task in zip(below[:2], data["task"].values, strict=True):
        _draw_distances(data.sel(task=task), str(task), axes)
    highest = float(data["psnr_fitted"].max())
    for axes in below[:2]:
        axes.set_ylim(None, highest + 1)
    below[0].legend(fontsize=7, loc="lower right")
    for axes, target in zip(below[2:], data["target"].values, strict=True):
        _draw_spectrum(data.sel(target=target), str(target), axes)
    below[2].set_ylabel("power of the error / power of the target")
    about = provenance(data)
    caption(
        figure,
        data,
        f"Hourglass networks, initialised as torch does and fed with fixed noise, fitted by Adam (lr {about['lr']:g}) "
        f"to one {about['size']}×{about['size']} piece of scikit-learn's photograph '{about['photo']}' with Gaussian "
        "noise of 25/255, or with half of its pixels missing, or, as a control, to noise of 0.2 alone",
        "Best: at the step that suits the clean photograph, unknown in use; the blur's width is chosen so too",
        "Frequencies are radial, of the cosine transform, 1 is a half cycle per pixel; the lowest band "
        "holds 1 % of white noise's power and is later shaken by Adam's steps",
        f"Shaded: range over {data.sizes['seed']} seeds",
    )


def _draw_picture(pixels: xr.DataArray, name: str, axes: Any) -> None:
    axes.imshow(pixels.values, interpolation="nearest")
    axes.set_title(name, fontsize=9)
    axes.set_axis_off()


def _draw_distances(one: xr.Dataset, task: str, axes: Any) -> None:
    steps = one["step"].values
    draw_seeds(axes, steps, one["psnr_fitted"], _FITTED, label="to what it is fitted to")
    draw_seeds(axes, steps, one["psnr_clean"], _CLEAN, label="to the clean one")
    for name, label, style in (("psnr_start", "as given", ":"), ("psnr_blur", "best Gaussian blur", "-.")):
        level = float(one[name].mean())
        axes.axhline(level, color=COLOURS["black"], linewidth=1, linestyle=style, label=label)
    where = "" if task == "denoise" else ", where missing"
    _over_steps(axes, steps)
    axes.set(ylabel="PSNR (dB)" if task == "denoise" else "", title=f"{task}{where}")


def _draw_spectrum(one: xr.Dataset, target: str, axes: Any) -> None:
    colours = matplotlib.colormaps[SEQUENCE](np.linspace(0, 0.9, one.sizes["band"]))
    half = 0.5 / one.sizes["band"]
    for index, (band, colour) in enumerate(zip(one["band"].values, colours, strict=True)):
        style = {"color": colour, "linestyle": ("-", "--")[index % 2], "linewidth": 1.5}
        label = f"{band - half:.2g}–{band + half:.2g}"
        draw_seeds(axes, one["step"].values, one["band_error"].isel(band=index), style, label=label)
    axes.axhline(0.5, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    _over_steps(axes, one["step"].values)
    axes.set(ylim=(0, 1.3), title=f"fitted frequencies: {target}")
    axes.title.set_fontsize(10)
    if target != "denoise":
        axes.legend(fontsize=7, title="frequency", title_fontsize=7.5, loc="lower left")


def _over_steps(axes: Any, steps: np.ndarray) -> None:
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, steps[-1])
    axes.set_xlabel("step")
