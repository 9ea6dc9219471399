"""What the kernel asks of a method of integration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dynsim.integrate.engine.lanes import Lanes

__all__ = ["SMALLEST", "AttemptedStep", "StepMethod", "Vector", "growth", "perturbed", "varies", "weight"]

SMALLEST = 1e-280  # no step is shorter, whatever overflows
# The most that a step may be longer than the one before, at first and from the step `EARLY` on: far beyond stability
# estimates have zeros, and what comes from nothing is not to be stepped over.
GROW, EARLY, GROW_LATER = 10.0, 4.0, 2.0

Vector = list[Any]
"""One value per state."""


@dataclass(frozen=True)
class AttemptedStep:
    """What one attempted step leaves behind.

    Attributes
    ----------
    h : vector
        Its size.
    final : mask
        Whether it ends where the run does.
    y, y_new, slope_new : list of vectors
        States before and after, and their velocity after.
    good : mask
        Whether the step counts.
    error : vector
        What `StepMethod.next_size` decides by.
    detail : any
        What only the method itself reads.
    """

    h: Any
    final: Any
    y: Vector
    y_new: Vector
    slope_new: Vector
    good: Any
    error: Any
    detail: Any = None


class StepMethod(Protocol):
    """One method for one right-hand side.

    Attributes
    ----------
    carried : int
        Numbers that a lane keeps from one step to the next beside time, size, states.
    dense_terms : int
        Coefficients of one state's interpolating polynomial.
    """

    carried: int
    dense_terms: int

    def begin(
        self, v: Lanes, values: Vector, y: Vector, span: Any, rtol: Any, atol: Vector
    ) -> tuple[Any, Vector, Vector]:
        """Size of the first step, velocity, and what is carried into it."""
        ...

    def attempt(
        self,
        v: Lanes,
        values: Vector,
        t: Any,
        h: Any,
        most: Any,
        left: Any,
        y: Vector,
        carried: Vector,
        rtol: Any,
        atol: Vector,
    ) -> tuple[AttemptedStep, Vector]:
        """One attempt from `y` at time `t`, over at most `left`, and what is carried on if it is good."""
        ...

    def dense(
        self, v: Lanes, values: Vector, t: Any, step: AttemptedStep, rtol: Any, atol: Vector
    ) -> tuple[list[Vector], Any]:
        """Interpolating polynomial per state, and the square of its error in units of what is allowed, if in doubt."""
        ...

    def interpolate(self, v: Lanes, terms: Vector, x: Any) -> Any:
        """State at the fraction x of the step, from the coefficients of one state."""
        ...

    def next_size(self, v: Lanes, h: Any, error: Any, most: Any) -> Any:
        """Size of the next step, or of the next attempt at this one."""
        ...

    def stiff(self, v: Lanes, values: Vector, t: Any, step: AttemptedStep) -> Any:
        """Whether stability limits the step."""
        ...


def growth(v: Lanes, accepted: Any) -> Any:
    """The most that a step may be longer than the one before, after so many good ones."""
    return v.select(v.less(accepted, v.const(EARLY)), v.const(GROW), v.const(GROW_LATER))


def varies(v: Lanes, h: Any, limit: float, slopes: tuple[Vector, Vector], states: tuple[Vector, Vector]) -> Any:
    """Whether h times the Lipschitz constant, as two states and their slopes show it, is beyond a limit."""
    rise, run = (
        v.sum([v.mul(d, d) for d in (v.sub(a, b) for a, b in zip(*pair, strict=True))]) for pair in (slopes, states)
    )
    return v.less(v.scale(run, limit**2), v.mul(v.mul(h, h), rise))


def weight(v: Lanes, size: Any, rtol: Any, atol: Any) -> Any:
    """One over the tolerance of a state of this size."""
    return v.div(v.const(1.0), v.add(v.mul(rtol, size), atol))


def perturbed(v: Lanes, taken: Any, y: Vector) -> Vector:
    """States changed in their last places, up or down, otherwise after every number of steps taken."""
    b, sign, odd = v.builder, v.integers(-(2**63)), np.random.default_rng(0).integers(-(2**63), 2**63, len(y))
    step, unit = b.fptosi(taken, v.integer), v.bits(v.const(np.finfo(float).eps))
    kicks = (b.and_(b.mul(step, v.integers(int(number) | 1)), sign) for number in odd)
    return [v.add(x, v.mul(x, v.from_bits(b.or_(unit, kick)))) for x, kick in zip(y, kicks, strict=True)]
