"""The Dirac-GAN: which cures turn the circle into a spiral, and what discrete steps do to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS

EXPERIMENT = "dirac-gan"
OPTIONS: dict[str, Any] = {}
SIZE = (11.5, 8.6)

REACH = 2.1
# One look per variant, the same in every panel.
LOOKS: dict[str, dict[str, Any]] = {
    "unregularised": {"color": COLOURS["black"], "linestyle": "-"},
    "r1": {"color": COLOURS["vermilion"], "linestyle": "--"},
    "instance-noise": {"color": COLOURS["blue"], "linestyle": "-."},
    "non-saturating": {"color": COLOURS["green"], "linestyle": ":"},
    "wgan": {"color": COLOURS["grey"], "linestyle": "-"},
    "wgan-clip": {"color": COLOURS["orange"], "linestyle": "--"},
    "wgan-gp": {"color": COLOURS["purple"], "linestyle": "-."},
    "consensus": {"color": COLOURS["sky"], "linestyle": "-"},
}
CURES = {"r1": "r1, over γ", "instance-noise": "instance noise, over σ²", "consensus": "consensus, over γ"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Orbits of every variant in the plane; below, distances over time and eigenvalues over the strength."""
    grid = figure.add_gridspec(3, 12)
    for index, variant in enumerate(data["variant"].values):
        row, column = divmod(index, 4)
        axes = figure.add_subplot(grid[row, 3 * column : 3 * column + 3])
        one = data.sel(variant=variant)
        axes.plot(one["theta"], one["psi"], color=COLOURS["blue"], linewidth=1.4, label="flow")
        _steps(axes, one, "simultaneous", COLOURS["vermilion"], "x")
        _steps(axes, one, "alternating", COLOURS["green"], ".")
        axes.plot(0, 0, "+", color=COLOURS["black"], markersize=9)
        axes.plot(one["theta"][0], one["psi"][0], "o", color=COLOURS["black"], markersize=4)
        axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        axes.set_title(f"{variant}\n{one['eigenvalues'].item()}", fontsize=9)
        axes.tick_params(labelsize=7)
        if row == 1:
            axes.set_xlabel("generator θ", fontsize=9)
        if column == 0:
            axes.set_ylabel("discriminator ψ", fontsize=9)
        if variant == "r1":
            axes.legend(fontsize=7, loc="lower left", handlelength=1.2)

    distance, real, imaginary = (figure.add_subplot(grid[2, 4 * i : 4 * i + 4]) for i in range(3))
    for variant in data["variant"].values:
        one = data.sel(variant=variant)
        radius = np.hypot(one["theta"], one["psi"])
        distance.plot(one["time"], radius, linewidth=1.3, label=str(variant), **LOOKS[str(variant)])
    distance.set(yscale="log", ylim=(1e-4, 4), xlabel="flow time t", title="distance of the flow from (0, 0)")
    distance.legend(fontsize=6.5, loc="lower left", ncols=2)
    for variant, label in CURES.items():
        name = variant.replace("-", "_")
        for mode in range(data.sizes["mode"]):
            text = label if mode == 0 else None
            look = {"linewidth": 1.4, **LOOKS[variant]}
            real.plot(data["strength"], data[f"real_{name}"].isel(mode=mode), label=text, **look)
            imaginary.plot(data["strength"], data[f"imaginary_{name}"].isel(mode=mode), **look)
    real.set(xlabel="strength γ or σ²", title="real parts at (0, 0)")
    real.legend(fontsize=7, loc="lower left")
    imaginary.set(xlabel="strength γ or σ²", title="imaginary parts: 0 is overdamped")
    caption(
        figure,
        data,
        "Mescheder's one-parameter GAN; the eigenvalues in the titles are exact, at the solution (0, 0). Blue: the "
        f"flow, crosses: simultaneous, dots: alternating gradient steps of {data.attrs['lr']:g}. The unregularised "
        "flow circles and its simultaneous steps spiral out; R1 is critical at γ = 1, instance noise at σ² = 2. "
        f"Clipping and WGAN-GP settle on a cycle. Consensus with γ = {data.attrs['consensus_gamma']:g}",
    )


def _steps(axes: Any, one: xr.Dataset, kind: str, colour: str, marker: str) -> None:
    shown = slice(0, 120)
    x, y = one[f"{kind}_theta"][shown], one[f"{kind}_psi"][shown]
    axes.plot(x, y, marker, color=colour, markersize=3, markeredgewidth=0.7, alpha=0.7, label=kind, zorder=1)
