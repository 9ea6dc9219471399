"""Has it collapsed, of what kind, by what mechanism, at what threshold, and what to turn first?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from dynsim.errors import bad, explained
from dynsim.integrate.training_settings import training_parameters
from dynsim.monitor.features import checked_settings
from dynsim.monitor.mechanisms import Explanation, explain
from dynsim.monitor.observation import Observation, observe
from dynsim.monitor.report import report
from dynsim.records import as_json
from dynsim.table import Table

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What has happened to a representation; `dynsim.diagnose` makes it.

    Parameters
    ----------
    kinds : tuple of str
        Gravest first, of not-finite, constant, one-prototype, uniform, vanishing, exploding, dimensional, dead-layer,
        frozen-teacher, unsure, healthy.
    evidence : Table
        Every measure: its value, where it is collapsed, where healthy, and what it speaks for.
    summary : str
        One line.
    mechanism : str
        Why the gravest kind happens, with the equation, and how sure that is.
    threshold : str
        With the user's own numbers as far as they are known.
    advice : tuple of str
        What to turn, first things first.
    references : tuple of str
        What the mechanism rests on.

    See Also
    --------
    diagnose : what makes one.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> found = dynsim.diagnose(rng.normal(size=(500, 2)) @ rng.normal(size=(2, 32)))
    >>> found.kinds, found.collapsed
    (('dimensional',), True)
    >>> print(str(found).splitlines()[0])
    dimensional: the features use few of their dimensions (rankme 1.97, participation 1.77)
    """

    kinds: tuple[str, ...]
    evidence: Table
    summary: str
    mechanism: str
    threshold: str
    advice: tuple[str, ...]
    references: tuple[str, ...]
    _seen: Observation = field(repr=False, compare=False)
    _decay: float | None = field(default=None, repr=False, compare=False)

    @property
    def ranking(self) -> tuple[int, ...]:
        """Of a series of embeddings: numbers of the checkpoints, best first, without labels."""
        return self._seen.ranking

    @property
    def collapsed(self) -> bool | None:
        """True for any failure, False for a healthy one, None where unsure."""
        return False if self.kinds == ("healthy",) else None if self.kinds == ("unsure",) else True

    def __str__(self) -> str:
        lines = [self.summary]
        if len(self.kinds) > 1:
            lines.append(f"also: {', '.join(self.kinds[1:])}")
        lines.append(f"why: {self.mechanism}")
        if self.threshold:
            lines.append(f"threshold: {self.threshold}")
        lines += [f"{'first' if i == 0 else 'then'}: {text}" for i, text in enumerate(self.advice)]
        lines += [f"see: {text}" for text in self.references]
        if self.ranking:
            lines.append(f"checkpoints, best first, without labels: {', '.join(map(str, self.ranking))}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything as JSON text; what is not finite becomes null."""
        rows = [{**row, "value": _finite(row["value"])} for row in self.evidence]
        values = {
            "kinds": self.kinds, "collapsed": self.collapsed, "summary": self.summary, "evidence": rows,
            "mechanism": self.mechanism, "threshold": self.threshold, "advice": self.advice,
            "references": self.references, "ranking": self.ranking,
        }  # fmt: skip
        return json.dumps(json.loads(as_json(values)), indent=2, ensure_ascii=False, allow_nan=False)

    def to_html(self) -> str:
        """Return one self-contained page: text, evidence, and pictures.

        These are the spectrum, a map of the embedding, features as predicted and as observed (with paired views), and
        the measures over time.

        It has no script, and its Content-Security-Policy allows nothing but its own style.
        """
        return report(self._sections(), self.evidence, self._seen, self._decay)

    def _sections(self) -> dict[str, Any]:
        return {
            "title": self.summary.partition(":")[0],
            "Summary": self.summary,
            "Kinds": ", ".join(self.kinds),
            "Mechanism": self.mechanism,
            "Threshold": self.threshold,
            "What to turn": self.advice,
            "References": self.references,
            "Checkpoints, best first, without labels": ", ".join(map(str, self.ranking)),
        }

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escape(self.summary)}</b></p><p>{escape(self.mechanism)}</p>"]
        if self.threshold:
            parts.append(f"<p>{escape(self.threshold)}</p>")
        if self.advice:
            parts.append(f"<ol>{''.join(f'<li>{escape(text)}</li>' for text in self.advice)}</ol>")
        return "".join(parts) + self.evidence._repr_html_()


def _finite(value: Any) -> Any:
    return value if not isinstance(value, float) or value - value == 0 else None


@explained("how-to/is-my-checkpoint-collapsed")
def diagnose(
    source: Any,
    paired: Any = None,
    *,
    outputs: str = "embedding",
    settings: Mapping[str, Any] | None = None,
    labels: Any = None,
    initial: Any = None,
    teacher: Any = None,
) -> Diagnosis:
    """Say whether a representation has collapsed, of what kind, why, at what threshold, and what to turn first.

    Parameters
    ----------
    source : array, list of arrays, Dataset, path or monitor
        Outputs of an encoder for some hundred samples, (N, d); or a list of such from checkpoints in order; or the
        Dataset (or its path) of `dynsim.networks.train` or of `dynsim.monitor.Monitor`. Arrays, tables, tensors, or
        the path of a .npy or .pt file, which is never unpickled; so for the other arguments.
    paired : array or list, optional
        The same samples under another augmentation, row by row; for a series one for each, or one for its end.
    outputs : str
        ``embedding``, ``logits`` or ``probabilities`` (of prototypes).
    settings : mapping, optional
        Words of training code, such as lr, weight_decay, momentum, ema, tau_t, tau_s, centre_momentum, as
        `training_parameters` reads them: the threshold then has your numbers in it. tau_s divides logits.
    labels : array, optional
        Classes (N,): adds the kNN accuracy between two halves.
    initial : array, optional
        Outputs at the start of training: without it nobody can tell whether a norm has shrunk.
    teacher : array, or sequence of arrays, state dicts or modules, optional
        The teacher's outputs for the same samples, or its outputs or parameters in order, to see whether it moves.
        A single matrix is compared with `initial`, for a teacher starts as a copy of its student.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        Shapes that do not fit, ids given as labels, unknown settings, a Dataset without measures.

    Notes
    -----
    The kinds are those of the one judge of dynsim, `dynsim.networks.collapse.judge`. A mechanism is a hypothesis that
    fits the measures; "certain", "likely" and "possible" say how well. Thresholds are those of linear encoders and
    predictors (Tian, Chen & Ganguli 2021, arXiv:2102.06810), and of symmetric prototypes for DINO.

    See Also
    --------
    training_parameters : how settings become parameters of the flow.
    features : which features of your data a method learns.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> logits = 0.001 * np.random.default_rng(0).normal(size=(300, 64))
    >>> found = dynsim.diagnose(logits, logits, outputs="logits", settings={"tau_t": 0.12, "tau_s": 0.1})
    >>> found.kinds, found.threshold
    (('uniform',), 'τ_t = 0.12 ≥ r·τ_s = 1·0.1 = 0.1: it stays')
    """
    own = checked_settings(settings)
    words = training_parameters(**own)
    temperature = None if words.get("tau_s") is None else _temperature(words["tau_s"])
    seen = observe(source, paired, outputs, labels, initial, teacher, temperature)
    merged = {**seen.settings, **own}
    flow = training_parameters(**merged)
    # Where the norm has died as well, what is left is a bias: its one direction is no cause.
    cause = "vanishing" if {"constant", "vanishing"} <= set(seen.kinds) else seen.kinds[0]
    given = _given(merged, flow)
    because = explain(cause, seen, flow, given)
    return Diagnosis(
        seen.kinds, seen.evidence, seen.summary, _said(because), because.threshold, because.advice,
        because.references, seen, float(flow["eta_s"]) if "eta_s" in given else None,
    )  # fmt: skip


def _said(because: Explanation) -> str:
    return because.mechanism if because.sure == "unsure" else f"{because.sure}: {because.mechanism}"


def _temperature(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise bad("settings['tau_s']", value, "a positive number")
    return float(value)


# Parameter of the flow → settings of which one must be named for it to be the user's own.
_SOURCES = {
    "eta_s": {"weight_decay", "wd", "eta_s"},
    "eta_p": {"weight_decay", "wd", "predictor_weight_decay", "eta_p"},
    "alpha": {"alpha", "predictor_lr"},
    "step": {"lr", "learning_rate"},
}


def _given(settings: Mapping[str, Any], flow: Mapping[str, Any]) -> frozenset[str]:
    """Parameters that follow from a setting, and not from a default."""
    named = {name for name, value in settings.items() if value is not None}
    direct = {name for name in ("tau_t", "tau_s", "beta", "centre_rate") if flow.get(name) is not None}
    for name in direct & {"tau_t"}:
        if not isinstance(flow[name], int | float) or isinstance(flow[name], bool) or not flow[name] > 0:
            raise bad("settings['tau_t']", flow[name], "a positive number")
    return frozenset(direct | {name for name, words in _SOURCES.items() if words & named})
