"""Fields that jump, after Filippov: on which side of each surface a run is, and whether it crosses it or slides.

The expressions of a flow say where it jumps: at the zeros of what stands in a sign, a step or a condition. With a
number σ = ±1 in the place of each sign the field is smooth, and an event ends its validity. At a surface the
velocities on both sides decide: if they point the same way through it the run crosses; if both point at it the run
slides along it, with the σ between −1 and 1 that keeps it there, until that σ would have to leave the interval.

References
----------
Filippov, Differential Equations with Discontinuous Righthand Sides (1988), §4; Utkin, Sliding Modes in Control and
Optimization (1992), on the equivalent control.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
import sympy
from sympy.core.relational import Relational

from dynsim.field import Field
from dynsim.integrate.stepping import Stepper
from dynsim.integrate.zeros import sign_changes
from dynsim.names import TIME
from dynsim.symbolic.expectation import Expectation
from dynsim.symbolic.expressions import almost_everywhere
from dynsim.symbolic.numeric import VectorFunction

__all__ = ["Switching", "switching_of"]

_MOST = 12  # surfaces; with more the field is integrated as it is
_NEAR = 1e-12  # share of the largest state by which a surface is passed before the run is said to meet it


def switching_of(flow: Any, values: dict[str, Any]) -> Switching | None:
    """The surfaces on which a flow jumps; None if there is none, or if they cannot be told apart.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.integrate.sliding import switching_of
    >>> switching = switching_of(dynsim.gradient_flow("abs(w)", "w"), {})
    >>> [str(surface) for surface in switching.surfaces]
    ['w']
    """
    surfaces: list[sympy.Expr] = []
    signs: list[sympy.Symbol] = []

    def sign_of(inner: sympy.Expr) -> sympy.Expr:
        flipped = inner.could_extract_minus_sign()
        key = -inner if flipped else inner
        if key not in surfaces:
            surfaces.append(key)
            signs.append(sympy.Dummy(f"s{len(signs)}", real=True))
        found = signs[surfaces.index(key)]
        return -found if flipped else found

    def smooth(node: sympy.Basic) -> sympy.Basic:
        if isinstance(node, Expectation) or not node.has(sympy.sign, sympy.Heaviside, sympy.Piecewise):
            return node  # what jumps sample by sample does not jump on average
        arguments = [smooth(item) for item in node.args]
        if isinstance(node, sympy.sign):
            return sign_of(arguments[0])
        if isinstance(node, sympy.Heaviside):
            return (1 + sign_of(arguments[0])) / 2
        if isinstance(node, sympy.Piecewise):
            return piecewise(node)
        return node.func(*arguments)

    def piecewise(node: sympy.Piecewise) -> sympy.Expr:
        (value, condition), *rest = node.args
        value = smooth(value)
        if condition == sympy.true or not rest:
            return value
        if not isinstance(condition, Relational) or condition.rel_op not in ("<", "<=", ">", ">="):
            raise _TooManyFormsError
        inside = smooth(condition.lhs - condition.rhs if ">" in condition.rel_op else condition.rhs - condition.lhs)
        other = smooth(sympy.Piecewise(*rest))
        side = sign_of(inside)
        # Only one of the two need be defined on its own side, and between −1 and 1 they are mixed.
        mixed = value * (1 + side) / 2 + other * (1 - side) / 2
        return sympy.Piecewise((value, side >= 1), (other, side <= -1), (mixed, True))

    try:
        entries = [smooth(entry) for entry in flow.rhs]
    except _TooManyFormsError:
        return None
    if not surfaces or len(surfaces) > _MOST or any(item.has(*signs) for item in surfaces):
        return None
    return Switching(flow, entries, surfaces, signs, values)


class _TooManyFormsError(Exception):
    """A condition that is no comparison."""


class Switching:
    """A field between its jumps, and what happens at them.

    Attributes
    ----------
    surfaces : list of Expr
    side : array
        σ of each surface: −1 or 1, NaN where the run slides along it.
    record : list of [surface, from, until]
        Along which surfaces the run slid, and when; `until` is NaN while it does.
    """

    def __init__(
        self,
        flow: Any,
        entries: list[sympy.Expr],
        surfaces: list[sympy.Expr],
        signs: list[sympy.Symbol],
        values: Mapping[str, Any],
    ) -> None:
        states = [flow.symbols[name] for name in flow.states]
        symbols = [*(flow.symbols[name] for name in flow.parameters), *signs]
        time = flow.symbols.get(TIME, sympy.Symbol(TIME))
        self.surfaces, self.parameters = surfaces, flow.parameters
        self.values = tuple(values[name] for name in flow.parameters)
        self._field = VectorFunction(entries, states, symbols)
        self._levels = VectorFunction(surfaces, states, symbols)
        real = {symbol: sympy.Dummy(symbol.name, real=True) for symbol in (*states, *symbols, time)}
        back = {dummy: symbol for symbol, dummy in real.items()}
        slopes = [
            [almost_everywhere(surface.xreplace(real).diff(real[symbol])).xreplace(back) for symbol in (*states, time)]
            for surface in surfaces
        ]
        self._normals = VectorFunction(sympy.Matrix(slopes), states, symbols)
        self.side = np.ones(len(surfaces))
        self.record: list[list[Any]] = []
        self.scale = 1.0

    # The smooth field

    def start(self, t: float, y: np.ndarray) -> None:
        """Take the sides from where the run is; at a surface it is met at once."""
        self.scale = float(np.abs(y).max(initial=0.0)) or 1.0
        levels = self.levels(t, y)
        self.side = np.where(levels >= 0, 1.0, -1.0)
        for index in map(int, np.flatnonzero(np.abs(levels) <= _NEAR * self.scale)):
            # From which side the run comes is not known; it is the one that the field of the other side leads to.
            self.side[index] = 1.0 if self._through(t, y, index, -1.0) > 0 else -1.0
            self._meet(t, y, index)

    def levels(self, t: Any, y: Any) -> np.ndarray:
        """Values of the expressions whose zeros are the surfaces."""
        return self._levels(t, y, (*self.values, *np.ones(len(self.surfaces))))

    @property
    def sliding(self) -> np.ndarray:
        """Indices of the surfaces along which the run slides."""
        return np.flatnonzero(np.isnan(self.side))

    def velocity(self, t: Any, y: Any) -> np.ndarray:
        """The field at hand: that of the sides, or the one that stays on the surfaces along which the run slides."""
        return self._at(t, y, self._sides(t, y) if self.sliding.size else self.side)

    def _at(self, t: Any, y: Any, side: np.ndarray) -> np.ndarray:
        return self._field(t, y, (*self.values, *side))

    def _sides(self, t: float, y: np.ndarray) -> np.ndarray:
        """All σ, with those that keep the run on its surfaces; they enter the field linearly, each by itself."""
        slide = self.sliding
        normals = self._normals(t, y, (*self.values, *np.ones(len(self.surfaces))))[slide]
        side = np.where(np.isnan(self.side), 0.0, self.side)

        def through(side: np.ndarray) -> np.ndarray:
            return np.asarray(normals[:, :-1] @ self._at(t, y, side) + normals[:, -1])

        for _ in range(1 if slide.size == 1 else 4):
            base = through(side)
            columns = []
            for index in slide:
                moved = side.copy()
                moved[index] += 1.0
                columns.append(through(moved) - base)
            change = np.linalg.lstsq(np.stack(columns, axis=1), -base, rcond=None)[0]
            side[slide] += change
        return side

    def _through(self, t: float, y: np.ndarray, index: int, side: float) -> float:
        """Rate of the surface's level with its σ set to one side."""
        sides = self._sides(t, y) if self.sliding.size else self.side.copy()
        sides[index] = side
        normal = self._normals(t, y, (*self.values, *np.ones(len(self.surfaces))))[index]
        return float(normal[:-1] @ self._at(t, y, sides) + normal[-1])

    # Events

    def distance(self, t: float, y: np.ndarray) -> np.ndarray:
        """One number per surface, positive while the field at hand is the right one."""
        levels = self.levels(t, y)
        near = _NEAR * self.scale
        apart = np.where(np.isnan(self.side), 1.0, self.side * levels + near)
        if self.sliding.size:
            held = self.sliding
            apart[held] = 1.0 + 1e-9 - np.abs(self._sides(t, y)[held])
        return apart

    def change(self, t: float, y: np.ndarray, index: int) -> np.ndarray:
        """Go over to the field beyond an event; the state from which it goes on."""
        if np.isnan(self.side[index]):
            self.side[index] = np.sign(self._sides(t, y)[index])
            for entry in self.record:
                if entry[0] == str(self.surfaces[index]) and np.isnan(entry[2]):
                    entry[2] = t
            return y
        normal = self._normals(t, y, (*self.values, *np.ones(len(self.surfaces))))[index, :-1]
        size = float(normal @ normal)
        if size > 0 and np.isfinite(size):
            y = y - normal * self.levels(t, y)[index] / size
        self._meet(t, y, index)
        return y

    def _meet(self, t: float, y: np.ndarray, index: int) -> None:
        """Cross a surface, or begin to slide along it."""
        side = self.side[index]
        if side * self._through(t, y, index, -side) < 0:
            self.side[index] = -side  # the field beyond leads on
        elif side * self._through(t, y, index, side) <= 0:
            self.side[index] = np.nan
            self.record.append([str(self.surfaces[index]), t, np.nan])

    def first_change(self, stepper: Stepper) -> tuple[float, int] | None:
        """The first time within a step at which the field at hand stops being the right one, and for which surface."""
        dense = stepper.dense()
        found = []
        for index in range(len(self.surfaces)):

            def apart(times: np.ndarray, index: int = index) -> np.ndarray:
                return np.array([self.distance(t, y)[index] for t, y in zip(times, dense(times).T, strict=True)])

            found += [(t, index) for t, sign in sign_changes(apart, (stepper.t_before, stepper.t))[:1] if sign < 0]
        return min(found, key=lambda hit: abs(hit[0] - stepper.t_before)) if found else None

    def field(self, original: Field) -> Field:
        """The field at hand as a `Field`."""
        return Field(original.names, self.velocity, is_autonomous=original.is_autonomous)

    def at(self, values: Mapping[str, Any]) -> Switching:
        """The same surfaces at other values of the parameters."""
        other = copy(self)
        other.values = tuple(values[name] for name in self.parameters)
        other.record = []
        return other
