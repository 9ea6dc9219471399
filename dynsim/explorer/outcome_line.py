"""The line that says how the run ends, exactly where that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dynsim.analysis.numerics.outcome import Outcome, outcome
from dynsim.explorer.closed_form import formulas
from dynsim.explorer.live_run import LiveRun, live_run
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import Subject, analysed, is_steady, subject
from dynsim.symbolic.printing import unicode_name

__all__ = ["OutcomeLine", "quick_outcome", "settled_outcome"]

_WORDS = {True: "collapse", False: "no collapse", None: "undecided"}


@dataclass(frozen=True)
class OutcomeLine:
    """How a run ends, in words.

    Attributes
    ----------
    sentence : str
        "θ → 0.8062 = √(θ₀² − φ₀² + 1), φ → 1: no collapse".
    reason : str
        The rule, or what was integrated.
    limit : dict
        ``{state: value}``; empty while it is not known.
    collapsed : bool or None
    exact : bool
    settled : bool
        False where the verdict still has to be integrated.
    """

    sentence: str
    reason: str
    limit: dict[str, float]
    collapsed: bool | None
    exact: bool
    settled: bool


def quick_outcome(setting: Setting, run: LiveRun) -> OutcomeLine:
    """OutcomeLine by a rule where there is one; else what the run shows so far, to be settled later.

    Examples
    --------
    >>> from dynsim.explorer.live_run import live_run
    >>> from dynsim.explorer.outcome_line import quick_outcome
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> setting = filled(Setting("toy"))
    >>> quick_outcome(setting, live_run(setting)).sentence
    'θ → 0.8062 = √(θ₀² − φ₀² + 1), φ → 1: no collapse'
    """
    about = subject(setting)
    if _has_rule(about, setting):
        return _said(about, setting, _outcome(setting))
    if not is_steady(setting) and run.diverged is None:
        reason = "the flow changes with the time t: shown is where the run is, it has no exact end"
        return OutcomeLine(_now(about, run), reason, {}, None, False, True)
    if run.diverged is not None:
        return OutcomeLine(f"the run diverges at t = {run.diverged:.4g}", "no rest to reach", {}, None, False, True)
    return OutcomeLine(_now(about, run), "integrating to rest …", {}, None, False, False)


def settled_outcome(setting: Setting) -> OutcomeLine:
    """OutcomeLine after integrating until it is known whether the run rests, circles or grows."""
    about = subject(setting)
    if not is_steady(setting):
        return quick_outcome(setting, live_run(setting))
    return _said(about, setting, _outcome(setting))


def _outcome(setting: Setting) -> Outcome:
    flow, values = analysed(setting)
    return outcome(flow, setting.initial, values)


def _has_rule(about: Subject, setting: Setting) -> bool:
    """Whether an exact rule says where every state ends."""
    exact = None if about.equations is None else about.equations.exact
    known = None if exact is None or setting.schedules else exact.end(setting.initial, setting.parameters)
    return known is not None and set(known.values) >= set(about.flow.states)


def _now(about: Subject, run: LiveRun) -> str:
    last = dict(zip(about.flow.states, run.states[:, -1], strict=True))
    told = ", ".join(f"{unicode_name(name)} = {_short(last[name])}" for name in _order(about, last))
    return f"{told} at t = {run.times[-1]:.4g}"


def _said(about: Subject, setting: Setting, end: Outcome) -> OutcomeLine:
    limit = {name: float(value) for name, value in end.limit.items()}
    if not all(np.isfinite(list(limit.values()))):
        sentence, _, rest = end.reason.partition("; no state is known")
        reason = "not exact: integrated" + (f"; no state is known{rest}" if rest else "")
        return OutcomeLine(sentence, reason, {}, None, False, True)
    told = {} if setting.schedules else formulas(about, setting.initial, setting.parameters, limit)
    parts = [
        f"{unicode_name(name)} → {_short(limit[name])}" + (f" = {told[name]}" if name in told else "")
        for name in _order(about, limit)
    ]
    word = _WORDS[end.collapsed] if about.flow.roles.get("encoder") else ""
    sentence = ", ".join(parts) + (f": {word}" if word else "")
    return OutcomeLine(
        sentence, f"{'exact' if end.exact else 'not exact'}: {end.reason}", limit, end.collapsed, end.exact, True
    )


def _order(about: Subject, values: Mapping[str, float]) -> list[str]:
    """Encoder first: its fate is the question."""
    encoder = [name for name in about.flow.roles.get("encoder", ()) if name in values]
    return [*encoder, *[name for name in values if name not in encoder]]


def _short(value: float) -> str:
    return f"{0.0 if abs(value) < 5e-8 else value:.4g}".replace("-", "−")
