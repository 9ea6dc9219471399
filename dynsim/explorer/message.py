"""Pictures as messages to the browser: plain values and binary buffers of doubles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from dynsim.explorer.phase_plane import ARROWS, Line, PlaneData
from dynsim.explorer.picture import Picture, shown_encoder
from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import to_text
from dynsim.explorer.steps import slider_step
from dynsim.explorer.subject import Subject, is_steady, subject
from dynsim.symbolic.printing import unicode_name

__all__ = ["equal_scales", "frame_message", "scene_message", "styles"]

_ROLES = ("predictor", "encoder", "teacher")
_RANK = ("", " second", " third")


def frame_message(picture: Picture, serial: int, heard: int = 0, distance: str = "") -> dict[str, Any]:
    """Return the frame as the browser reads it; `heard` is the number of the last move of the start that it knows."""
    verdict, loss = picture.verdict, picture.loss
    return {
        "serial": serial,
        "heard": heard,
        "subject": id(subject(picture.setting)),
        "branch": picture.setting.branch,
        "start": json.dumps(dict(picture.setting.initial)),
        "parameters": json.dumps(dict(picture.setting.parameters)),
        "time": _bytes(picture.time),
        "states": [{"name": name, "values": _bytes(values)} for name, values in picture.states.items()],
        "ratios": [{"name": name, "values": _bytes(values)} for name, values in picture.ratios.items()],
        "loss": None if loss is None else _bytes(loss),
        "rises": loss is not None and _rises(loss),
        "branches": [
            {
                "branch": branch,
                "encoder": _bytes(run.encoder),
                "loss": None if run.loss is None else _bytes(run.loss),
                "orbit": [_bytes(run.orbit[0]), _bytes(run.orbit[1])],
            }
            for branch, run in picture.branches.items()
        ],
        "text": _text(picture.setting),
        "orbits": [[_bytes(across), _bytes(upwards)] for across, upwards in picture.orbits],
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "distance": distance,
        "limit": verdict.limit,
        "collapsed": verdict.collapsed,
        "settled": verdict.settled,
    }


def scene_message(setting: Setting, scenery: PlaneData, serial: int, half_lives: str = "") -> dict[str, Any]:
    """Return what stands still as the browser reads it."""
    about = subject(setting)
    drawn = styles(about)
    pairs = {name: next(iter(about.flow.roles.get(name, ())), "") for name in ("predictor", "encoder")}
    fast, slow = pairs["predictor"] or about.flow.states[0], pairs["encoder"] or about.flow.states[-1]
    if slow == fast:
        slow = next((name for name in about.flow.states if name != fast), slow)
    return {
        "serial": serial,
        "subject": id(about),
        "settled": scenery.settled,
        "line": len(about.plane) == 1,
        "axes": _axes(about, setting, scenery),
        "states": [{"name": name, "label": unicode_name(name), "style": drawn[name]} for name in about.flow.states],
        "compared": unicode_name(shown_encoder(about)),
        "equal": equal_scales(scenery.box) and len(about.plane) == 2,
        "fast": unicode_name(fast),
        "slow": unicode_name(slow),
        "halves": half_lives,
        "time": setting.time,
        "t_end": setting.t_end,
        "caption": _caption(about, setting),
        "columns": ARROWS,
        "arrows": _bytes(scenery.arrows),
        "nullclines": [
            {"style": drawn.get(name, "ink"), "label": unicode_name(name), **_line(line)}
            for name, line in scenery.nullclines
        ],
        "lines": [{"attracts": attracts, **_line(line)} for line, attracts in scenery.lines],
        "points": [{"x": x, "y": y, "kind": kind} for x, y, kind in scenery.points],
        "separatrices": [{"into": leads_in, **_line(line)} for line, leads_in in scenery.separatrices],
    }


def _text(setting: Setting) -> str:
    """What an address holds; nothing where no text gives the view again."""
    return to_text(setting) if isinstance(setting.source, str) else ""


def equal_scales(box: Sequence[tuple[float, float]]) -> bool:
    """Whether a unit is drawn equally long across and upwards, so that circles are circles.

    Not where that would leave most of the plane empty: one side more than three times the other.

    Examples
    --------
    >>> from dynsim.explorer.message import equal_scales
    >>> equal_scales([(-1.5, 1.75), (-1.5, 1.5)]), equal_scales([(0.0, 100.0), (0.0, 1.0)])
    (True, False)
    """
    across, upwards = (high - low for low, high in box)
    return 1 / 3 <= across / upwards <= 3


def _axes(about: Subject, setting: Setting, scenery: PlaneData) -> list[dict[str, Any]]:
    names = setting.plane or about.plane
    axes = []
    for index, (low, high) in enumerate(scenery.box):
        name = names[index] if index < len(names) else f"velocity of {names[0]}"
        reach = about.ranges.get(name, (low, high))
        label = unicode_name(name) if index < len(names) else f"d{unicode_name(names[0])}/dt"
        axes.append(
            {
                "name": name,
                "label": label,
                "low": low,
                "high": high,
                "from": reach[0],
                "to": reach[1],
                "step": slider_step(*reach),
            }
        )
    return axes


def _caption(about: Subject, setting: Setting) -> str:
    plane = setting.plane or about.plane
    if not is_steady(setting):
        what = "velocity" if len(plane) == 1 else "field"
        return f"{what} at t = 0: it changes with t, so there are no nullclines and no equilibria"
    if len(plane) == 1:
        known = "; dots: equilibria, filled where they attract" if about.equations else ""
        return f"phase line: drag the start{known}"
    rest = [f"{unicode_name(name)} = {setting.initial[name]:g}" for name in about.flow.states if name not in plane]
    where = f" at {', '.join(rest)}" if rest else ""
    return f"phase plane{where}: drag the start, click to add an orbit"


def _rises(loss: np.ndarray) -> bool:
    """Whether a loss, of either sign, climbs above its start by a thousandth of all that it does."""
    known = loss[np.isfinite(loss)]
    return known.size > 1 and bool(known.max() - known[0] > 1e-3 * (known.max() - known.min()) > 0)


def styles(about: Subject) -> dict[str, str]:
    """Style of the curve of every state: by its role, else one after the other."""
    drawn = dict.fromkeys(about.flow.states, "ink")
    for role in _ROLES:
        for index, name in enumerate(about.flow.roles.get(role, ())):
            drawn[name] = role + _RANK[min(index, len(_RANK) - 1)]
    if not any(about.flow.roles.values()):
        for index, name in enumerate(about.flow.states):
            drawn[name] = _ROLES[index % len(_ROLES)]
    return drawn


def _line(line: Line) -> dict[str, bytes]:
    return {"x": _bytes(line[0]), "y": _bytes(line[1])}


def _bytes(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()
