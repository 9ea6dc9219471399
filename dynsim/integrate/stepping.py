"""The one loop around SciPy's solvers: step after step, and the reason why there is no next one.

Whatever a solver raises (a factorisation that is singular, an array that is not finite) is a reason like any other:
it ends the run with a status and never reaches the caller as it is. What the field itself raises does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dynsim.status import Status

__all__ = ["IMPLICIT", "SOLVERS", "Stepper", "quiet", "solver_class", "why_it_stopped"]

SOLVERS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
"""Classes of `scipy.integrate`, which is imported where one of them steps."""

IMPLICIT = ("Radau", "BDF", "LSODA")

# So many steps that advance time by less than this share are no progress: no number of further ones would do. Steps
# are as short as that where the field jumps back and forth, and LSODA would take them for ever.
_LOOK, _ADVANCE = 2000, 1e-6
# Every so many steps, that many in a row are asked whether the field jumps between their ends.
_CHATTER, _PAIRS = 500, 32

Velocity = Callable[[float, np.ndarray], np.ndarray]


def solver_class(name: str) -> Any:
    """SciPy's solver of a name."""
    import scipy.integrate

    return getattr(scipy.integrate, name)


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings: a diverging run overflows before its step size gives up, and the status says how it ended."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Stepper:
    """Steps a solver until it is done, fails or has taken as many steps as it may.

    Parameters
    ----------
    solver : type of OdeSolver
    function : callable
        ``function(t, y)``.
    t0, y0, t_end
        As SciPy's solvers take them; `t_end` may lie before `t0`.
    most : int
        Steps allowed.
    may_jump : bool
        Whether the function may jump; one that cannot is never said to slide, however it trembles by rounding.
    **options
        Options of the solver.

    Attributes
    ----------
    status : Status
        `Status.NOT_RUN` while there is more to do; then OK, STEP_LIMIT, SOLVER_FAILED, or SLIDING where the field
        jumps back and forth.
    message : str
        What the solver said when it failed.
    taken : int
        Steps that were accepted.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.integrate import DOP853
    >>> from dynsim.integrate.stepping import Stepper
    >>> stepper = Stepper(DOP853, lambda t, y: -y, 0.0, np.array([1.0]), 1.0, most=1000, rtol=1e-9)
    >>> while stepper.step():
    ...     pass
    >>> stepper.status.name, stepper.y.round(6)
    ('OK', array([0.367879]))
    """

    def __init__(
        self,
        solver: Any,
        function: Velocity,
        t0: float,
        y0: np.ndarray,
        t_end: float,
        *,
        most: int,
        may_jump: bool = True,
        **options: Any,
    ) -> None:
        self.function, self.most, self.may_jump = function, most, may_jump
        self.taken, self._seen, self._jumps = 0, t0, 0
        self.status, self.message = Status.NOT_RUN, ""
        self._error: Exception | None = None
        self.t, self.y, self.t_before = t0, y0, t0
        try:
            self.solver = solver(self._watched, t0, y0, t_end, **options)
        except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            self._fail(error)

    def _watched(self, t: float, y: np.ndarray) -> np.ndarray:
        try:
            return self.function(t, y)
        except Exception as error:
            self._error = error
            raise

    def _fail(self, error: Exception | str) -> None:
        if self._error is not None:
            raise self._error
        self.status, self.message = Status.SOLVER_FAILED, str(error)

    def step(self) -> bool:
        """Take one step; False if there was none to take."""
        if self.status != Status.NOT_RUN:
            return False
        if self.solver.status == "finished":
            self.status = Status.OK
            return False
        if self.taken >= self.most:
            self.status = Status.STEP_LIMIT
            return False
        before, before_y = self.t, self.y
        try:
            message = self.solver.step()
        except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            self._fail(error)
            return False
        if self.solver.status == "failed" or not np.isfinite(self.solver.y).all():
            self._fail(message or "the state is no longer finite")
            return False
        self.taken += 1
        self.t_before, self.t, self.y = before, float(self.solver.t), self.solver.y
        phase = self.taken % _CHATTER if self.may_jump and self.taken > _CHATTER else -1
        if phase == 0:
            self._jumps = 0
        elif 0 < phase < _PAIRS:
            self._jumps += _jumps_between(self.function, self.t, before_y, self.y)
        elif phase == _PAIRS and self._jumps > 1:  # one alone is a surface that the run crosses
            self.status = Status.SLIDING
            return False
        if self.taken % _LOOK == 0:
            if abs(self.t - self._seen) <= _ADVANCE * abs(self.t):
                self._fail("time hardly advances")
                return False
            self._seen = self.t
        return True

    def dense(self) -> Any:
        """Interpolant over the last step: ``dense(t)`` of shape ``(size, …)``."""
        return self.solver.dense_output()


def _jumps_between(function: Velocity, t: float, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the field turns round between two states by a jump: the change does not shrink with the distance."""
    f, g = np.asarray(function(t, one), dtype=float), np.asarray(function(t, other), dtype=float)
    turned = f * g < 0
    if not turned.any():
        return False
    size = np.abs(f - g)
    for _ in range(30):
        middle = one + (other - one) / 2
        h = np.asarray(function(t, middle), dtype=float)
        one, other, f, g = (middle, other, h, g) if (h * g < 0)[turned].any() else (one, middle, f, h)
    return bool((np.abs(f - g) > 0.1 * size)[turned].any())


def _pinned(velocity: Callable[[np.ndarray], np.ndarray], y: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Whether a state stands on a surface to which the field points from both sides, whatever it is on it."""
    wide, close = ((velocity(y + distance * reach), velocity(y - distance * reach)) for distance in (1e-7, 1e-13))
    gap, held = np.abs(close[0] - close[1]), (close[0] < 0) & (close[1] > 0)
    return np.asarray((held & (gap >= 0.5 * np.abs(wide[0] - wide[1]))).any(axis=0))


_FAST = 1e5  # a state that doubles within so many units in the last place of the time has no time left
_HUGE = 1e100
_REACH = 1e-6  # share of the largest state within which a jump is looked for ahead of the state


def why_it_stopped(
    function: Any, t: Any, y: np.ndarray, size: Any, direction: float = 1.0, *, may_jump: bool = True
) -> np.ndarray:
    """Tell how runs ended whose solver can go no further, from the field around their last states.

    Parameters
    ----------
    function : callable
        ``function(t, y)``, over the last axis.
    t : array of shape ``(members,)``
        Times that were reached.
    y : array of shape ``(states, members)``
    size : array of shape ``(members,)``
        Largest magnitude at the start: growth is measured against it.
    direction : float
        −1 for runs backward in time.
    may_jump : bool
        Whether the function may jump; one that cannot does not slide.

    Returns
    -------
    int8 array of shape ``(members,)``
        `Status`: BLOW_UP only where a state really grows: it is huge, or doubles in no time. SLIDING where the field
        jumps ahead of the state and no longer points there. NOT_FINITE where the field ends or has a pole.
        SOLVER_FAILED otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.integrate.stepping import why_it_stopped
    >>> from dynsim.status import Status
    >>> [Status(s).name for s in why_it_stopped(lambda t, y: -np.sign(y), np.ones(1), np.full((1, 1), 1e-17), 1.0)]
    ['SLIDING']
    >>> [Status(s).name for s in why_it_stopped(lambda t, y: y**3, np.full(1, 0.5), np.full((1, 1), 1e8), 1.0)]
    ['BLOW_UP']
    """
    t = np.asarray(t, dtype=float)
    with quiet():
        velocity = direction * np.asarray(function(t, y), dtype=float)
        grown = (np.sign(y) * velocity > 0) & (np.abs(y) > 1.001 * size)
        doubling = np.abs(y) <= _FAST * np.spacing(np.maximum(np.abs(t), 1e-300)) * np.abs(velocity)
        huge = np.abs(y) > _HUGE * np.maximum(size, 1e-100)
        blown = (grown & (doubling | huge)).any(axis=0)
        speed = np.sqrt(np.square(velocity).sum(axis=0))
        reach = np.maximum(np.maximum(np.abs(y).max(axis=0, initial=0.0), size), 1e-300)
        step = _REACH * reach * velocity / np.where(speed > 0, speed, 1.0)
        # A jump is a difference that does not shrink with the distance, as that of a steep but smooth field does.
        near, far = y, y + step
        at_near, at_far = velocity, direction * np.asarray(function(t, far), dtype=float)
        defined = np.isfinite(at_far).all(axis=0) & np.isfinite(speed)
        for _ in range(40):
            middle = near + (far - near) / 2
            at = direction * np.asarray(function(t, middle), dtype=float)
            defined &= np.isfinite(at).all(axis=0)
            turned = (at * velocity < 0).any(axis=0)
            near, at_near = np.where(turned, near, middle), np.where(turned, at_near, at)
            far, at_far = np.where(turned, middle, far), np.where(turned, at, at_far)
        bounded = np.sqrt(np.square(at_near).sum(axis=0)) <= 1e3 * speed  # beyond, it is a pole
        jumps = ((at_far * velocity < 0) & (np.abs(at_far - at_near) >= 0.25 * np.abs(velocity))).any(axis=0)
        jumps |= _pinned(lambda there: direction * np.asarray(function(t, there), dtype=float), y, reach)
    unbounded = ~defined | (jumps & ~bounded)
    found = np.where(jumps & may_jump, Status.SLIDING, Status.SOLVER_FAILED)
    found = np.where(unbounded, Status.NOT_FINITE, found)
    return np.where(blown, Status.BLOW_UP, found).astype(np.int8)
