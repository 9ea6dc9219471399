"""From what a user gives to a right-hand side: names, expressions, derivatives with stop-gradients obeyed, roles.

The stop-gradient is resolved here, before any Jacobian can be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from dynsim.errors import InvalidType, bad, unknown
from dynsim.names import canonical
from dynsim.symbolic.functions import FUNCTIONS, has_stop_gradient, release, stop_gradient
from dynsim.symbolic.rules import Descend, Hold, Move, Rule, Track

__all__ = [
    "almost_everywhere",
    "default_roles",
    "derivative",
    "expression",
    "gradient",
    "name_of",
    "names_of",
    "parts_of",
    "plain",
    "right_hand_side",
    "roles_of",
    "stopped_states",
    "substitute",
    "symbol_table",
    "with_parts",
]

_ABOUT_SYMBOLS = "rename one of them, or create them the same way"


def name_of(argument: str, value: object) -> str:
    """Name of a state or parameter given as a string or as a Symbol, printed forms (φ, σ²) included."""
    if isinstance(value, sympy.Symbol):
        return canonical(value.name)
    if isinstance(value, str) and value:
        return canonical(value.strip())
    raise bad(argument, value, "a name or a SymPy Symbol", kind=InvalidType)


def names_of(argument: str, values: object) -> tuple[str, ...]:
    """Names of several states; one name or Symbol alone counts as a list of one."""
    if isinstance(values, str | sympy.Symbol):
        values = [part.strip() for part in values.split(",")] if isinstance(values, str) else [values]
    try:
        given = list(values)  # type: ignore[call-overload]
    except TypeError:
        raise bad(argument, values, "a sequence of names or Symbols", kind=InvalidType) from None
    names = tuple(name_of(argument, value) for value in given)
    if not names:
        raise bad(argument, names, "at least one state")
    for name in names:
        if names.count(name) > 1:
            raise bad(argument, names, "every state once", f"'{name}' stands twice")
    return names


def expression(argument: str, value: object) -> sympy.Expr:
    """Turn text, a number or a SymPy expression into a real scalar expression, or say what is wrong with it."""
    if isinstance(value, str):
        from dynsim.symbolic.parser import parse

        return parse(value)
    if isinstance(value, sympy.MatrixBase | list | tuple | dict):
        raise bad(argument, value, "a scalar expression", "sum or trace it first", kind=InvalidType)
    try:
        result = value if isinstance(value, sympy.Basic) else sympy.Float(value) + 0
        if isinstance(value, int):
            result = sympy.Integer(value)
    except (TypeError, ValueError):
        raise bad(argument, value, "a SymPy expression, a number or text", kind=InvalidType) from None
    if not isinstance(result, sympy.Expr):
        raise bad(argument, value, "a scalar expression, not a condition", kind=InvalidType)
    if result.has(sympy.I):
        raise bad(argument, value, "a real expression", "it contains the imaginary unit")
    if result.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo):
        raise bad(argument, value, "a finite expression")
    if any(getattr(part, "is_extended_real", None) is False for part in sympy.preorder_traversal(result)):
        raise bad(argument, value, "a real expression", "a part of it is not real")
    unknown_functions = sorted(str(node.func) for node in result.atoms(AppliedUndef))
    if unknown_functions:
        raise bad(argument, value, "known functions only", f"'{unknown_functions[0]}' is undefined")
    if result.has(sympy.Derivative, sympy.Integral, sympy.MatrixSymbol):
        raise bad(argument, value, "a closed expression", "evaluate derivatives and integrals first")
    return _typed(result)


def _typed(expr: sympy.Expr) -> sympy.Expr:
    """Return the expression with Symbols named φ, σ² called phi, sigma2, as everywhere."""
    renamed = {symbol: canonical(symbol.name) for symbol in expr.free_symbols if symbol.name != canonical(symbol.name)}
    return expr.xreplace({symbol: sympy.Symbol(name, **symbol.assumptions0) for symbol, name in renamed.items()})


def symbol_table(expressions: Iterable[sympy.Basic], states: Iterable[str] = ()) -> dict[str, sympy.Symbol]:
    """Map every name to its Symbol; two Symbols of one name with different assumptions are an error."""
    table: dict[str, sympy.Symbol] = {}
    for item in expressions:
        for symbol in item.free_symbols:
            other = table.setdefault(symbol.name, symbol)
            if other != symbol:
                raise bad(
                    "symbols",
                    symbol.name,
                    "one Symbol per name",
                    f"'{symbol.name}' occurs with different assumptions; {_ABOUT_SYMBOLS}",
                )
    for name in states:
        table.setdefault(name, sympy.Symbol(name))
    return table


def substitute(expr: Any, values: Mapping[str, Any]) -> Any:
    """Replace symbols by name, all at once, whatever their assumptions."""
    table = {symbol: values[symbol.name] for symbol in expr.free_symbols if symbol.name in values}
    return expr.subs(table, simultaneous=True) if table else expr


def almost_everywhere(expr: Any) -> Any:
    """Drop the point masses that differentiating a kink twice leaves behind; they act on no open set."""
    return expr.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)


def parts_of(rule: Rule) -> dict[str, Any]:
    """Every expression a rule is made of, by name; the source of a teacher is a state and no expression.

    Examples
    --------
    >>> from dynsim.symbolic.expressions import parts_of
    >>> from dynsim.symbolic.rules import Descend
    >>> parts_of(Descend("w^2", rate="alpha"))
    {'loss': 'w^2', 'rate': 'alpha', 'decay': 0}
    """
    return {part.name: getattr(rule, part.name) for part in fields(rule) if part.name != "source"}


def with_parts(rule: Rule, change: Callable[[str, Any], Any]) -> Rule:
    """Return the rule with every expression in it replaced by ``change(name, expression)``."""
    return replace(rule, **{name: change(name, value) for name, value in parts_of(rule).items()})


def plain(argument: str, value: object) -> sympy.Expr:
    """Return an expression in which nothing is left to differentiate: a rate, a decay, a held value."""
    result = expression(argument, value)
    if has_stop_gradient(result):
        raise bad(
            argument,
            value,
            "an expression without stop_gradient",
            "it is not differentiated, so the unresolved stop_gradient has no meaning here",
        )
    return result


class _Kink(sympy.Function):
    """A function with kinks while it is differentiated: nothing of its argument is asked, nothing is evaluated."""

    def _eval_is_extended_real(self) -> bool:
        return True


class _Abs(_Kink):
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return _Sign(self.args[0])


class _Sign(_Kink):
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.S.Zero


class _Step(_Kink):
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.S.Zero


class _Max(_Kink):
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        mine, others = self.args[argindex - 1], [*self.args[: argindex - 1], *self.args[argindex:]]
        return sympy.Mul(*(_Step(mine - other) for other in others))


class _Min(_Kink):
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        mine, others = self.args[argindex - 1], [*self.args[: argindex - 1], *self.args[argindex:]]
        return sympy.Mul(*(_Step(other - mine) for other in others))


_KINKS: dict[Any, Any] = {
    sympy.Abs: _Abs,
    sympy.sign: _Sign,
    sympy.Heaviside: lambda x, *_: _Step(x),
    sympy.Max: _Max,
    sympy.Min: _Min,
    sympy.DiracDelta: lambda *_: sympy.S.Zero,
}
_SMOOTHED: dict[Any, Any] = {
    _Abs: FUNCTIONS["abs"].build,
    _Sign: FUNCTIONS["sign"].build,
    _Step: FUNCTIONS["heaviside"].build,
    _Max: FUNCTIONS["max"].build,
    _Min: FUNCTIONS["min"].build,
}


def derivative(expression: Any, symbol: sympy.Symbol) -> Any:
    """∂expression/∂symbol over the reals, almost everywhere.

    The rule is one and asks nothing of SymPy's assumptions: d|u| = sign(u)·du, d sign(u) = 0, and the derivative of
    a maximum is that of its largest argument (of ties the product of Heaviside(0) = ½ each). Point masses, which act
    on no open set, never arise.

    Parameters
    ----------
    expression : Expr or Matrix
        Real where it is defined.
    symbol : Symbol
        Whatever is assumed of it.

    Examples
    --------
    >>> import sympy
    >>> from dynsim import parse
    >>> from dynsim.symbolic.expressions import derivative
    >>> p = sympy.Symbol("p")
    >>> derivative(parse("abs(log(p))"), p), derivative(parse("sign(x - p)"), p)
    (sign(log(p))/p, 0)
    """
    if isinstance(expression, sympy.Add):  # most terms of a long sum do not hold the symbol
        expression = expression.func(*(term for term in expression.args if symbol in term.free_symbols))
    if isinstance(expression, sympy.Expr) and symbol not in expression.free_symbols:
        return sympy.S.Zero
    real = {s: _real(s) for s in expression.free_symbols | {symbol} if s.is_real is None}
    back = {dummy: s for s, dummy in real.items()}
    smooth = expression.xreplace(real)
    if not smooth.has(*_KINKS):
        return smooth.diff(real.get(symbol, symbol)).xreplace(back)
    for kink, stand_in in _KINKS.items():
        smooth = smooth.replace(kink, stand_in)
    result = smooth.diff(real.get(symbol, symbol)).xreplace(back)
    for stand_in, kink in _SMOOTHED.items():
        result = result.replace(stand_in, kink)
    return result


@lru_cache(maxsize=1024)
def _real(symbol: sympy.Symbol) -> sympy.Dummy:
    """A real symbol in the place of one; always the same, so that SymPy's caches know the expressions in it again."""
    return sympy.Dummy(symbol.name, real=True)


def gradient(loss: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    """∂loss/∂state with the stop-gradients of `loss` obeyed and then resolved.

    The derivative is taken over the reals, so that |x| and its kin differentiate without complex parts.
    """
    return release(derivative(loss, state))


def stopped_states(loss: sympy.Expr, states: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the states that occur inside a stop-gradient of `loss`."""
    inside = {symbol.name for node in loss.atoms(stop_gradient) for symbol in node.free_symbols}
    return tuple(name for name in states if name in inside)


def right_hand_side(
    rules: Mapping[str, Rule], symbols: Mapping[str, sympy.Symbol]
) -> tuple[tuple[str, ...], sympy.Matrix, dict[str, sympy.Expr]]:
    """Derive the moving states, their right-hand side and the held expressions from one rule per state.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A rule of an unknown kind, a loss without the state that descends it, a teacher of nothing.
    """
    moving = tuple(name for name, rule in rules.items() if not isinstance(rule, Hold))
    if not moving:
        raise bad("rules", list(rules), "at least one state that moves", "every state is held")
    velocities = [_velocity(name, rules[name], rules, symbols) for name in moving]
    held = {
        name: plain(f"Hold of '{name}'", rule.expression) for name, rule in rules.items() if isinstance(rule, Hold)
    }
    held = _closed(held)
    return moving, sympy.Matrix([substitute(v, held) for v in velocities]), held


def _velocity(name: str, rule: Rule, rules: Mapping[str, Rule], symbols: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    state = symbols[name]
    if isinstance(rule, Descend):
        loss = expression(f"loss of '{name}'", rule.loss)
        if name not in {symbol.name for symbol in loss.free_symbols}:
            raise bad("states", name, "a state that occurs in its loss", f"'{name}' is not in the loss")
        rate = plain(f"rate of '{name}'", rule.rate)
        decay = plain(f"decay of '{name}'", rule.decay)
        return -rate * gradient(loss, state) - decay * state
    if isinstance(rule, Track):
        source = name_of(f"source of teacher '{name}'", rule.source)
        if source not in rules or source == name:
            raise unknown(f"source of teacher '{name}'", source, [s for s in rules if s != name])
        return plain(f"rate of teacher '{name}'", rule.rate) * (symbols[source] - state)
    if isinstance(rule, Move):
        return plain(f"velocity of '{name}'", rule.velocity)
    raise bad(f"rule of '{name}'", rule, "Descend, Track, Hold or Move", kind=InvalidType)


def _closed(held: dict[str, sympy.Expr]) -> dict[str, sympy.Expr]:
    """Resolve held states that mention other held states; a circle among them is an error."""
    for _ in held:
        held = {name: substitute(value, held) for name, value in held.items()}
    for name, value in held.items():
        if {symbol.name for symbol in value.free_symbols} & set(held):
            raise bad(f"Hold of '{name}'", value, "an expression in the moving states", "held states form a circle")
    return held


ROLES = ("predictor", "encoder", "teacher")


def default_roles(loss: sympy.Expr, states: Sequence[str], rules: Mapping[str, Rule]) -> dict[str, tuple[str, ...]]:
    """Roles that a loss suggests.

    The teachers are the states that track another, the encoder is every other state inside a stop-gradient or followed
    by a teacher, the predictor is the rest.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.expressions import default_roles
    >>> default_roles(parse("(phi*theta - sg(theta))^2/2"), ("phi", "theta"), {})
    {'predictor': ('phi',), 'encoder': ('theta',), 'teacher': ()}
    """
    followed = {name: rule for name, rule in rules.items() if isinstance(rule, Track)}
    sources = {name_of("track", rule.source) for rule in followed.values()}
    teacher = tuple(name for name in states if name in followed)
    stopped = stopped_states(loss, tuple(states))
    encoder = tuple(name for name in states if name not in teacher and (name in stopped or name in sources))
    predictor = tuple(name for name in states if name not in teacher and name not in encoder)
    return {"predictor": predictor, "encoder": encoder, "teacher": teacher}


def roles_of(roles: Mapping[str, Any], states: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Check roles given as ``{role: name or names}``.

    Raises
    ------
    UnknownName, InvalidType
        A role that is none, a name that is no state.
    """
    if not isinstance(roles, Mapping):
        raise bad("roles", roles, "a mapping {role: name or names}", kind=InvalidType)
    result = {}
    for role, names in roles.items():
        if role not in ROLES:
            raise unknown("roles", role, ROLES)
        if not isinstance(names, str | sympy.Symbol | list | tuple | set | frozenset):
            raise bad(f"roles['{role}']", names, "a name or a list of names", kind=InvalidType)
        given = (names,) if isinstance(names, str | sympy.Symbol) else tuple(names)
        result[role] = tuple(name_of(f"roles['{role}']", name) for name in given)
        for name in result[role]:
            if name not in states:
                raise unknown(f"roles['{role}']", name, states)
    return result
