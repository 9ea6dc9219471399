"""One step of DOP853 on lanes: stages, error estimate, step size, dense output, initial step.

The numbers are those of Hairer, Nørsett & Wanner (Solving Ordinary Differential Equations I, 1993, section
II.5 and code DOP853), the rules for accepting and choosing steps those of SciPy's implementation, with two guards
against what happens to a few in a million there: an estimate that is close to zero by accident, on a step that is much
too long. The estimate of order 3 has a say of its own, and steps grow more slowly after the first few.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from dynsim.integrate.engine.lanes import Lanes
from dynsim.integrate.engine.lowering import Recipe
from dynsim.integrate.engine.method import SMALLEST, AttemptedStep, Vector, varies, weight

__all__ = ["DOP853Method"]

SAFETY, SHRINK = 0.9, 0.2
INTERPOLATION = 5.0  # tolerances that the interpolant may be off
LOW_ORDER = 6.0  # √tolerance times this is the most the estimate of order 3 may say, whatever that of order 5 says
STIFFNESS = 4.0  # the method is stable up to about 6
FAR_OFF = 1e30  # error of a step out of where the field is defined, however small it seems: the next one is shorter
_STAGES = 12  # the one at the end of the step, the first of the next, not counted

RightHandSide = Callable[[Any, Vector], Vector]  # of time and states


@cache
def _numbers() -> Any:
    """SciPy's class, for the numbers of the method: imported where machine code is made, not where it is loaded."""
    from scipy.integrate import DOP853

    return DOP853


class DOP853Method:
    """The method for one right-hand side, as a `StepMethod`: what a lane carries is the velocity."""

    dense_terms = 8  # value at the beginning of the step, then seven coefficients

    def __init__(self, recipe: Recipe, size: int) -> None:
        self.recipe, self.carried = recipe, size

    def _function(self, v: Lanes, values: Vector) -> RightHandSide:
        return lambda t, y: self.recipe.emit(v, [*y, *values, t])

    def begin(
        self, v: Lanes, values: Vector, y: Vector, span: Any, rtol: Any, atol: Vector
    ) -> tuple[Any, Vector, Vector]:
        """First step after Hairer."""
        f = self._function(v, values)
        slope = f(v.const(0.0), y)
        return _initial_step(v, f, y, slope, span, rtol, atol), slope, slope

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
        """Twelve stages from `y` at time `t`, whose slope is known, and the slope at the end; error ≤ 1 is good."""
        f = self._function(v, values)
        final = v.at_most(left, h)
        h = v.select(final, left, h)
        slopes = [carried]
        for row in range(1, _STAGES):
            slopes.append(f(_at(v, t, h, _numbers().C[row]), _advanced(v, h, y, slopes, _numbers().A[row, :row])))
        mean = [_combination(v, slopes, _numbers().B, state) for state in range(len(y))]
        y_new = [v.add(value, v.mul(h, slope)) for value, slope in zip(y, mean, strict=True)]
        error = _squared_error(v, h, y, y_new, slopes, mean, rtol, atol)
        slope_new = f(v.add(t, h), y_new)
        defined = v.finite([*y_new, *slope_new])
        error = v.select(defined, error, v.const(FAR_OFF))
        good = v.both(v.at_most(error, v.const(1.0)), defined)
        return AttemptedStep(h, final, y, y_new, slope_new, good, error, [*slopes, slope_new]), slope_new

    def dense(
        self, v: Lanes, values: Vector, t: Any, step: AttemptedStep, rtol: Any, atol: Vector
    ) -> tuple[list[Vector], Any]:
        """The interpolant of order 7; where steps are limited by stability it is worse than the step."""
        terms = _dense_output(v, self._function(v, values), t, step)
        return terms, _interpolation_error(v, step, terms, rtol, atol)

    def interpolate(self, v: Lanes, terms: Vector, x: Any) -> Any:
        """State at the fraction x of the step, from the coefficients of one state."""
        old, *rest = terms
        other = v.sub(v.const(1.0), x)
        value = None
        for i, term in enumerate(reversed(rest)):
            value = term if value is None else v.add(value, term)
            value = v.mul(value, x if i % 2 == 0 else other)
        return v.add(old, value)

    def next_size(self, v: Lanes, h: Any, error: Any, most: Any) -> Any:
        """Size of the next step from the squared error of this one; growth at most by the factor `most`."""
        wanted = v.scale(_inverse_root_16(v, error), SAFETY)
        return v.mul(h, v.minimum(v.maximum(wanted, v.const(SHRINK)), most))

    def stiff(self, v: Lanes, values: Vector, t: Any, step: AttemptedStep) -> Any:
        """Whether stability limits the step: h times the local Lipschitz constant is beyond `STIFFNESS`.

        The constant is Hairer's estimate, from the last two stages, both at the end of the step.
        """
        slopes = step.detail
        before_last = _advanced(v, step.h, step.y, slopes[: _STAGES - 1], _numbers().A[_STAGES - 1, : _STAGES - 1])
        return varies(v, step.h, STIFFNESS, (slopes[_STAGES], slopes[_STAGES - 1]), (step.y_new, before_last))


def _at(v: Lanes, t: Any, h: Any, fraction: float) -> Any:
    """Time of a stage; a flow that does not depend on it leaves no trace of this in the machine code."""
    return v.add(t, v.scale(h, float(fraction)))


def _combination(v: Lanes, slopes: list[Vector], weights: Any, state: int) -> Any:
    """Σ weight·slope for one state, zeros left out."""
    result = None
    for slope, factor in zip(slopes, weights, strict=True):
        if factor != 0:
            term = v.scale(slope[state], factor)
            result = term if result is None else v.add(result, term)
    return result


def _advanced(v: Lanes, h: Any, y: Vector, slopes: list[Vector], weights: Any) -> Vector:
    """Y + h Σ weight·slope, the latest slope last: the others need not wait for it."""
    *_, last = np.flatnonzero(weights)
    early = [weight if i != last else 0.0 for i, weight in enumerate(weights)]
    factor = v.scale(h, weights[last])
    result = []
    for state, value in enumerate(y):
        if any(early):
            value = v.add(value, v.mul(h, _combination(v, slopes, early, state)))
        result.append(v.add(value, v.mul(factor, slopes[last][state])))
    return result


def _squared_error(
    v: Lanes, h: Any, y: Vector, y_new: Vector, slopes: list[Vector], mean: Vector, rtol: Any, atol: Vector
) -> Any:
    """Square of the norm that combines the estimates of orders 5 and 3."""
    fifth: list[Any] = []
    third: list[Any] = []
    lower = _numbers().B - _numbers().E3[:_STAGES]  # the method of order 3: three stages only
    for state, (old, new) in enumerate(zip(y, y_new, strict=True)):
        scale = weight(v, v.maximum(v.abs(old), v.abs(new)), rtol, atol[state])
        low = _combination(v, slopes, lower, state)
        for terms, estimate in (
            (fifth, _combination(v, slopes, _numbers().E5[:_STAGES], state)),
            (third, v.sub(mean[state], low)),
        ):
            ratio = v.mul(estimate, scale)
            terms.append(v.mul(ratio, ratio))
    sum5, sum3 = v.sum(fifth), v.sum(third)
    denominator = v.scale(v.add(sum5, v.scale(sum3, 0.01)), len(y))
    scaled = v.mul(h, sum5)
    error = v.div(v.mul(scaled, scaled), v.add(denominator, v.const(1e-290)))
    low_order = v.mul(v.mul(v.mul(h, h), v.scale(sum3, 1 / (LOW_ORDER**2 * len(y)))), rtol)
    return v.maximum(low_order, error)


def _inverse_root_16(v: Lanes, x: Any) -> Any:
    """x^(−1/16) to one per cent, for x ≥ 0: −log₂(x)/16 on the bits, then one step of Newton."""
    one = 1023 << 52
    guess = v.from_bits(v.builder.sub(v.integers(one + one // 16), v.builder.lshr(v.bits(x), v.integers(4))))
    power = guess
    for _ in range(4):
        power = v.mul(power, power)
    return v.mul(guess, v.sub(v.const(17 / 16), v.mul(v.scale(x, 1 / 16), power)))


def _initial_step(v: Lanes, f: RightHandSide, y: Vector, slope: Vector, span: Any, rtol: Any, atol: Vector) -> Any:
    """First step size after Hairer: from the sizes of state, slope and change of slope."""
    weights = [weight(v, v.abs(value), rtol, least) for value, least in zip(y, atol, strict=True)]
    d0, d1 = _mean_square(v, y, weights), _mean_square(v, slope, weights)
    small = v.either(v.less(d0, v.const(1e-10)), v.less(d1, v.const(1e-10)))
    h0 = v.select(small, v.const(1e-6), v.scale(v.sqrt(v.div(d0, d1)), 0.01))
    h0 = v.maximum(v.minimum(h0, span), v.const(SMALLEST))
    ahead = f(h0, [v.add(value, v.mul(h0, s)) for value, s in zip(y, slope, strict=True)])
    change = [v.div(v.sub(a, s), h0) for a, s in zip(ahead, slope, strict=True)]
    d = v.maximum(_mean_square(v, change, weights), d1)
    flat = v.less(d, v.const(1e-30))
    h1 = v.select(flat, v.maximum(v.const(1e-6), v.scale(h0, 1e-3)), _inverse_root_16(v, v.scale(d, 1e4)))
    return v.maximum(v.minimum(v.minimum(v.scale(h0, 100.0), h1), span), v.const(SMALLEST))


def _mean_square(v: Lanes, values: Vector, weights: Vector) -> Any:
    ratios = [v.mul(value, weight) for value, weight in zip(values, weights, strict=True)]
    return v.scale(v.sum([v.mul(ratio, ratio) for ratio in ratios]), 1 / len(ratios))


def _dense_output(v: Lanes, f: RightHandSide, t: Any, step: AttemptedStep) -> list[Vector]:
    """Coefficients of the interpolating polynomial of order 7, per state; needs three more stages."""
    slopes = list(step.detail)
    for weights, fraction in zip(_numbers().A_EXTRA, _numbers().C_EXTRA, strict=True):
        y = _advanced(v, step.h, step.y, slopes, weights[: len(slopes)])
        slopes.append(f(_at(v, t, step.h, fraction), y))
    result = []
    for state, old in enumerate(step.y):
        change = v.sub(step.y_new[state], old)
        first, last = (v.mul(step.h, slope[state]) for slope in (slopes[0], slopes[_STAGES]))
        coefficients = [old, change, v.sub(first, change), v.sub(v.sub(v.scale(change, 2.0), first), last)]
        coefficients += [v.mul(step.h, _combination(v, slopes, weights, state)) for weights in _numbers().D]
        result.append(coefficients)
    return result


def _interpolation_error(v: Lanes, step: AttemptedStep, terms: list[Vector], rtol: Any, atol: Vector) -> Any:
    """Square of the interpolant's error relative to what is allowed: `INTERPOLATION` tolerances.

    Where steps are limited by stability the interpolant of order 7 is worse than the step, up to a hundred
    tolerances. Its last term, at most 0.008 of the last coefficient, is there about seven times the error.
    """
    total = []
    for old, new, coefficients, least in zip(step.y, step.y_new, terms, atol, strict=True):
        scale = weight(v, v.maximum(v.abs(old), v.abs(new)), rtol, least)
        ratio = v.mul(v.scale(coefficients[-1], 0.008 / 7 / INTERPOLATION), scale)
        total.append(v.mul(ratio, ratio))
    return v.scale(v.sum(total), 1 / len(total))
