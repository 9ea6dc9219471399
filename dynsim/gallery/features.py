"""Which features of the digits live under each method: reliability against amplitude, as theory has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption, values
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.trained_networks import images_of
from dynsim.methods.features import features
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

ASKED: dict[str, dict[str, Any]] = {
    "simsiam": {"eta": 0.002},
    "spectral": {"eta_s": 0.1},
    "lejepa": {"batch": 32, "views_per_image": 2},
    "vicreg": {"s": 25.0, "mu": 25.0, "cov": 1.0},
    "barlow": {"lam": 0.1},
    "infonce": {"tau": 0.5, "eta_s": 0.1},
}
FRONT = 3  # methods shown at the front
VARIABLES = ("lambda_d", "lambda_s", "reliability", "survives", "amplitude", "error_reliability")
VIEWS = 4  # of every image


def compute(
    progress: Progress | None = None, *, dim: int = 16, data: Any = "digits", images: int | None = None
) -> xr.Dataset:
    """Ask the methods which features of the images, seen through the default augmentation, live.

    Parameters
    ----------
    progress : callable, optional
    dim : int
        Embedding coordinates, the rank budget.
    data : str or images
        As `dynsim.networks.Experiment` takes them.
    images : int, optional
        Use only the first so many.

    Returns
    -------
    xarray.Dataset
        What `dynsim.features` returns, over `method` and `feature`.
    """
    from dynsim.networks import Experiment
    from dynsim.networks.view_moments import augmented_views

    experiment = Experiment(data=data, images=images)
    views = augmented_views(experiment, VIEWS)
    parts = []
    for index, (name, knobs) in enumerate(ASKED.items()):
        if progress:
            progress(index, len(ASKED), name)
        parts.append(features(name, views=views, dim=dim, **knobs)[list(VARIABLES)])
    found = xr.concat(parts, xr.DataArray(list(ASKED), dims="method", name="method"), combine_attrs="drop")
    asked = {name: str(knobs) for name, knobs in ASKED.items()}
    return stamp(found, kind="features", dim=dim, experiment=experiment.to_dict(), asked=asked)


def verdict(data: xr.Dataset) -> Verdict:
    """How many features live under each method."""
    counts = {
        str(name): [int((data["survives"].sel({"method": name}) == value).sum()) for value in (1, 0, -1)]
        for name in data["method"].values
    }
    total = data.sizes["feature"]
    details = [
        f"{name} ({', '.join(f'{knob} = {value:g}' for knob, value in ASKED[name].items())}): "
        f"{alive} alive, {dead} dead, {open_} undecided within two standard errors"
        for name, (alive, dead, open_) in counts.items()
    ]
    low, high = min(row[0] for row in counts.values()), max(row[0] for row in counts.values())
    return concluded(
        "measured",
        f"Of {total} features of {images_of(data)} {low} to {high} live, by the method",
        "; ".join([*details, "after theory for a linear encoder, no network was trained"]),
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Three methods."""
    _draw(data, figure, list(data["method"].values)[:FRONT], 1)


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """All methods."""
    names = list(data["method"].values)
    _draw(data, figure, names, -(-len(names) // FRONT))


def _draw(data: xr.Dataset, figure: Any, names: list[Any], rows: int) -> None:
    axes = figure.subplots(rows, FRONT).ravel() if rows > 1 else panel_row(figure, FRONT)
    for name, panel in zip(names, axes, strict=False):
        one = data.sel({"method": name})
        knobs = values({knob: number for knob, number in ASKED[str(name)].items() if knob != "views_per_image"})
        panel.set_title(f"{name}\n{knobs}")
        _draw_method(one, panel)
    axes[0].legend(loc="upper left")
    for panel in axes[len(names) :]:
        panel.remove()
    caption(
        figure,
        data,
        f"A dot is a feature of {images_of(data)} under the default augmentation, after theory; filled: alive; empty: "
        f"dead; cross: undecided within two standard errors (bars: one, bootstrap over images); "
        f"{data.attrs['dim']} rows",
    )


def _draw_method(one: xr.Dataset, axes: Any) -> None:
    size = one["amplitude"].values
    top = size[np.isfinite(size)].max(initial=0.0) or 1.0
    for value, colour, face, marker, label in (
        (1, COLOURS["blue"], COLOURS["blue"], "o", "alive"),
        (0, COLOURS["vermilion"], "white", "o", "dead"),
        (-1, COLOURS["grey"], COLOURS["grey"], "x", "undecided"),
    ):
        chosen = (one["survives"] == value).values
        if chosen.any():
            x, error = one["reliability"].values[chosen], one["error_reliability"].values[chosen]
            style = {"color": colour, "markerfacecolor": face, "markersize": 3.5, "elinewidth": 0.5}
            axes.errorbar(x, np.minimum(size[chosen], 1.2 * top), xerr=error, fmt=marker, label=label, **style)
    axes.set(xlabel="reliability λ$_d$/λ$_s$", ylabel="amplitude v", xlim=(-0.03, 1.03))


FIGURE = Figure(
    name="features",
    summary="Which features of the digits live under each method: reliability, amplitude",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=12.0,
    height=3.4,
    full_height=5.8,
    panels=3,
    needs=("networks",),
    small={"dim": 4, "images": 100},
)
