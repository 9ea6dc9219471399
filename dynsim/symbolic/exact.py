"""Closed forms that a system hands to its flow: where a run ends, and where it is at time t."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.symbolic.decisions import MOST_WAYS, as_expressions
from dynsim.symbolic.expressions import substitute
from dynsim.symbolic.numeric import evaluate

__all__ = ["Exact", "Limit"]

_SHORT = 40  # ways through a rule that is worth computing for many starts at once
Elsewhere = tuple[Any, dict[str, Any], Callable[[Mapping[str, float]], dict[str, float]]]


@dataclass(frozen=True)
class Limit:
    """Where a run ends, as a rule states it.

    Parameters
    ----------
    values : mapping
        ``{state: value at t → ∞}``.
    collapsed : bool or None
        Whether every encoder state goes to zero; None where the rule does not say.
    reason : str
        The rule in words, with its formula.
    """

    values: Mapping[str, Any]
    collapsed: bool | None
    reason: str


@dataclass(frozen=True)
class Exact:
    """Closed forms of a flow.

    Parameters
    ----------
    limit : callable, optional
        ``limit(initial, parameters)`` returns a `Limit`, or None where no rule is known. Works on SymPy
        numbers and on floats alike.
    solution : callable, optional
        ``solution(t, initial, parameters)`` returns ``{state: array}``; everything broadcasts, t = ∞ included.
    regular : callable, optional
        ``regular(initial, parameters)`` returns ``(flow, start, back)``: the same run as one of another flow, whose
        states stay bounded where these do not, and ``back(end)`` from its end to these states. None: not from here.
    may_know : callable, optional
        ``may_know(initial, parameters)`` with an array per state returns a mask, False where `limit` surely does not
        say the whole end: of a million starts few need be asked one by one. None: all of them.
    boundary : callable, optional
        ``boundary(parameters)``: where the starts that collapse end, as ``{its equation: curve}`` with ``curve(s)`` a
        mapping of states for any real s; None where it is not known. States whose encoder is zero are left out.
    bindings : mapping, optional
        Original parameter → expression in the parameters of the flow, when some were fixed or tied.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.system("toy", branch="full")
    >>> {name: round(float(value), 6) for name, value in flow.exact(1.0, {"phi": 0.6, "theta": 0.1}).items()}
    {'phi': 0.603412, 'theta': 0.085337}
    """

    limit: Callable[[Mapping[str, Any], Mapping[str, Any]], Limit | None] | None = None
    solution: Callable[[Any, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]] | None = None
    regular: Callable[[Mapping[str, Any], Mapping[str, Any]], Elsewhere | None] | None = None
    may_know: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None
    boundary: Callable[[Mapping[str, Any]], dict[str, Callable[[Any], dict[str, Any]]] | None] | None = None
    bindings: Mapping[str, sympy.Expr] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(
        self, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """State at flow time `t` from `initial`; arrays broadcast.

        Raises
        ------
        InvalidValue
            If no closed form in time is known.
        """
        if self.solution is None:
            raise bad("exact", None, "a system with a closed form in time", "integrate with solve instead")
        return self.solution(t, initial, self.original(parameters))

    def end(self, initial: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> Limit | None:
        """Where the run from `initial` ends, or None where no rule is known."""
        return None if self.limit is None else self.limit(initial, self.original(parameters))

    def collapses(
        self, initial: Mapping[str, Any], parameters: Mapping[str, Any] | None, encoder: Iterable[str]
    ) -> np.ndarray:
        """What the rule says of many starts: 1 where the run collapses, 0 where it does not, −1 where it is silent.

        Parameters
        ----------
        initial : mapping
            ``{state: array}``; the arrays broadcast.
        parameters : mapping, optional
        encoder : iterable of str
            The states that are zero at the end of a run that collapses.

        Examples
        --------
        >>> import dynsim, numpy as np
        >>> flow = dynsim.system("toy")
        >>> flow.exact.collapses({"phi": np.array([0.5, 1.5]), "theta": 0.5}, {"alpha": 1.0}, ["theta"])
        array([0, 1], dtype=int8)
        """
        held = tuple(encoder)
        starts = dict(zip(initial, np.broadcast_arrays(*initial.values()), strict=True))
        original = self.original(parameters)
        # A short rule is computed for all starts at once, a long one is sooner asked start by start.
        symbols = {name: sympy.Symbol(name) for name in original}
        if held and (rule := self._expressions(tuple(starts), symbols, most=_SHORT)):
            named = {**{f"{name}(0)": values for name, values in starts.items()}, **original}
            shape = next(iter(starts.values())).shape
            ends = np.array([np.broadcast_to(_evaluated(rule[name], named), shape) for name in held])
            zero = (ends == 0).all(axis=0)
            return np.where(np.isnan(ends).any(axis=0), -1, zero).astype(np.int8)
        told = np.full(next(iter(starts.values())).shape, -1, dtype=np.int8)
        if self.limit is not None:
            for index in np.ndindex(told.shape):
                end = self.limit({name: float(values[index]) for name, values in starts.items()}, original)
                if end is not None and end.collapsed is not None:
                    told[index] = end.collapsed
        return told

    def ends(self, states: Collection[str], parameters: Collection[str]) -> dict[str, sympy.Expr]:
        """The rule of `limit` as expressions: what is printed from them computes without Python.

        Parameters
        ----------
        states, parameters : collection of str
            Of the flow; the symbol of an initial value is named ``phi(0)`` and so on.

        Returns
        -------
        dict
            ``{state: expression}``, a `Piecewise` that is NaN where the rule says nothing; empty where there is no
            rule, or one that is no expression.

        Examples
        --------
        >>> import dynsim, sympy
        >>> end = dynsim.system("jepa", L=2).exact.ends(["w"], ["lambda_d", "rho"])["w"]
        >>> end.subs({sympy.Symbol("w(0)"): 0.1, "lambda_d": 1})
        Piecewise((rho**2, rho > 0), (nan, True))
        """
        values: dict[str, Any] = {key: sympy.sympify(value) for key, value in self.defaults.items()}
        values |= {name: sympy.Symbol(name) for name in parameters}
        for name, bound in self.bindings.items():
            values[name] = substitute(bound, values)
        return self._expressions(tuple(states), values)

    def _expressions(
        self, states: tuple[str, ...], values: Mapping[str, sympy.Expr], most: int = MOST_WAYS
    ) -> dict[str, sympy.Expr]:
        if self.limit is None:
            return {}
        return as_expressions(self.limit, {name: sympy.Symbol(f"{name}(0)") for name in states}, values, most)

    def elsewhere(self, initial: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> Elsewhere | None:
        """The same run as one of another flow, with its parameters, where that stays bounded and this may not."""
        return None if self.regular is None else self.regular(initial, self.original(parameters))

    def original(self, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        """Values of the system's own parameters, from those of a flow in which some are fixed or tied."""
        values = {**self.defaults, **(parameters or {})}
        symbolic = any(isinstance(value, sympy.Basic) for value in values.values())
        for name, bound in self.bindings.items():
            values[name] = substitute(bound, values) if symbolic else _evaluated(bound, values)
        return values

    def bind(self, bindings: Mapping[str, sympy.Expr], defaults: Mapping[str, Any]) -> Exact:
        """Return the same closed forms for a flow in which `bindings` were substituted."""
        chained = {name: substitute(bound, bindings) for name, bound in self.bindings.items()}
        return replace(self, bindings={**bindings, **chained}, defaults=dict(defaults))


def _evaluated(bound: sympy.Expr, values: Mapping[str, Any]) -> Any:
    """Value of an expression at numbers or arrays of numbers."""
    value = evaluate([bound], {symbol: values[symbol.name] for symbol in bound.free_symbols})[0]
    return value if value.ndim else float(value)
