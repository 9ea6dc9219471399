"""Where weight decay and the teacher's rate collapse the encoder, with the exact threshold over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import SEQUENCE

EXPERIMENT = "collapse-map"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 4.3)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size of the encoder at the end, in three planes of parameters."""
    panels = figure.subplots(1, 3)
    told = (
        ("warm", "eta", "beta", "warm teacher, ξ(0) = θ(0)", "weight decay η", "teacher rate β"),
        ("cold", "eta", "beta", "cold teacher, ξ(0) = 0", "weight decay η", "teacher rate β"),
        ("split", "eta_p", "eta_s", "separate decays, no teacher", "predictor's decay η_p", "encoder's decay η_s"),
    )
    limit = float(data["threshold"])
    for axes, (name, x, y, title, x_label, y_label) in zip(panels, told, strict=True):
        shown = data[name].transpose(y, x)
        mesh = axes.pcolormesh(data[x], data[y], shown, cmap=SEQUENCE, vmin=0, vmax=1.2, rasterized=True)
        if float(shown.min()) < 1e-3 < float(shown.max()):
            axes.contour(data[x], data[y], np.log10(shown + 1e-12), levels=[-3], colors="white", linewidths=1.4)
        line = axes.axvline if name != "split" else axes.axhline
        line(limit, color="#D55E00", linewidth=1.6, linestyle="--")
        axes.set(title=title, xlabel=x_label, ylabel=y_label, yscale="log" if y == "beta" else "linear")
        axes.grid(False)
    figure.colorbar(mesh, ax=list(panels), label="|θ| at the end", shrink=0.9, extend="max")
    caption(
        figure,
        data,
        f"Dashed: exact threshold η_c = 1/(4(1+σ²)) = {limit:.4g}; white: boundary of collapse from this start at "
        f"t = {data.attrs['t_end']:g}. The threshold depends on the encoder's decay alone; the basin on everything",
    )
