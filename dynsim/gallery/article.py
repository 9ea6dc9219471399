"""The article's runs: the toy in one branch, with its exact end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.drawing.runs import draw_article_run
from dynsim.gallery.figure import Figure
from dynsim.integrate.solve import solve
from dynsim.records import provenance
from dynsim.systems.catalogue import system as find_system


def compute(
    progress: Any = None,
    *,
    system: str = "toy",
    branch: str = "stop",
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 30.0,
) -> xr.Dataset:
    """Integrate one run; ``limit_<state>`` and the attribute `outcome` say where it ends."""
    flow = find_system(system, branch=branch)
    start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
    data = solve(flow, start, t_end, parameters=parameters)
    end = outcome(flow, start, parameters)
    for name, value in end.limit.items():
        data[f"limit_{name}"] = float(value)
    data.attrs.update(
        collapsed={True: "yes", False: "no", None: "undecided"}[end.collapsed],
        outcome_exact=int(end.exact),
        outcome_reason=end.reason,
    )
    return data


def verdict(data: xr.Dataset) -> str:
    """Say whether the encoder survived, and how far the run's last value is from its exact end."""
    about = provenance(data)
    encoder = about["flow"]["roles"]["encoder"][0]
    last, limit = float(data[encoder][-1]), float(data[f"limit_{encoder}"])
    word = {"yes": "collapses", "no": "survives", "undecided": "stays undecided"}[about["collapsed"]]
    source = "exact" if about["outcome_exact"] else "integrated"
    return (
        f"branch '{about['flow']['branch']}': {encoder} {word}: {last:.4g} at the end of the run, "
        f"{limit:.4g} in the limit ({source}: {about['outcome_reason']})"
    )


def _figure(branch: str, summary: str, condition: str, loss: str) -> Figure:
    def draw(data: xr.Dataset, figure: Any) -> None:
        """Draw φ(t) and θ(t) with their exact limits."""
        draw_article_run(data, figure, condition, loss)

    return Figure(
        name=f"article-{branch}",
        summary=summary,
        compute=partial(compute, branch=branch),
        verdict=verdict,
        draw=draw,
        cost=0.1,
        size=(6.4, 4.0),
    )


STOP = _figure(
    "stop",
    "The article's first plot: with stop-gradient",
    "With stop-gradient",
    "loss ½(φθ − sg(θ))², second branch of the encoder removed (SimSiam)",
)
FULL = _figure(
    "full",
    "The article's second plot: both branches of the encoder kept",
    "Without stop-gradient",
    "loss ½(φθ − θ)², both branches of the encoder kept",
)
TARGET = _figure(
    "target",
    "The article's remark: only the encoder's second branch kept",
    "Only the second branch",
    "loss ½(φθ − θ)²; of the encoder's two branches only the second is kept",
)
