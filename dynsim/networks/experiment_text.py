"""An experiment as text: TOML, what differs from the defaults, the names of 0.1 and those of other tools."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from dynsim.errors import DynsimError, bad, unknown

__all__ = ["RENAMED", "as_html", "as_name", "as_text", "refuse_functions", "renamed", "toml", "unknown_field"]

_FUNCTION = "function "

# Names of 0.1 → today's.
RENAMED = {"measure_every": "every", "centre": "subtract_mean"}

# What training code elsewhere calls it → what to write here.
_ELSEWHERE = {
    "weight_decay": "eta_s for the encoder and eta_p for the predictor, both per unit of flow time",
    "wd": "eta_s for the encoder and eta_p for the predictor, both per unit of flow time",
    "ema": "teacher, the coefficient of the moving average",
    "tau": "teacher, the coefficient of the moving average, or temperature",
    "epochs": "steps, the number of gradient steps",
    "iterations": "steps, the number of gradient steps",
    "seed": "seeds, an argument of train(experiment, seeds)",
    "seeds": "seeds, an argument of train(experiment, seeds)",
    "device": "device, an argument of train(experiment, device=…)",
    "optimizer": "optimiser",
    "learning_rate": "lr",
    "batch_size": "batch",
    "augmentations": "augmentation",
    "dataset": "data",
    "loss": "objective",
    "predictor_lr": "alpha, the ratio of the predictor's learning rate to the encoder's",
    "hidden": "width",
    "center": "subtract_mean",
}


def unknown_field(name: str, known: Iterable[str]) -> DynsimError:
    """Build the error for a keyword that is no field, with what it is called here."""
    known = sorted(known)
    if name in _ELSEWHERE:
        from dynsim.errors import UnknownName

        return bad("experiment", name, "the name of a field", f"here it is {_ELSEWHERE[name]}", kind=UnknownName)
    return unknown("experiment", name, known)


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by today's names; those of 0.1 are read."""
    return {RENAMED.get(name, name): value for name, value in values.items()}


def as_name(value: Any) -> Any:
    """Functions as text that says where they come from and changes with what they do; everything else as it is."""
    if not callable(value):
        return value
    code = getattr(value, "__code__", None)
    text = f"{_FUNCTION}{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
    if code is None:
        return text
    content = repr((code.co_code, [str(constant).split(" at 0x")[0] for constant in code.co_consts], code.co_names))
    return f"{text} {hashlib.sha256(content.encode()).hexdigest()[:8]}"


def refuse_functions(values: Mapping[str, Any]) -> None:
    """Raise where text names a function of the user's, which no text can bring back."""
    for name in ("encoder", "predictor", "augmentation"):
        if str(values.get(name, "")).startswith(_FUNCTION):
            raise bad(name, values[name], "a name", "functions are given in Python: Experiment.load(path).but(…)")
    own = [name for name in values.get("measures", ()) if str(name).startswith(_FUNCTION)]
    if own:
        raise bad("measures", own, "names", "functions are given in Python")


def as_text(changed: Mapping[str, Any]) -> str:
    """One or two lines: what differs from the defaults."""
    return f"Experiment({', '.join(f'{name}={_shown(value)}' for name, value in changed.items())})"


def as_html(changed: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """What differs from the defaults as a small table for notebooks."""
    if not changed:
        return "<p>Experiment with all defaults</p>"
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_shown(value))}</td><td>{escape(_shown(usual[name]))}</td></tr>"
        for name, value in changed.items()
    )
    head = "<tr><th>Experiment</th><th>value</th><th>default</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _shown(value: Any) -> str:
    text = str(dict(value)) if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def toml(values: Mapping[str, Any]) -> str:
    """TOML of numbers, strings, booleans, lists of them, and one level of tables, which come last.

    Examples
    --------
    >>> from dynsim.networks.experiment_text import toml
    >>> print(toml({"lr": 0.1, "augmentation": {"noise": 0.1}, "measures": ["knn"]}), end="")
    lr = 0.1
    measures = ["knn"]
    <BLANKLINE>
    [augmentation]
    noise = 0.1
    """
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if not isinstance(value, Mapping)]
    for key, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{key}]", *(f"{_key(name)} = {_value(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    """A bare key, or a quoted one where it is no plain word: a Greek letter."""
    return name if name.isascii() and name.replace("-", "").isidentifier() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings, booleans and finite numbers are TOML's, save for DEL, which TOML wants escaped.
    return json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f")
