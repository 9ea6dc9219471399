"""The optimisers by name, each with its options, its source and its pace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.registry import Registry
from dynsim.table import Table

__all__ = ["OPTIMISERS", "Optimiser", "Step", "list_optimisers", "optimiser_named"]

Step = Callable[[np.ndarray], np.ndarray]
"""``step(y)`` takes states of shape ``(size, members)`` and returns the change of the moving rows."""


@dataclass(frozen=True)
class Optimiser:
    """One entry: ``prepare(problem, **options)`` returns a `Step`, which may remember.

    Parameters
    ----------
    name, summary, reference : str
    prepare : callable
        Its keyword-only arguments are the options, with their defaults.
    pace : callable, optional
        ``pace(**options)``: flow time per step in units of the step size; 1 unless it says otherwise.
    """

    name: str
    summary: str
    reference: str
    prepare: Callable[..., Step]
    pace: Callable[..., float] = lambda **options: 1.0

    @property
    def options(self) -> dict[str, Any]:
        """Options and their defaults."""
        parameters = signature(self.prepare).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the given options over the defaults.

        Raises
        ------
        UnknownName
            An option that this optimiser does not have.
        """
        known = self.options
        for key in given:
            if key not in known:
                advice = "teacher=… works with every optimiser"
                raise unknown(f"option of optimiser '{self.name}'", key, (*known, "optimiser", "teacher"), advice)
        return {**known, **given}


_HERE = "dynsim.integrate.optimisers"

OPTIMISERS: Registry[Optimiser] = Registry(
    "optimiser",
    {
        "gd": f"{_HERE}.gradient:GD",
        "momentum": f"{_HERE}.gradient:MOMENTUM",
        "nesterov": f"{_HERE}.gradient:NESTEROV",
        "rmsprop": f"{_HERE}.gradient:RMSPROP",
        "adam": f"{_HERE}.gradient:ADAM",
        "sign": f"{_HERE}.gradient:SIGN",
        "newton": f"{_HERE}.newton:NEWTON",
        "gauss-newton": f"{_HERE}.newton:GAUSS_NEWTON",
        "simultaneous": f"{_HERE}.alternating:SIMULTANEOUS",
        "alternating": f"{_HERE}.alternating:ALTERNATING",
        "alternating-minimisation": f"{_HERE}.alternating:ALTERNATING_MINIMISATION",
    },
)


def optimiser_named(name: Any) -> Optimiser:
    """Find an optimiser.

    Raises
    ------
    UnknownName, InvalidType
        Naming what there is and the closest match.
    """
    if not isinstance(name, str):
        raise bad("optimiser", name, "a name", f"one of {', '.join(sorted(OPTIMISERS))}", kind=InvalidType)
    return OPTIMISERS[name]


def list_optimisers() -> Table:
    """Table of the optimisers: name, options with their defaults, one line, reference.

    See Also
    --------
    optimise : take steps with one of them.

    Examples
    --------
    >>> import dynsim
    >>> "adam" in dynsim.list_optimisers()["name"]
    True
    """
    rows = []
    for name, item in sorted(OPTIMISERS.loaded(), key=lambda pair: pair[0]):
        if isinstance(item, InvalidValue):  # of an installed package, which breaks its own line only
            rows.append({"name": name, "options": "", "summary": str(item), "reference": ""})
            continue
        options = ", ".join(f"{key}={value!r}" for key, value in item.options.items())
        rows.append({"name": name, "options": options, "summary": item.summary, "reference": item.reference})
    return Table(rows)
