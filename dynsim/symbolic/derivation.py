"""From rules to a right-hand side. The stop-gradient is resolved here, before any Jacobian can be taken."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.expressions import almost_everywhere, expression, name_of, substitute
from dynsim.symbolic.rules import Descend, Hold, Move, Rule, Track
from dynsim.symbolic.stop_gradient import has_stop_gradient, release, stop_gradient

__all__ = ["gradient", "plain", "right_hand_side", "stopped_states"]


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


def gradient(loss: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    """∂loss/∂state with the stop-gradients of `loss` obeyed and then resolved.

    The derivative is taken over the reals, so that |x| and its kin differentiate without complex parts.
    """
    real = {s: sympy.Dummy(s.name, real=True) for s in loss.free_symbols if s.is_real is None}
    derivative = loss.xreplace(real).diff(real.get(state, state)) if real else loss.diff(state)
    return almost_everywhere(release(derivative)).xreplace({dummy: s for s, dummy in real.items()})


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
