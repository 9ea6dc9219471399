"""The little TOML that a configuration needs, written; Python's own tomllib reads it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["toml"]


def toml(values: Mapping[str, Any]) -> str:
    """Text of numbers, strings, booleans, lists of them, and one level of tables, which come last.

    Examples
    --------
    >>> from dynsim.networks.toml_text import toml
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
            lines += ["", f"[{key}]", *(f"{name} = {_value(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings, booleans and finite numbers are TOML's, save for DEL, which TOML wants escaped.
    return json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f")
