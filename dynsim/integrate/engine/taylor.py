"""One step of a Taylor series on lanes: coefficients, step size, the states after it, and whether it holds.

The coefficients are exact (`series`), so the last two of them say how long a step may be: the series is cut off where
its terms are as small as the tolerance. They may vanish by accident, as in a series in t³; so the velocity at the end
of a step is compared with that of the polynomial, and a step on which they do not agree is made again, shorter. The
values of functions at the end, which this takes, are the first coefficients of the next step. A pulse within the step
is seen neither at its beginning nor at its end: where the coefficients would allow any step at all, where the time is
in the equations, and where what a function is of changes so much that a tanh may go from one of its ends to the other,
velocities are compared on the way, too.
"""

from __future__ import annotations

from typing import Any

from dynsim.integrate.engine.functions import power
from dynsim.integrate.engine.lanes import DOUBLE, I64, Lanes
from dynsim.integrate.engine.method import SMALLEST, AttemptedStep, Vector, varies, weight
from dynsim.integrate.engine.series import SeriesRecipe

__all__ = ["Taylor"]

LAST, BEFORE_LAST = 0.3, 0.1  # tolerances that a step's last term may be, and share that the one before it counts for
DEFECT = 4.0  # tolerances that the velocity at the end may be off, times the step over the order
SHRINK = 0.3  # of a step that does not hold
STIFFNESS = 3.0
ON_THE_WAY = [0.11, 0.26, 0.42, 0.57, 0.73, 0.88]  # fractions of a step that only the one before it limits
_ROUNDOFF = 4e-15  # steps shorter than this times t no longer advance it
_NO_SIZE = 1e201  # a larger weight is that of a state at zero without an absolute tolerance
_HUGE = 1e280  # the root of its inverse neither overflows nor vanishes on the way

Coefficients = list[Any]
"""Vectors by order, from 1; None where one vanishes identically."""


class Taylor:
    """Taylor series of a right-hand side, as a `StepMethod`; `relative`: states may have no absolute tolerance."""

    def __init__(self, recipe: SeriesRecipe, order: int, relative: bool) -> None:
        self.recipe, self.order, self.relative = recipe, order, relative
        self.carried, self.dense_terms = recipe.functions, order + 1

    def begin(
        self, v: Lanes, values: Vector, y: Vector, span: Any, rtol: Any, atol: Vector
    ) -> tuple[Any, Vector, Vector]:
        """A unit of time in which coefficients are moderate: a tenth of size over velocity."""
        slope, heads = self.recipe.heads(v, v.const(0.0), y, values)
        weights = [weight(v, v.abs(value), rtol, least) for value, least in zip(y, atol, strict=True)]
        size, speed = (
            v.largest([v.mul(v.abs(value), scale) for value, scale in zip(vector, weights, strict=True)])
            for vector in (y, slope)
        )
        small = v.either(v.less(size, v.const(1e-5)), v.less(speed, v.const(1e-5)))
        unit = v.select(small, v.const(1e-6), v.scale(v.div(size, speed), 0.1))
        return v.maximum(v.minimum(unit, span), v.const(SMALLEST)), slope, heads

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
        """Expand in units of the step before, go as far as the last terms allow, compare velocities there."""
        slopes, changes = self.recipe.slopes(v, t, h, y, values, carried, self.order)
        weights = [weight(v, v.abs(value), rtol, least) for value, least in zip(y, atol, strict=True)]
        if self.relative:
            weights = [_weight(v, *each, rtol) for each in zip(weights, slopes, atol, strict=True)]
        ratio = self._ratio(v, slopes, weights)
        free = v.either(v.less(most, ratio), v.always(self.recipe.timed))
        ratio = v.minimum(ratio, most)
        wanted = v.mul(h, ratio)
        final = v.at_most(left, wanted)
        step = v.select(final, left, wanted)
        ratio = v.select(final, v.div(left, h), ratio)
        if changes:
            # Beyond the order n ≈ −½ ln rtol a tanh is as good as one: 1 − tanh n ≈ 2 exp(−2n).
            change = v.mul(v.largest([v.abs(change) for change in changes]), ratio)
            free = v.either(free, v.less(v.const(self.order), change))
        y_new, rise = _followed(v, y, slopes, ratio)
        slope_new, heads = self.recipe.heads(v, v.add(t, step), y_new, values)
        defect = self._defect(v, step, slope_new, rise, weights)
        defect = v.rarely(
            free, defect, lambda: v.maximum(defect, self._on_the_way(v, values, t, h, ratio, y, slopes, weights))
        )
        good = v.both(v.at_most(defect, v.const(1.0)), v.finite([*y_new, *slope_new]))
        floor = v.maximum(v.scale(t, _ROUNDOFF), v.const(SMALLEST))
        good = v.both(good, v.either(final, v.less(floor, step)))
        error = v.select(good, v.const(0.0), v.const(1.0))
        return AttemptedStep(step, final, y, y_new, slope_new, good, error, (slopes, ratio)), heads

    def _defect(self, v: Lanes, step: Any, slope: Vector, rise: Vector, weights: Vector) -> Any:
        """Square of what a velocity and that of the polynomial differ by, as a share of what they may."""
        total = v.const(0.0)
        for velocity, other, scale in zip(slope, rise, weights, strict=True):
            off = v.mul(v.sub(v.mul(step, velocity), other), scale)
            total = v.add(total, v.mul(off, off))
        return v.scale(total, 1 / ((DEFECT * (self.order + 1)) ** 2 * len(slope)))

    def _on_the_way(
        self,
        v: Lanes,
        values: Vector,
        t: Any,
        h: Any,
        ratio: Any,
        y: Vector,
        slopes: list[Coefficients],
        weights: Vector,
    ) -> Any:
        """The largest defect within a step."""
        b, fractions = v.builder, v.constants(ON_THE_WAY)
        before, again, after = b.block, b.append_basic_block("on_the_way"), b.append_basic_block("on_the_way_done")
        b.branch(again)
        b.position_at_end(again)
        turn, worst = b.phi(I64), b.phi(v.real)
        turn.add_incoming(I64(0), before)
        worst.add_incoming(v.const(0.0), before)
        here = v.mul(ratio, v.splat(b.load(b.gep(fractions, [turn], source_etype=DOUBLE), typ=DOUBLE)))
        step = v.mul(h, here)
        there, rise = _followed(v, y, slopes, here)
        slope, _ = self.recipe.heads(v, v.add(t, step), there, values)
        following = v.largest([self._defect(v, step, slope, rise, weights), worst])
        next_turn = b.add(turn, I64(1))
        turn.add_incoming(next_turn, b.block)
        worst.add_incoming(following, b.block)
        b.cbranch(b.icmp_signed("<", next_turn, I64(len(ON_THE_WAY))), again, after)
        b.position_at_end(after)
        return following

    def _ratio(self, v: Lanes, slopes: list[Coefficients], weights: Vector) -> Any:
        """Step in units in which the coefficients are, from the last two orders; usually it is about one."""
        total = v.const(0.0)
        for order, allowed in ((self.order - 1, LAST / BEFORE_LAST), (self.order, LAST)):
            for coefficients, scale in zip(slopes, weights, strict=True):
                if coefficients[order - 1] is not None:
                    part = v.mul(v.scale(coefficients[order - 1], 1 / (allowed * order)), scale)
                    total = v.add(total, v.mul(part, part))
        total = v.scale(total, 1 / len(slopes))
        total = v.select(v.less(total, v.const(_HUGE)), v.maximum(total, v.const(1 / _HUGE)), v.const(_HUGE))
        return _inverse_root(v, total, 2 * self.order)

    def dense(
        self, v: Lanes, values: Vector, t: Any, step: AttemptedStep, rtol: Any, atol: Vector
    ) -> tuple[list[Vector], Any]:
        """The terms of the series at the end of the step: within it they are smaller."""
        slopes, ratio = step.detail
        terms = [[y] for y in step.y]
        scale = None
        for n in range(1, self.order + 1):
            scale = ratio if scale is None else v.mul(scale, ratio)
            for state, part in zip(terms, slopes, strict=True):
                state.append(v.const(0.0) if part[n - 1] is None else v.mul(v.scale(part[n - 1], 1 / n), scale))
        return terms, None

    def interpolate(self, v: Lanes, terms: Vector, x: Any) -> Any:
        """Horner's rule."""
        old, *rest = terms
        value = rest.pop()
        for term in reversed(rest):
            value = v.add(v.mul(value, x), term)
        return v.add(old, v.mul(value, x))

    def next_size(self, v: Lanes, h: Any, error: Any, most: Any) -> Any:
        """The unit in which the next series is expanded."""
        return v.select(v.equal(error, v.const(0.0)), h, v.scale(h, SHRINK))

    def stiff(self, v: Lanes, values: Vector, t: Any, step: AttemptedStep) -> Any:
        """Whether h times the Lipschitz constant, seen by leaving out the last term, is beyond what accuracy asks."""
        slopes, ratio = step.detail
        whole = power(v, ratio, self.order)
        last = [v.const(0.0) if part[-1] is None else v.scale(part[-1], 1 / self.order) for part in slopes]
        before = [v.sub(y, v.mul(term, whole)) for y, term in zip(step.y_new, last, strict=True)]
        slope, _ = self.recipe.heads(v, v.add(t, step.h), before, values)
        return varies(v, step.h, STIFFNESS, (step.slope_new, slope), (step.y_new, before))


def _weight(v: Lanes, usual: Any, part: Coefficients, atol: Any, rtol: Any) -> Any:
    """The same, but of a state at zero, whose accuracy is relative alone, relative to what it gains."""
    gains = [v.scale(v.abs(slope), 0.1 / n) for n, slope in enumerate(part, 1) if slope is not None]
    if not gains:
        return usual
    return v.rarely(v.less(v.const(_NO_SIZE), usual), usual, lambda: weight(v, v.largest(gains), rtol, atol))


def _followed(v: Lanes, y: Vector, slopes: list[Coefficients], ratio: Any) -> tuple[Vector, Vector]:
    """States after a step of `ratio` units and step times velocity there, of the polynomial, by Horner's rule."""
    states, rises = [], []
    for value, part in zip(y, slopes, strict=True):
        state: Any = None
        rise: Any = None
        for n, slope in reversed([*enumerate(part, 1)]):
            if state is not None:
                state, rise = v.mul(state, ratio), v.mul(rise, ratio)
            if slope is not None:
                whole = v.scale(slope, 1 / n)
                state = whole if state is None else v.add(state, whole)
                rise = slope if rise is None else v.add(rise, slope)
        states.append(value if state is None else v.add(value, v.mul(state, ratio)))
        rises.append(v.const(0.0) if rise is None else v.mul(rise, ratio))
    return states, rises


def _inverse_root(v: Lanes, x: Any, degree: int) -> Any:
    """x^(−1/degree) to a hundredth, for 1e−280 ≤ x ≤ 1e280: −log₂(x)/degree on the bits, then one step of Newton."""
    one = 1023 * 2.0**52
    logarithm = v.builder.sitofp(v.bits(x), v.real)
    guess = v.from_bits(
        v.builder.fptosi(v.sub(v.const(one * (1 + 1 / degree)), v.scale(logarithm, 1 / degree)), v.integer)
    )
    result = power(v, guess, degree)
    return v.mul(guess, v.sub(v.const(1 + 1 / degree), v.mul(v.scale(x, 1 / degree), result)))
