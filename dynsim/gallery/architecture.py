"""The two branches drawn, with the terms of the gradient in their colours and what each does to the toy's encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

# Boxes: centre, words; the upper row is the first branch of the encoder, the lower the second.
BOXES = {
    "image": (0.06, 0.5, "image\n$x$"),
    "view1": (0.24, 0.7, "$T_1(x)$"),
    "view2": (0.24, 0.3, "$T_2(x)$"),
    "encoder1": (0.45, 0.7, "encoder\n$f_θ$"),
    "encoder2": (0.45, 0.3, "encoder\n$f_θ$"),
    "predictor": (0.67, 0.7, "predictor\n$h_φ$"),
    "loss": (0.88, 0.5, "loss\n$l$"),
}
FORWARD = (("image", "view1"), ("image", "view2"), ("view1", "encoder1"), ("view2", "encoder2"),
           ("encoder1", "predictor"), ("predictor", "loss"), ("encoder2", "loss"))  # fmt: skip


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Velocities of the toy at its start: `theta_velocity` and `phi_velocity` over `branch`.

    The first branch's part of θ' is that of `stop`, the second's that of `target`; `full` is their sum.
    """
    rows = []
    for branch in BRANCHES:
        flow = system("toy", branch=branch)
        start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
        velocity = flow.field(parameters).f(0.0, [start[name] for name in flow.states])
        found = dict(zip(flow.states, velocity, strict=True))
        rows.append(xr.Dataset({f"{name}_velocity": float(found[name]) for name in ("phi", "theta")}))
    data = xr.concat(rows, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    values = {name: float(value) for name, value in flow.values(parameters).items()}
    about = {"name": "toy", "states": list(flow.states), "roles": flow.roles, "reference": flow.reference}
    return stamp(data, flow=about, parameters=values, initial=start)


def verdict(data: xr.Dataset) -> Verdict:
    """Say which way each branch pushes the encoder, and what is left of both."""
    first, both, second = (float(data["theta_velocity"].sel(branch=name)) for name in ("stop", "full", "target"))
    size = "grow" if first * _sign(data) > 0 else "shrink" if first * _sign(data) < 0 else "rest"
    other = "grow" if second * _sign(data) > 0 else "shrink" if second * _sign(data) < 0 else "rest"
    facts = [
        f"θ' of the first branch {first:.4g}, of the second {second:.4g}, of both {both:.4g}",
        f"the parts add up within {abs(first + second - both):.1g}",
        f"φ' is {float(data['phi_velocity'][0]):.4g} in every branch",
    ]
    return concluded("measured", f"The first branch lets the encoder {size}, the second lets it {other}",
                     "; ".join(facts))  # fmt: skip


def _sign(data: xr.Dataset) -> float:
    import json

    start = data.attrs["initial"]
    theta = (json.loads(start) if isinstance(start, str) else start)["theta"]
    return 1.0 if theta >= 0 else -1.0


def draw(data: xr.Dataset, figure: Any) -> None:
    """Boxes and arrows: forward in grey, the gradient's terms in colour."""
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(-0.1, 1.1))
    axes.axis("off")
    for x, y, words in BOXES.values():
        look = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": COLOURS["black"], "linewidth": 0.8}
        axes.text(x, y, words, ha="center", va="center", bbox=look, zorder=3, in_layout=False)
    for a, b in FORWARD:
        _arrow(axes, BOXES[a][:2], BOXES[b][:2], COLOURS["grey"], 0.0, 0.9)
    first, second = BRANCH_STYLE["stop"]["color"], BRANCH_STYLE["target"]["color"]
    _arrow(axes, BOXES["loss"][:2], BOXES["predictor"][:2], first, 0.28, 2.0)
    _arrow(axes, BOXES["predictor"][:2], BOXES["encoder1"][:2], first, 0.42, 2.0)
    _arrow(axes, BOXES["loss"][:2], BOXES["encoder2"][:2], second, -0.25, 2.0)
    velocity: dict[str, str] = {
        name: f"{float(data['theta_velocity'].sel(branch=name)):+.3g}".replace("-", "−") for name in BRANCHES
    }
    terms = (
        (
            1.0,
            "top",
            first,
            "first branch",
            r"\partial l/\partial h\cdot\partial h/\partial f\cdot\partial f/\partial θ",
            "stop",
        ),
        (
            0.0,
            "bottom",
            second,
            "second branch, gone with sg",
            r"\partial l/\partial f\cdot\partial f/\partial θ",
            "target",
        ),
    )
    for y, side, colour, words, term, branch in terms:
        text = f"{words}: ${term}$\ntoy: θ' = {velocity[branch]}"
        axes.text(0.55, y, text, color=colour, ha="center", va=side, in_layout=False)
    axes.plot([], [])
    axes.scatter([BOXES["loss"][0]], [BOXES["loss"][1]], s=0)
    caption(figure, data, "Thin: forward. Thick: the two ways on which the gradient reaches the encoder; without "
            f"stop-gradient both add up, in the toy to θ' = {velocity['full']}")  # fmt: skip


def _arrow(
    axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float, width: float
) -> None:
    reach = 24 if axes.bbox.width / axes.figure.dpi > 5 else 17  # points, to the edge of a box
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": reach, "shrinkB": reach,
            "connectionstyle": f"arc3,rad={bend}", "mutation_scale": 11}  # fmt: skip
    axes.annotate("", end, start, arrowprops=look, zorder=2)


FIGURE = Figure(
    name="architecture",
    summary="The two branches drawn, with the terms of the gradient in their colours",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.2,
    height=3.5,
)
