"""The article's runs: the toy, or another system, in one branch or in all three, with exact ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import Outcome, outcome
from dynsim.choices import Branch
from dynsim.drawing.labels import label_ends
from dynsim.drawing.runs import draw_states
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import BRANCHES as BRANCH_WORDS
from dynsim.drawing.words import caption, symbol
from dynsim.errors import InvalidValue
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.validation import times_of
from dynsim.integrate.variables import coordinates, variable
from dynsim.names import unicode_name
from dynsim.records import provenance, stamp
from dynsim.status import Status, status_attributes
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict, Word

FATES = {"yes": "the encoder collapses", "no": "the encoder survives", "undecided": "undecided"}


def compute(
    progress: Any = None,
    *,
    system: str = "toy",
    branch: Branch = "stop",
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 30.0,
) -> xr.Dataset:
    """Integrate one run; ``limit_<state>`` and the attribute `outcome` say where it ends."""
    from dynsim.integrate.solve import solve  # SciPy's integrators, which a closed form does without

    flow = find_system(system, branch=branch)
    start = _start(flow, initial)
    data = solve(flow, start, t_end, parameters=parameters)
    end = outcome(flow, start, parameters)
    for name, value in end.limit.items():
        data[f"limit_{name}"] = variable((), float(value))
    data.attrs.update(_fate(end))
    return data


def compute_all(
    progress: Any = None,
    *,
    system: str = "toy",
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 30.0,
) -> xr.Dataset:
    """Follow the same start in the three branches, over the dimension `branch`: exactly where that is known."""
    flows = [find_system(system, branch=branch) for branch in BRANCHES]
    start, times = _start(flows[0], initial), times_of(t_end, None, backward=True)
    ends = [outcome(flow, start, parameters) for flow in flows]
    runs = [_run(flow, start, parameters, times) for flow in flows]
    found = {name: variable(("branch", *one.dims), np.stack([run[name].values for run in runs]), one.attrs)
             for name, one in runs[0].items()}  # fmt: skip
    found |= {f"limit_{name}": variable("branch", [float(end.limit[name]) for end in ends]) for name in ends[0].limit}
    found |= {name: variable("branch", [_fate(end)[name] for end in ends]) for name in _fate(ends[0])}
    axes = {"branch": variable("branch", list(BRANCHES)), "time": variable("time", times)}
    about = {name: getattr(flows[0], name) for name in ("name", "states", "roles", "reference")}
    return stamp(
        xr.Dataset(found, coordinates(axes)),
        flow={name: value for name, value in about.items() if value},
        parameters=flows[0].values(parameters),
        initial={name: float(value) for name, value in start.items()},
    )


def _run(flow: Flow, start: Any, parameters: Any, times: np.ndarray) -> dict[str, xr.Variable]:
    """States and status of one run, by the closed form where there is one, for which no integrator is imported."""
    if flow.exact is not None and flow.exact.solution is not None and times[-1] > 0:
        values = {name: float(value) for name, value in flow.values(parameters).items()}
        with suppress(InvalidValue), np.errstate(all="ignore"):  # parameters for which it does not hold
            states = flow.exact(times, {name: float(value) for name, value in start.items()}, values)
            if all(np.isfinite(states[name]).all() for name in flow.states):
                found = {name: variable("time", states[name]) for name in flow.states}
                return {**found, "status": variable((), np.int8(Status.OK), status_attributes())}
    from dynsim.integrate.solve import solve

    run = solve(flow, start, times=times, parameters=parameters)
    return {name: run.variables[name] for name in (*flow.states, "status")}


def _start(flow: Flow, initial: Mapping[str, float] | None) -> dict[str, Any]:
    return {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}


def _fate(end: Outcome) -> dict[str, Any]:
    collapsed = {True: "yes", False: "no", None: "undecided"}[end.collapsed]
    return {"collapsed": collapsed, "outcome_exact": int(end.exact), "outcome_reason": end.reason}


def verdict(data: xr.Dataset) -> Verdict:
    """Say whether the encoder survives, and how far the run's last value is from its exact end."""
    about = provenance(data)
    encoder = about["flow"]["roles"]["encoder"][0]
    last, limit = float(data[encoder].values[-1]), float(data[f"limit_{encoder}"])
    source = "exact" if about["outcome_exact"] else "integrated"
    detail = (
        f"branch '{about['flow']['branch']}'; {encoder} is {last:.4g} at the end of the run and {limit:.4g} in the "
        f"limit; {source}: {about['outcome_reason']}"
    )
    headline = (
        f"{_branch(about['flow']['branch'])}: {unicode_name(encoder)} → {_shown(limit)}, {FATES[about['collapsed']]}"
    )
    return concluded("measured", headline, detail)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw every state over time with its exact limit."""
    about = provenance(data)
    limits = {name: float(data[f"limit_{name}"]) for name in about["flow"]["states"]}
    draw_states(data, figure.subplots(), limits)
    kind = "exact" if about["outcome_exact"] else "integrated"
    caption(figure, data, f"Dotted: limits, {kind} ({about['outcome_reason']})")


def verdict_all(data: xr.Dataset) -> Verdict:
    """Say in which branches the encoder survives."""
    encoder = provenance(data)["flow"]["roles"]["encoder"][0]
    fates, ends, reasons = (
        dict(zip(map(str, data["branch"].values), data[name].values, strict=True))
        for name in ("collapsed", f"limit_{encoder}", "outcome_reason")
    )
    detail = "; ".join(
        f"{branch}: {unicode_name(encoder)} → {ends[branch]:.6g}, {FATES[str(fate)]} ({reasons[branch]})"
        for branch, fate in fates.items()
    )
    alive = [branch for branch, fate in fates.items() if fate == "no"]
    if len(alive) == len(fates):
        headline = "From this start the encoder survives in all three branches"
    elif not alive:
        word = "collapses" if set(fates.values()) == {"yes"} else "survives for certain"
        headline = f"From this start the encoder {word} in {'all' if word == 'collapses' else 'none of the'} branches"
    else:
        names = " and ".join(_branch(branch).lower() for branch in alive)
        headline = f"The encoder survives only {names.replace('only the second', 'by the second')}"
        headline += f": {unicode_name(encoder)} → {', '.join(_shown(ends[branch]) for branch in alive)}"
    claim: Word = "holds" if alive == ["stop"] else "holds under conditions" if "stop" in alive else "does not hold"
    return concluded(claim, headline, detail)


def draw_all(data: xr.Dataset, figure: Any) -> None:
    """Draw the encoder of every branch as a line in the branch's colour, the predictor as a thin one."""
    axes = figure.subplots()
    roles = provenance(data)["flow"]["roles"]
    encoder, predictor = roles["encoder"][0], (roles.get("predictor") or [None])[0]
    time, encoders = data["time"].values, data[encoder].values
    labels = []
    for index, branch in enumerate(map(str, data["branch"].values)):
        style = BRANCH_STYLE[branch]
        axes.plot(time, encoders[index], linewidth=2.0, **style)
        labels.append((float(encoders[index, -1]), f"{symbol(encoder)} {BRANCH_WORDS[branch]}", style["color"]))
        if predictor:
            axes.plot(time, data[predictor].values[index], linewidth=0.9, alpha=0.55, **style)
    axes.axhline(0, color=COLOURS["black"], linewidth=1.0)
    axes.annotate(f"{symbol(encoder)} = 0: collapsed", (0.01, 0), xycoords=("axes fraction", "data"), va="top",
                  xytext=(0, -2), textcoords="offset points", fontsize=7)  # fmt: skip
    low = min(float(encoders.min()), 0.0)
    axes.set(xlabel="flow time t", xlim=(float(time[0]), float(time[-1])))
    axes.set_ylim(bottom=low - 0.09 * (float(encoders.max()) - low))
    label_ends(axes, labels)
    caption(figure, data, f"Thick: the encoder {unicode_name(encoder)}",
            f"Thin, in the same colours: the predictor {unicode_name(predictor)}" if predictor else "")  # fmt: skip


def _branch(branch: str) -> str:
    words = BRANCH_WORDS.get(branch, f"branch {branch}")
    return words[:1].upper() + words[1:]


def _shown(value: float) -> str:
    return "0" if abs(value) < 1e-6 else f"{value:.3g}" if np.isfinite(value) else "no limit"


def _figure(branch: Branch, summary: str) -> Figure:
    return Figure(
        name=f"article-{branch}",
        summary=summary,
        compute=partial(compute, branch=branch),
        verdict=verdict,
        draw=draw,
        cost=0.1,
        height=2.9,
    )


STOP = _figure("stop", "The article's first plot: with stop-gradient")
FULL = _figure("full", "The article's second plot: both branches of the encoder kept")
TARGET = _figure("target", "The article's remark: only the encoder's second branch kept")


FIGURE = Figure(
    name="article",
    summary="The article's runs on one axis: the encoder in the three branches",
    compute=compute_all,
    verdict=verdict_all,
    draw=draw_all,
    cost=0.3,
    height=3.0,
)
