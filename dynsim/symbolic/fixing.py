"""Fix parameters of a flow to numbers, or tie them to one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sympy

from dynsim.errors import bad, unknown
from dynsim.symbolic.derivation import plain
from dynsim.symbolic.expressions import name_of, substitute, symbol_table
from dynsim.symbolic.rules import with_parts

if TYPE_CHECKING:
    from dynsim.symbolic.flow import Flow

__all__ = ["fixed"]


def fixed(flow: Flow, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes of the flow that remains when parameters take the given numbers, names or expressions."""
    given = {name_of("parameter", key): value for key, value in values.items()}
    for key in given:
        if key not in flow.parameters:
            raise unknown("parameter", key, flow.parameters)
    bound = {key: substitute(plain(f"value of '{key}'", value), flow.symbols) for key, value in given.items()}
    for key, value in bound.items():
        for symbol in value.free_symbols:
            if symbol.name in flow.states:
                raise bad(f"value of '{key}'", given[key], "an expression in parameters", f"'{symbol}' is a state")

    def inherited(told: Mapping[str, Any]) -> dict[str, Any]:
        # A new name inherits from the first parameter that is tied to it.
        rest = {key: value for key, value in told.items() if key not in bound}
        for key, value in bound.items():
            if isinstance(value, sympy.Symbol) and key in told:
                rest.setdefault(value.name, told[key])
        return rest

    loss = None if flow.loss is None else substitute(flow.loss, bound)
    rhs = substitute(flow.rhs, bound)
    observables = {name: substitute(item, bound) for name, item in flow.observables.items()}
    states = [flow.symbols[name] for name in flow.states]
    defaults = inherited(flow.defaults)
    return {
        "rhs": rhs,
        "loss": loss,
        "observables": observables,
        "rules": {
            name: with_parts(rule, lambda _, part: substitute(part, bound)) for name, rule in flow.rules.items()
        },
        "held": {name: substitute(item, bound) for name, item in flow.held.items()},
        "symbols": symbol_table([rhs, *states, *observables.values(), *([] if loss is None else [loss])]),
        "defaults": defaults,
        "ranges": inherited(flow.ranges),
        "exact": None if flow.exact is None else flow.exact.bind(bound, defaults),
    }
