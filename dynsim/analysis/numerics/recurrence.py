"""What a run has done so far: where it was, what it has spanned, and whether it comes back."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from dynsim.integrate.stepping import Stepper

__all__ = ["TINY", "History", "Section"]

TINY = 1e-280
_RETURNED = 1e-7  # distance of a return, in units of the orbit, at which the orbit is closed
_ROUNDING = 1e-8  # extent of an orbit, in units of the run, below which it is the solver's


class History:
    """States at flow times that grow by √2, what the run has spanned, and when each state last changed its sign."""

    def __init__(self, y0: np.ndarray) -> None:
        self.low = self.high = self.last = y0
        self.turned = np.zeros(len(y0))
        self.times: list[float] = [0.0]
        self.states: list[np.ndarray] = [y0]

    @property
    def span(self) -> float:
        """Largest extent of the run in one state."""
        return float((self.high - self.low).max(initial=0.0))

    def add(self, t: float, y: np.ndarray) -> None:
        """Take the next state of the run."""
        self.low, self.high = np.minimum(self.low, y), np.maximum(self.high, y)
        self.turned[self.last * y < 0], self.last = t, y
        if t >= 1.4 * self.times[-1]:
            self.times.append(t)
            self.states.append(y)


class Section:
    """A plane across the orbit at a state of it: a run that comes back to that state is periodic.

    A renewed one moves to the present state whenever the number of steps has doubled, so that a run which first goes
    somewhere is seen to be periodic once it is there.
    """

    def __init__(self, y: np.ndarray, velocity: np.ndarray, *, renewed: bool = False) -> None:
        self.renewed, self.taken = renewed, 0
        self._at(0.0, y, velocity)

    def _at(self, t: float, y: np.ndarray, velocity: np.ndarray) -> None:
        self.t, self.y, self.velocity = t, y, velocity
        self.low = self.high = self.before = y
        self.returns: list[float] = [0.0]

    def crossed(self, stepper: Stepper, t: float, y: np.ndarray, history: History) -> float | None:
        """The period, once the run has come back twice."""
        before, self.before = self.before, y
        self.low, self.high = np.minimum(self.low, y), np.maximum(self.high, y)
        extent = np.maximum(self.high - self.low, 1e-12 * max(history.span, TINY))
        normal = self.velocity / extent**2

        def beyond(state: np.ndarray) -> float:
            return float(normal @ (state - self.y))

        if stepper.t_before > self.t and beyond(before) < 0 <= beyond(y):
            dense = stepper.dense()
            try:
                time = brentq(lambda s: beyond(dense(s)), stepper.t_before, t, xtol=1e-14 * t, rtol=1e-14)
            except ValueError:  # the interpolant leaves the ends by rounding
                time = t
            gap = float((np.abs(dense(time) - self.y) / extent).max())
            if gap <= _RETURNED:
                self.returns.append(time - self.t)
                # A lap whose return was not close enough leaves a gap in the list: three in a row are asked for.
                first, second, third = [0.0, 0.0, 0.0, *self.returns][-3:]
                wide = (
                    float((self.high - self.low).max()) > _ROUNDING * history.span
                )  # a chattering solver is no orbit
                if wide and third > second > first and abs(third - 2 * second + first) <= 1e-6 * (third - second):
                    return (third - first) / 2
        if self.renewed and stepper.taken > 2 * self.taken + 50:
            self.taken = stepper.taken
            self._at(t, y, stepper.function(t, y))
        return None
