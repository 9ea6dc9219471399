"""Noisy paths by machine code: what the engine needs to know of a step, and blocks of paths through it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import sympy

from dynsim.field import TIME
from dynsim.integrate.noise.steppers import Minibatches, Stepper, Stochastic
from dynsim.symbolic.distributions import Discrete, Normal
from dynsim.symbolic.flow import Flow

__all__ = ["CompiledPaths", "compiled_paths"]

MOST_PROCESSES = 6  # the scheme of weak order 2 is emitted with four times as many diffusions, squared
MOST_STATES = 40


def compiled_paths(
    step: Stepper, flow: Flow, leaves: tuple[sympy.Expr, bool] | None = None
) -> tuple[CompiledPaths | None, str]:
    """Return the machine code of a step, or None and why there is none.

    Parameters
    ----------
    step : Stochastic or Minibatches
    flow : Flow
        The bound flow, whose states and parameters are the arguments.
    leaves : (expression, bool), optional
        What becomes negative where a path is to end, and whether 0 counts.
    """
    if not isinstance(step, Stochastic | Minibatches):
        return None, "a step of another kind"
    program, reason = _program(step, flow, leaves)
    return (None if program is None else CompiledPaths(program, step)), reason


@lru_cache(maxsize=64)
def _program(step: Stochastic | Minibatches, flow: Flow, leaves: tuple[sympy.Expr, bool] | None) -> tuple[Any, str]:
    if find_spec("llvmlite") is None:
        return None, "llvmlite is not installed"
    from dynsim.integrate.engine.lowering import unsupported
    from dynsim.integrate.engine.paths import path_program

    if len(flow.states) > MOST_STATES:
        return None, f"{len(flow.states)} states are more than {MOST_STATES}"
    if isinstance(step, Stochastic) and step.processes > MOST_PROCESSES:
        return None, f"{step.processes} Wiener processes are more than {MOST_PROCESSES}"
    places = _places(flow)
    lowered = _stochastic(step, places) if isinstance(step, Stochastic) else _minibatch(step, places)
    condition = None if leaves is None else (leaves[0].xreplace(places), leaves[1])
    missing = unsupported([*lowered.expressions, *([] if condition is None else condition[:1])])
    if missing:
        return None, f"no machine code for '{missing}'"
    return path_program(lowered, len(flow.states), condition), ""


def _places(flow: Flow) -> dict[sympy.Symbol, sympy.Symbol]:
    """A place for every state, parameter and the time; names are dropped, so that equal flows share their code."""
    names = [*flow.states, *flow.parameters, TIME]
    places = {}
    for index, name in enumerate(names):
        place = sympy.Symbol(f"x{index}")
        places[sympy.Symbol(name)] = place
        places[flow.symbols.get(name, sympy.Symbol(name))] = place
    return places


def _arguments(places: Mapping[sympy.Symbol, sympy.Symbol]) -> tuple[sympy.Symbol, ...]:
    return tuple(dict.fromkeys(places.values()))


def _stochastic(step: Stochastic, places: Mapping[sympy.Symbol, sympy.Symbol]) -> Any:
    from dynsim.integrate.engine.schemes import StochasticStep

    def placed(entries: Any) -> tuple[sympy.Expr, ...]:
        return tuple(sympy.sympify(item).xreplace(places) for item in entries)

    factor = magnitude = sympy.S.Zero
    spread = placed(step.spread.entries) if step.moves else ()
    if step.moves and step.processes == 1:
        moving = [places[sympy.Symbol(name)] for name in (*step.states, TIME)]
        factor, rest = spread[0].as_independent(*moving, as_Add=False)
        if rest.is_polynomial(*moving):
            rest = sympy.Poly(rest, *moving).as_expr()  # what depends on parameters only is in the coefficients
        spread, magnitude = (rest,), sympy.Add(*map(sympy.Abs, sympy.Add.make_args(rest)))
    return StochasticStep(
        placed(step.drift.entries),
        placed(step.directions.entries),
        spread,
        factor,
        magnitude,
        _arguments(places),
        step.processes,
        step.second,
        step.kind,
    )


def _minibatch(step: Minibatches, places: Mapping[sympy.Symbol, sympy.Symbol]) -> Any:
    from dynsim.integrate.engine.schemes import Law, MinibatchStep

    drawn = {
        step.sample.symbols.get(name, sympy.Symbol(name)): sympy.Symbol(f"r{index}")
        for index, name in enumerate(step.drawn)
    }
    by_name = {symbol.name: place for symbol, place in drawn.items()}
    laws = tuple(
        Law(
            "normal" if isinstance(law, Normal) else "discrete" if isinstance(law, Discrete) else "uniform",
            tuple(by_name[name] for name in names),
            tuple(item.xreplace(places) for item in parts.entries),
        )
        for names, law, parts in step.laws
    )
    force = tuple(item.xreplace({**_own(step.sample, places), **drawn}) for item in step.sample.rhs)
    return MinibatchStep(force, step.settings.entries[0].xreplace(places), laws, _arguments(places))


def _own(flow: Flow, places: Mapping[sympy.Symbol, sympy.Symbol]) -> dict[sympy.Symbol, sympy.Symbol]:
    """The places under the symbols that another flow has for the same names."""
    return {flow.symbols[symbol.name]: place for symbol, place in places.items() if symbol.name in flow.symbols}


class CompiledPaths:
    """Machine code of a step, and how paths are handed to it."""

    def __init__(self, program: Any, step: Stochastic | Minibatches) -> None:
        self.program, self.step = program, step

    def table(self, y: np.ndarray, values: Mapping[str, Any], columns: int) -> np.ndarray:
        """Starts, parameters, and the entries of a constant root, row by row; the last column is repeated."""
        count = y.shape[1]
        rows = [*y, *(np.broadcast_to(values[name], count) for name in self.step.parameters)]
        if isinstance(self.step, Stochastic) and not self.step.moves:
            root = self.step.root(0.0, y, values)
            rows += [np.broadcast_to(entry, count) for line in root for entry in line]
        table = np.empty((len(rows), columns))
        table[:, :count] = rows
        table[:, count:] = table[:, count - 1 : count]
        return table

    def whole(self, count: int) -> int:
        """Round a number of paths up to whole vectors."""
        return -(-count // self.program.width) * self.program.width
