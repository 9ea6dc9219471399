"""What becomes of one run, by integration: rest, a cycle, growth, sliding, or no end in sight.

Every tolerance is relative to the start and to what the run has spanned. A state that cannot change sign keeps its
relative accuracy however small it becomes: no sign and no comeback is lost to an absolute tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import DOP853, LSODA

from dynsim.analysis.numerics.recurrence import TINY, History, Section
from dynsim.field import Field
from dynsim.integrate.stepping import Stepper, quiet, why_it_stopped
from dynsim.status import Status

__all__ = ["Fate", "fate_of", "rest_near"]

LONGEST = 1e6  # flow time after which a run that has not decided itself is called undecided
_MOST_STEPS, _MOST_EXPLICIT = 60_000, 6_000
_HUGE = 1e60  # in units of the start: growth beyond it is growth without bound
_STALLED = 400  # steps that advance time by less than a billionth of it: the solver chatters across a jump
_NEGLIGIBLE = 1e-9  # distance to a rest, in units of the run, at which it counts as reached
_ZERO = 1e-9  # an eigenvalue smaller than this, relative to the largest, is zero
_CLEAR = (Status.BLOW_UP, Status.SLIDING, Status.NOT_FINITE)  # what needs no second solver to be told

Vector = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Fate:
    """What became of a run.

    Attributes
    ----------
    kind : str
        "rest", "unstable rest", "periodic", "grows", "diverges", "slides to rest", "slides", "ends", "drifts",
        "undecided" or "failed".
    state : array
        Where it ends: the limit of a rest; infinite in what grows, NaN where there is no limit.
    reason : str
    time : float
        Flow time at which that was known.
    period, place : float, array or None
        Of a periodic run: its period, else NaN, and a state on the closed orbit.
    """

    kind: str
    state: np.ndarray
    reason: str
    time: float
    period: float = float("nan")
    place: np.ndarray | None = None


def fate_of(field: Field, y0: np.ndarray, *, rtol: float = 1e-10, atol: float | None = None) -> Fate:
    """Integrate an autonomous field from `y0` until it is known what becomes of the run."""
    size = float(np.abs(y0).max(initial=0.0)) or 1.0
    nowhere = np.full(field.size, np.nan)

    def function(t: float, y: np.ndarray) -> np.ndarray:
        return np.asarray(field.f(t, y), dtype=float)

    if not function(0.0, y0).any():
        return Fate("rest", y0, "nothing moves at the start", 0.0)
    absolute = _absolute(field, y0, size)
    options = {"rtol": rtol, "atol": absolute if atol is None else atol}
    jacobian = {} if field.jacobian_function is None or field.size > 200 else {"jac": field.jacobian}
    history = History(y0)
    sections = (Section(y0, function(0.0, y0)), Section(y0, function(0.0, y0), renewed=True))
    with quiet():
        t, y, steps = 0.0, y0, _MOST_STEPS
        # An implicit step may fall off the edge of the domain; an explicit one is then taken up to it.
        for solver, more in ((LSODA, jacobian), (DOP853, {})):
            stepper = Stepper(solver, function, t, y, LONGEST, most=steps, may_jump=field.may_jump, **options, **more)
            look, stalled = (10, t), (0, t)
            while stepper.step():
                t, y = stepper.t, np.array(stepper.y)
                history.add(t, y)
                if np.abs(y).max() > _HUGE * size:
                    return _growing(field, history, t, y)
                for section in sections:
                    if (period := section.crossed(stepper, t, y, history)) is not None:
                        return _periodic(field, period, section, nowhere)
                if stepper.taken >= look[0] or t >= look[1]:
                    look = (stepper.taken + min(stepper.taken, 256), 1.5 * t)
                    if (reached := _reached(field, t, y, max(size, history.span))) is not None:
                        return reached
                    if (rest := rest_near(field, y, max(size, history.span), LONGEST - t)) is not None:
                        rounding = (absolute > TINY) & (np.abs(rest) <= 1e-14 * max(size, history.span))
                        return Fate("rest", np.where(rounding, 0.0, rest), "integrated until every state rests", t)
                if stepper.taken - stalled[0] >= _STALLED:
                    if t - stalled[1] <= 1e-9 * t:
                        break
                    stalled = stepper.taken, t
            finished = stepper.status in (Status.OK, Status.STEP_LIMIT)
            why = why_it_stopped(function, t, y, size, may_jump=field.may_jump)
            if finished or why in _CLEAR or _slides(field, t, y, size):
                break
            steps = _MOST_EXPLICIT
        return _ended(field, function, stepper, history, t, y, size)


def _ended(
    field: Field, function: Callable, stepper: Stepper, history: History, t: float, y: np.ndarray, size: float
) -> Fate:
    """Say what a run without a next step has come to."""
    nowhere = np.full(field.size, np.nan)
    if (reached := _reached(field, t, y, max(size, history.span))) is not None:
        return reached
    if stepper.status in (Status.OK, Status.STEP_LIMIT):
        if (rest := rest_near(field, y, max(size, history.span), LONGEST)) is not None:
            return Fate("rest", rest, "integrated until every state rests", t)
        velocity = function(t, y)
        if field.jacobian_function is not None and _resolved(field, y, velocity) and _growth(field, y) > 0:
            reason = "the run passes so close to an unstable equilibrium that it cannot be told from resting there"
            return Fate("unstable rest", nowhere, reason, t)
        return _slow(field, history, t, stepper.status)
    status = why_it_stopped(function, t, y, size, may_jump=field.may_jump)
    if status == Status.BLOW_UP:
        return Fate("diverges", nowhere, f"the run diverges at flow time {t:.6g}", t)
    if status == Status.NOT_FINITE:
        where = _written(field, y)
        reason = f"the field is not finite beyond {where}, reached at flow time {t:.6g}: the run ends there"
        return Fate("ends", nowhere, reason, t)
    slide = _slides(field, t, y, size)
    if slide is not None:
        surface, velocity = slide
        if np.linalg.norm(velocity) <= 1e-6 * np.linalg.norm(surface):
            limit = np.where(np.abs(y) <= 1e-7 * size, 0.0, y)
            reason = (
                f"reaches {_written(field, limit)} at flow time {t:.6g} and stays there: the field jumps (sliding)"
            )
            return Fate("slides to rest", limit, reason, t)
        reason = f"slides from flow time {t:.6g} on along a surface on which the field jumps, at {_written(field, y)}"
        return Fate("slides", nowhere, reason, t)
    reason = f"the solver gives up at flow time {t:.6g} ({stepper.message or 'its steps no longer advance'})"
    return Fate("failed", nowhere, reason, t)


def _reached(field: Field, t: float, y: np.ndarray, size: float) -> Fate | None:
    """A rest where the field has no derivative: a run comes there in finite time, however often Newton overshoots."""
    place = np.where(np.abs(y) <= 1e-12 * size, 0.0, y)
    moving = (place == y).all() or np.asarray(field.f(0.0, place), dtype=float).any()
    if moving or np.isfinite(_jacobian(field, place)).all():
        return None
    reason = (
        f"reaches {_written(field, place)} at flow time {t:.4g} and rests there, where the field has no derivative"
    )
    return Fate("rest", place, reason, t)


def rest_near(field: Field, y: np.ndarray, size: float, remaining: float) -> np.ndarray | None:
    """The rest that a state has reached: an equilibrium next to it that attracts, or a point of an attracting set.

    Parameters
    ----------
    field : Field
        Autonomous.
    y : array of shape ``(size,)``
    size : float
        What the run has spanned: distances are measured against it.
    remaining : float
        Flow time during which a drift along directions that neither grow nor decay must be negligible.
    """
    velocity = np.asarray(field.f(0.0, y), dtype=float)
    if not velocity.any():
        stays = field.jacobian_function is None or _growth(field, y) <= 0
        return y if stays else None
    place = y
    for _ in range(6):
        matrix = _jacobian(field, place)
        if not np.isfinite(matrix).all():
            return None
        values = np.linalg.eigvals(matrix)
        largest = float(np.abs(values).max(initial=0.0))
        zero = np.abs(values) <= _ZERO * largest
        if largest == 0 or (values[~zero].real > -_ZERO * largest).any():
            return None
        inverse = np.linalg.pinv(matrix, rcond=max(_ZERO, 1e-13))
        step = inverse @ velocity
        if np.abs(place - step - y).max() > _NEGLIGIBLE * size:
            return None
        if zero.any():
            drift = velocity - matrix @ step
            if np.abs(drift).max() * remaining > _NEGLIGIBLE * size:
                return None
        place = place - step
        if np.abs(step).max() <= 1e-14 * size:
            break
        velocity = np.asarray(field.f(0.0, place), dtype=float)
    return place


def _absolute(field: Field, y0: np.ndarray, size: float) -> np.ndarray:
    """Absolute tolerances: next to none for a state whose velocity vanishes with it."""
    rng = np.random.default_rng(0)
    keeps = np.ones(field.size, dtype=bool)
    with quiet():
        for _ in range(3):
            other = y0 + size * rng.uniform(-0.5, 0.5, field.size)
            for index in np.flatnonzero(keeps) if field.size <= 64 else ():
                at = other.copy()
                at[index] = 0.0
                keeps[index] = np.asarray(field.f(0.0, at))[index] == 0
    if field.size > 64:
        keeps[:] = False
    return np.where(keeps, TINY, 1e-13 * size)


def _jacobian(field: Field, y: np.ndarray) -> np.ndarray:
    if field.jacobian_function is not None:
        return np.asarray(field.jacobian(0.0, y), dtype=float)
    h = 1e-7 * np.maximum(np.abs(y), 1e-3 * np.abs(y).max(initial=0.0) or 1e-7)
    columns = [(np.asarray(field.f(0.0, y + e)) - np.asarray(field.f(0.0, y - e))) / (2 * e.max()) for e in np.diag(h)]
    return np.stack(columns, axis=1)


def _growth(field: Field, y: np.ndarray) -> float:
    """Largest growth rate at a point, zero if it is rounding noise."""
    values = np.linalg.eigvals(_jacobian(field, y))
    largest = float(values.real.max(initial=0.0))
    return largest if largest > 1e-4 * np.abs(values).max(initial=0.0) else 0.0


def _resolved(field: Field, y: np.ndarray, velocity: np.ndarray) -> bool:
    """Whether a velocity is no more than rounding makes of rest."""
    noise = 1e-9 * (np.abs(_jacobian(field, y)) @ np.abs(y))
    return bool((np.abs(velocity) <= noise).all())


def _slides(field: Field, t: float, y: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The jump of the field at a state, and Filippov's velocity along the surface; None if nothing holds it there."""
    if not field.may_jump:
        return None

    def function(t: float, y: np.ndarray) -> np.ndarray:
        return np.asarray(field.f(t, y), dtype=float)

    here = function(t, y)
    if (speed := float(np.linalg.norm(here))) == 0:
        return None
    reach = 1e-6 * size
    for scale in (1.0, 10.0, 0.1):
        sides = [function(t, y + s * scale * reach * here / speed) for s in (1.0, -1.0)]
        jump = sides[1] - sides[0]
        length = float(np.linalg.norm(jump))
        if length <= 1e-3 * speed:
            continue
        normal = jump / length
        ahead, behind = float(normal @ sides[0]), float(normal @ sides[1])
        if ahead * behind < 0:  # both sides push towards the surface
            share = behind / (behind - ahead)
            return jump, share * sides[0] + (1 - share) * sides[1]
    return None


def _periodic(field: Field, period: float, section: Section, nowhere: np.ndarray) -> Fate:
    ranges = zip(_names(field), section.low, section.high, strict=True)
    within = ", ".join(f"{name} in [{low:.4g}, {high:.4g}]" for name, low, high in ranges) if field.size <= 4 else ""
    if not section.renewed:
        reason = f"circles for ever: periodic, period {period:.6g}, through its start"
    else:
        reason = f"periodic, period {period:.6g}, from flow time {section.t:.3g} on"
    return Fate("periodic", nowhere, f"{reason}{'; ' if within else ''}{within}", section.t, period, section.y)


def _growing(field: Field, history: History, t: float, y: np.ndarray) -> Fate:
    """Growth beyond all sizes: exponential if its rate stays, else the end of a run in finite time."""
    sizes = np.array([np.abs(state).max() for state in history.states])
    early = next((i for i, s in enumerate(sizes) if s > 1e10 * sizes[0]), len(sizes) - 1)
    index = int(np.abs(y).argmax())

    def rate(state: np.ndarray) -> float:
        return float(abs(np.asarray(field.f(0.0, state))[index] / state[index]))

    if rate(y) > 100 * rate(history.states[early]) and rate(y) > 0:
        return Fate("diverges", np.full(field.size, np.nan), f"the run diverges at flow time {t:.6g}", t)
    turns = history.turned > history.times[early]
    values = np.linalg.eigvals(_jacobian(field, y))
    fastest = values[values.real.argmax()]
    if abs(fastest.imag) > _ZERO * abs(fastest):  # so slowly perhaps that no sign has changed yet
        turns[:] = True
    limit = np.where(~turns & (np.abs(y) > 1e-3 * np.abs(y).max()), np.sign(y) * np.inf, np.nan)
    how = "exponentially, and changes its sign again and again" if turns[index] else "exponentially"
    reason = f"grows without bound, {how}: {_names(field)[index]} = {y[index]:.3g} at flow time {t:.6g}"
    return Fate("grows", limit, reason, t)


def _slow(field: Field, history: History, t: float, status: Status) -> Fate:
    """What a run that neither rests nor returns does: grow like a power or a logarithm of time, or creep."""
    nowhere = np.full(field.size, np.nan)
    stopped = f"flow time {t:.6g}" + ("" if status == Status.OK else f" after {_MOST_STEPS:,} steps")
    times, states = np.array(history.times[1:]), np.array(history.states[1:])
    late = times >= times[-1] / 1e3 if len(times) else times
    if len(times) < 8 or late.sum() < 6 or status != Status.OK:
        return Fate("undecided", nowhere, f"still moving at {stopped}: no rest, no period, no verdict", t)
    log_time, recent = np.log(times[late]), states[late]
    monotone = (np.diff(np.abs(recent), axis=0) > 0).all(axis=0)
    slopes = np.diff(np.abs(recent), axis=0) / np.diff(log_time)[:, None]
    half = len(slopes) // 2
    keeps = slopes[half:].mean(axis=0) >= 0.9 * slopes[:half].mean(axis=0)  # at least as fast as a logarithm
    grows = monotone & keeps & (np.abs(recent[-1]) > 1e-6 * np.abs(recent[-1]).max())
    if grows.any():
        limit = np.where(grows, np.sign(recent[-1]) * np.inf, np.nan)
        told = []
        for index in np.flatnonzero(grows):
            power = np.polyfit(log_time[half:], np.log(np.abs(recent[half:, index])), 1)[0]
            faster = slopes[half:, index].mean() > 1.5 * slopes[:half, index].mean()
            told.append(f"{_names(field)[index]} like " + (f"t^{power:.2f}" if faster else "log t"))
        reason = f"grows without bound, as far as a run to {stopped} shows: {', '.join(told[:4])}"
        return Fate("grows", limit, reason, t)
    if _settles(recent):
        return Fate("drifts", nowhere, f"slow drift: still moving at {stopped}, ever more slowly; no verdict", t)
    return Fate("undecided", nowhere, f"still moving at {stopped}: no rest, no period, no verdict", t)


def _settles(states: np.ndarray) -> bool:
    """Whether the moves between records, which lie ever farther apart in time, do not grow."""
    moves = np.linalg.norm(np.diff(states, axis=0), axis=1)
    half = len(moves) // 2
    return bool(moves[half:].mean() <= 1.1 * moves[:half].mean())


def _names(field: Field) -> list[str]:
    sizes = {name: field.slices[name].stop - field.slices[name].start for name in field.names}
    return [f"{name}[{i}]" if field.shape(name) else name for name, size in sizes.items() for i in range(size)]


def _written(field: Field, y: np.ndarray) -> str:
    shown = [f"{name} = {value:.6g}" for name, value in zip(_names(field), y, strict=True)]
    return ", ".join(shown[:4]) + (", …" if len(shown) > 4 else "")
