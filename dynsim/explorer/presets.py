"""Views worth opening: one per figure of the article, and the starts at which the answer changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import filled

__all__ = ["PRESETS", "presets_of"]

_NOISE = {"sigma2": 0.1, "eta_p": 0.0, "eta_s": 0.0}
_ESCAPE = {"phi": 0.9, "theta": 0.5}

PRESETS: Mapping[str, Setting] = {
    "article: the three runs": Setting("toy", compare=True),
    "article-stop: with stop-gradient": Setting("toy"),
    "article-full: without stop-gradient": Setting("toy", branch="full"),
    "article-target: only the second branch": Setting("toy", branch="target"),
    "loss-rise: it rises on the way": Setting("toy", initial={"phi": 0.6, "theta": 0.05}, t_end=50.0),
    "stop-gradient fails: φ too large": Setting("toy", initial={"phi": 1.5, "theta": 0.5}),
    "stop-gradient fails: φ negative": Setting("toy", initial={"phi": -0.6, "theta": 0.5}),
    "alive without stop-gradient": Setting("toy", branch="full", initial=_ESCAPE),
    "a tiny encoder": Setting("toy", initial={"phi": 0.6, "theta": 1e-3}, t_end=100.0, compare=True),
    "predictor-ratio: a fast predictor": Setting("toy", parameters={"alpha": 10.0}, compare=True),
    "noise-closes-the-escape: collapse": Setting(
        "scalar", branch="full", initial=_ESCAPE, parameters=_NOISE, t_end=100.0
    ),
    "bifurcation-decay: weak decay, alive": Setting(
        "scalar", parameters={"sigma2": 0.1, "eta_p": 0.1, "eta_s": 0.1}, t_end=200.0
    ),
    "bifurcation-decay: beyond the fold, collapse": Setting(
        "scalar", parameters={"sigma2": 0.1, "eta_p": 0.25, "eta_s": 0.25}, t_end=100.0
    ),
    "ema: a teacher that starts at zero": Setting("byol", initial={"phi": 0.6, "theta": 0.1, "xi": 0.0}, t_end=100.0),
}
"""What a view shows → its setting; explorer and pages offer the same."""


def presets_of(setting: Setting) -> dict[str, Setting]:
    """Return the views of the system of a setting, filled, by name; those of a page, which holds one system.

    Examples
    --------
    >>> from dynsim.explorer.presets import presets_of
    >>> from dynsim.explorer.setting import Setting
    >>> list(presets_of(Setting("byol")))
    ['ema: a teacher that starts at zero']
    """
    same = {name: one for name, one in PRESETS.items() if one.source == setting.source and setting.variant is None}
    return {name: filled(replace(one, time=setting.time)) for name, one in same.items()}
