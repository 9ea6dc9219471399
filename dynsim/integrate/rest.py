"""Rest, found early: whether what is left of a run moves the state at all, so that a long horizon costs nothing.

A state that moves slowly is not yet at rest: y' = −y³ creeps for ever, and next to a saddle every rest ends. Here a
run is at rest when its linearisation says that over all the time that is left the state moves by less than the
tolerance, and that nothing small can grow meanwhile.
"""

from __future__ import annotations

import numpy as np

from dynsim.field import Field

__all__ = ["RestWatch", "resting_state"]

_SLOW = 1e-6  # a look is worth its cost once no state moves by more than this share of the largest per unit of time
_LARGEST = 64  # states; above, looking costs more than stepping
_EPS = float(np.finfo(float).eps)
_SPANS = (1e2, 1e4, 1e6, 1e8)  # in units of the fastest time constant
_NOTHING = 1e-100  # a state that has decayed to this share of the largest is at rest at zero
_GROWTH = 0.1  # exponent by which a disturbance may grow over the time that is left


class RestWatch:
    """Looks now and then whether an autonomous field has brought its state to rest for the rest of the run.

    Parameters
    ----------
    field : Field
    rtol : float
        Of each state, the motion that counts as none.
    t_end : float
    """

    def __init__(self, field: Field, rtol: float, t_end: float) -> None:
        self.field, self.rtol, self.t_end = field, rtol, t_end
        self.next_look, self.gap = 8, 8
        self.active = field.size <= _LARGEST

    def held(self, step: int, t: float, y: np.ndarray) -> np.ndarray | None:
        """State to be held from here on, or None; looks only at some of the steps."""
        if not self.active or step < self.next_look or t == self.t_end:
            return None
        self.next_look = step + self.gap
        velocity = np.asarray(self.field.f(t, y), dtype=float)
        if not np.abs(velocity).max() <= _SLOW * np.abs(y).max(initial=0.0):
            return None
        self.gap = min(2 * self.gap, 1024)
        return resting_state(self.field, t, y, self.t_end - t, self.rtol)


def resting_state(field: Field, t: float, y: np.ndarray, span: float, rtol: float) -> np.ndarray | None:
    """Where a state stays for a span of flow time, if that is within `rtol` of where it is; None if it moves on.

    What the steps of an explicit method leave of a fast motion is followed to its end first: it would pass for a
    slow one.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.field import Field
    >>> from dynsim.integrate.rest import resting_state
    >>> creeping = Field(("x",), lambda t, y: -(y**3))
    >>> resting_state(creeping, 0.0, np.array([1e-5]), 1e3, 1e-9) is None
    True
    >>> settled = Field(("x",), lambda t, y: 1.0 - y)
    >>> resting_state(settled, 0.0, np.array([1.0 + 1e-12]), 1e9, 1e-9)
    array([1.])
    """
    here = y
    for units in (*_SPANS, np.inf):
        velocity = np.asarray(field.f(t, here), dtype=float)
        if not velocity.any():
            return _signed(here, y)
        jacobian = _jacobian(field, t, here, velocity)
        if not np.isfinite(jacobian).all():
            return None
        stiffness = float(np.linalg.norm(jacobian, 2))
        growth = np.linalg.eigvals(jacobian * np.sign(span)).real.max(initial=0.0)
        if growth > _GROWTH / abs(span) + 10 * len(y) * _EPS * stiffness:
            return None
        # What rounding alone would make of a velocity of zero is no motion.
        noise = 4 * _EPS * (np.abs(jacobian) @ np.abs(here))
        velocity = np.where(np.abs(velocity) <= noise, 0.0, velocity)
        if not velocity.any():
            return _signed(here, y)
        last = not stiffness or units / stiffness >= abs(span)
        if units == np.inf and not last:
            return None
        there = here + _shift(jacobian, velocity, span if last else np.sign(span) * units / stiffness)
        if not (np.abs(there - y) <= rtol * np.abs(y) + _NOTHING * np.abs(y).max()).all():
            return None
        if last:
            return _signed(here, y)
        here = there
    return None


def _signed(here: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The followed state; a state that has all but vanished keeps the sign it had."""
    return np.where(np.sign(here) == np.sign(y), here, y)


def _shift(jacobian: np.ndarray, velocity: np.ndarray, span: float) -> np.ndarray:
    """Displacement ∫exp(Js)v ds over a span of time."""
    from scipy.linalg import expm  # where a run comes to rest: most commands that integrate nothing do without

    n = len(velocity)
    augmented = np.zeros((n + 1, n + 1))
    augmented[:n, :n], augmented[:n, n] = jacobian * span, velocity * span
    return np.asarray(expm(augmented)[:n, n])


def _jacobian(field: Field, t: float, y: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """The field's own Jacobian, or differences, all at once."""
    if field.jacobian_function is not None:
        return np.asarray(field.jacobian(t, y), dtype=float)
    h = 1e-7 * np.maximum(np.abs(y), 1e-3 * np.abs(y).max(initial=0.0) or 1e-7)
    return np.stack([(np.asarray(field.f(t, y + e)) - velocity) / e.max() for e in np.diag(h)], axis=1)
