"""Fast and slow taken to the limit: what a flow becomes when a rate parameter is very small or very large.

As ε → 0 the states whose velocity vanishes with ε are slow. For frozen slow states the others follow the
*layer* flow; its equilibria, over all slow states, are the *critical manifold*, and along it the slow states
follow the *reduced* flow. That picture holds near every part of the manifold that is normally hyperbolic: where
no eigenvalue of the layer flow is zero or imaginary (Fenichel).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import sympy

from dynsim.analysis.algebra.algebraic_set import graphs
from dynsim.analysis.algebra.deadline import CutOff
from dynsim.analysis.algebra.exact_values import rational, without_floats
from dynsim.analysis.algebra.line_stability import closed_eigenvalues
from dynsim.arguments import a_mapping, a_word
from dynsim.errors import bad, unknown
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text, unicode_name, unicode_text
from dynsim.symbolic.sources import as_flow

__all__ = ["CriticalManifold", "SingularLimit", "singular_limit"]

_BUDGET = 10.0


@dataclass(frozen=True)
class CriticalManifold:
    """One sheet of the critical manifold.

    Attributes
    ----------
    graph : dict
        ``{fast state: expression in the slow ones}``.
    reduced : dict
        ``{slow state: its velocity along the sheet}``.
    normal : tuple of Expr
        Eigenvalues of the layer flow across the sheet, per unit of the fast time: negative where it attracts.
    breaks : tuple of Expr
        The sheet is not normally hyperbolic where one of these vanishes.
    """

    graph: dict[str, sympy.Expr]
    reduced: dict[str, sympy.Expr]
    normal: tuple[sympy.Expr, ...]
    breaks: tuple[sympy.Expr, ...]


@dataclass(frozen=True, repr=False)
class SingularLimit:
    """A flow in the limit of a rate parameter.

    Attributes
    ----------
    parameter : str
    towards : str
        "small" or "large".
    fast, slow : tuple of str
        Names of the states.
    layer : dict
        ``{fast state: its velocity}``, slow states frozen; per unit of flow time if the parameter is small,
        per unit of flow time over the parameter if it is large.
    manifolds : tuple of CriticalManifold
    note : str
        Why sheets may be missing; empty if none are.
    """

    parameter: str
    towards: str
    fast: tuple[str, ...]
    slow: tuple[str, ...]
    layer: dict[str, sympy.Expr]
    manifolds: tuple[CriticalManifold, ...]
    note: str = ""

    def __repr__(self) -> str:
        fast, slow = (", ".join(map(unicode_name, names)) for names in (self.fast, self.slow))
        end = "0" if self.towards == "small" else "∞"
        sheets = "; ".join(_graph(sheet) for sheet in self.manifolds) or "none found"
        return f"SingularLimit {unicode_name(self.parameter)} → {end}: fast {fast}, slow {slow}\n  sheets {sheets}"

    def _repr_html_(self) -> str:
        first, *rows = str(self).split("\n")
        return f"<p>{escape(first)}</p><ul>{''.join(f'<li>{escape(row.strip())}</li>' for row in rows)}</ul>"

    def __str__(self) -> str:
        lines = [f"{self.parameter} {self.towards}: fast {', '.join(self.fast)}; slow {', '.join(self.slow)}"]
        for sheet in self.manifolds:
            lines.append("critical manifold " + ", ".join(f"{n} = {text(e)}" for n, e in sheet.graph.items()))
            lines.append("  reduced flow " + ", ".join(f"{n}' = {text(e)}" for n, e in sheet.reduced.items()))
            lines.append("  normal eigenvalues " + ", ".join(map(text, sheet.normal)))
            if sheet.breaks:
                lines.append("  not normally hyperbolic where " + " or ".join(f"{text(e)} = 0" for e in sheet.breaks))
        return "\n".join([*lines, *([f"({self.note})"] if self.note else [])])


def _graph(sheet: CriticalManifold) -> str:
    return ", ".join(f"{unicode_name(name)} = {unicode_text(value)}" for name, value in sheet.graph.items())


def singular_limit(
    flow: Flow, parameter: Any, towards: str = "small", *, parameters: Mapping[Any, Any] | None = None
) -> SingularLimit:
    """Read a flow as a singular perturbation problem.

    Parameters
    ----------
    flow : Flow
    parameter : str or Symbol
        The rate that is taken to its limit: β of a teacher, α of a predictor.
    towards : {"small", "large"}
    parameters : mapping, optional
        Values of other parameters; what is left out stays symbolic.

    Returns
    -------
    SingularLimit

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        An unknown parameter, or one whose limit separates no fast states from slow ones.

    See Also
    --------
    timescales : fast and slow along a run.

    References
    ----------
    Fenichel, J. Differential Equations 31 (1979); Kuehn, Multiple Time Scale Dynamics (2015), chapter 3.

    Examples
    --------
    >>> import dynsim
    >>> print(dynsim.singular_limit(dynsim.system("scalar"), "alpha", "large", parameters={"sigma2": 0}))
    alpha large: fast phi; slow theta
    critical manifold phi = 1
      reduced flow theta' = -eta_s*theta
      normal eigenvalues -theta**2
      not normally hyperbolic where theta = 0
    """
    flow = as_flow(flow)
    flow.require_autonomous("a singular limit")
    name = name_of("parameter", parameter)
    if name not in flow.parameters:
        raise unknown("parameter", name, flow.parameters)
    a_word("towards", towards, ("small", "large"), "'small' or 'large'")
    given = {name_of("parameters", key): value for key, value in a_mapping("parameters", parameters).items()}
    if name in given:
        raise bad("parameters", dict(given), "values of the other parameters", f"'{name}' goes to its limit")
    fixed = without_floats(flow.fix({key: rational(f"parameter '{key}'", value) for key, value in given.items()}))
    symbol = fixed.symbols[name]
    velocities = dict(zip(fixed.states, fixed.rhs, strict=True))
    layer, drift = _split(velocities, symbol, towards)
    if not layer or not drift:
        raise bad("parameter", name, "a rate that makes some states fast and leaves others slow", _why(layer, drift))
    manifolds: tuple[CriticalManifold, ...] = ()
    note = ""
    try:
        manifolds = tuple(_sheets(fixed, layer, drift))
    except CutOff as reason:
        note = f"the critical manifold was not solved for: {reason}"
    return SingularLimit(name, towards, tuple(layer), tuple(drift), layer, manifolds, note)


def _why(layer: Mapping[str, Any], drift: Mapping[str, Any]) -> str:
    return f"in this limit every state is {'fast' if layer else 'slow'}"


def _split(
    velocities: Mapping[str, sympy.Expr], symbol: sympy.Symbol, towards: str
) -> tuple[dict[str, sympy.Expr], dict[str, sympy.Expr]]:
    """Leading-order velocities of the fast states and of the slow ones, each in its own unit of time."""
    layer, drift = {}, {}
    for name, velocity in velocities.items():
        if towards == "small":
            rest = sympy.expand(velocity).subs(symbol, 0)
            if rest != 0:
                layer[name] = rest
            else:
                drift[name] = sympy.expand(velocity / symbol).subs(symbol, 0)
        else:
            inverse = sympy.Dummy("epsilon")
            leading = sympy.expand((velocity * inverse).subs(symbol, 1 / inverse)).subs(inverse, 0)
            if leading != 0:
                layer[name] = leading
            else:
                drift[name] = velocity
    infinite = [name for name, entry in {**layer, **drift}.items() if entry.has(sympy.zoo, sympy.nan, sympy.oo)]
    if infinite:
        raise bad("parameter", symbol.name, "a rate in which velocities are linear at most", f"{infinite[0]}' is not")
    return layer, drift


def _sheets(flow: Flow, layer: Mapping[str, sympy.Expr], drift: Mapping[str, sympy.Expr]) -> list[CriticalManifold]:
    fast = [flow.symbols[name] for name in layer]
    given = sorted(set().union(*(e.free_symbols for e in layer.values())) - set(fast), key=str)
    numerators = [sympy.numer(sympy.together(e)) for e in layer.values()]
    if not all(e.is_polynomial(*fast, *given) for e in numerators):
        raise CutOff("equations that are not polynomial")
    sheets = []
    for graph in graphs(numerators, fast, given, _BUDGET):
        jacobian = sympy.Matrix(list(layer.values())).jacobian(fast).subs(graph).applyfunc(sympy.cancel)
        states = {flow.symbols[name] for name in drift}
        sheets.append(
            CriticalManifold(
                {str(key.name): sympy.factor(value) for key, value in graph.items()},
                {name: sympy.factor(velocity.subs(graph)) for name, velocity in drift.items()},
                closed_eigenvalues(jacobian),
                tuple(_zero_factors(sympy.factor(jacobian.det()), states)),
            )
        )
    return sheets


def _zero_factors(determinant: sympy.Expr, states: set[sympy.Symbol]) -> list[sympy.Expr]:
    """Irreducible factors, in the slow states, whose zeros make an eigenvalue vanish."""
    numerator = sympy.numer(sympy.together(determinant))
    try:
        factors = [factor for factor, _ in sympy.factor_list(numerator)[1]]
    except sympy.PolynomialError:
        factors = [numerator]
    return [factor for factor in factors if factor.free_symbols & states]
