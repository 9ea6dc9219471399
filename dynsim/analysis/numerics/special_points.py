"""Folds, branch points and Hopf points of a branch: noticed by signs and counts, confirmed by what they are.

Between two points of a branch the sign of the tangent's parameter component (fold), that of the bordered
determinant (branch point) and the number of unstable eigenvalues are compared. What changed is then solved for by
Newton's method on its own equations, with analytic derivatives, and kept only if it is what it seemed to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from dynsim.analysis.numerics.arclength import Curve, correct, tangent
from dynsim.analysis.numerics.parameter_field import ParameterField

__all__ = ["SpecialPoint", "branch_point", "fold", "hopf", "lyapunov", "special_points"]

Equations = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_NEUTRAL = 1e-9  # real parts below this, relative to the largest eigenvalue, have no sign
_SINGULAR = 1e-7  # singular values below this, relative to the largest, count as zero
_OUTSIDE = 1e-6  # f_p outside the range of f_y by less than this lies in it
_USABLE = 1e-6  # a point that Newton's method does not bring closer is not reported
_NEAR = 0.3  # how far, in scaled units, a special point may be from where it was noticed
_STEPS, _LEAST = 50.0, 1e-6  # scale close up, in steps of the branch, and its least share of the branch's own
_SAME = 1e-2  # a fold nearer to a branch point is that point, at which the equations of a fold are singular


@dataclass(frozen=True)
class SpecialPoint:
    """A point of a branch at which something happens.

    Attributes
    ----------
    kind : str
        "fold", "branch point", "hopf", or "unresolved": noticed, but not confirmed as any of these.
    z : array
        States, then the parameter.
    accuracy : float
        Size of the last Newton step relative to the scales of the branch.
    crossing : int
        How many eigenvalues cross the imaginary axis.
    """

    kind: str
    z: np.ndarray
    accuracy: float = 0.0
    crossing: int = 1


def special_points(field: ParameterField, curve: Curve, points: np.ndarray) -> Iterator[SpecialPoint]:
    """Yield what happens along a branch."""
    seen = []
    for i, z in enumerate(points):
        chord = points[min(i + 1, len(points) - 1)] - points[max(i - 1, 0)]
        near = _close_up(curve, chord)
        # Seen from far away the branch turns back on the spot in a fold: only close up it has a direction there.
        ahead = tangent(near, z, chord / near.scale)
        values = field.eigenvalues(z)
        # A point with a neutral eigenvalue has no count; what happens there shows between its neighbours.
        if np.isfinite(values).all() and (np.abs(values.real) > _NEUTRAL * np.abs(values).max()).all():
            border = float(np.linalg.det(np.vstack([_scaled(field, near, z), ahead])))
            seen.append((z, ahead[-1], border, int((values.real > 0).sum())))
    for left, right in pairwise(seen):
        yield from _between(field, curve, left, right)


def _between(field: ParameterField, whole: Curve, left: tuple, right: tuple) -> Iterator[SpecialPoint]:
    (a, slope_a, border_a, count_a), (b, slope_b, border_b, count_b) = left, right
    curve = _close_up(whole, b - a)
    crossing, middle = abs(count_b - count_a), (a + b) / 2
    turns = slope_a * slope_b < 0
    branching = branch_point(field, middle, curve.scale) if border_a * border_b < 0 else None
    if branching is not None and _apart(curve, branching.z, middle) < _NEAR:
        crossing -= 1
        yield branching
    else:
        branching = None
    if turns:
        turning = fold(field, middle, curve.scale)
        if turning is not None and _apart(curve, turning.z, middle) > _NEAR:
            turning = None
        coincides = branching is not None and (
            turning is None or _apart(whole, turning.z, branching.z) < _SAME
        )  # a branch that turns round in a branch point, as at a pitchfork
        if turning is not None and not coincides:
            crossing -= 1
            yield turning
        elif not coincides and crossing < 2 and abs(a[-1] - b[-1]) > 1e-9 * curve.scale[-1]:
            crossing -= 1
            yield SpecialPoint("unresolved", middle, float("nan"))
    if crossing > 0:
        yield _crossed(field, curve, a, b, min(count_a, count_b), max(count_a, count_b))


def _close_up(curve: Curve, chord: np.ndarray) -> Curve:
    """The curve with states in units of a piece of it: one that goes far hides what happens near its start."""
    share = _STEPS * np.abs(chord[:-1] / curve.scale[:-1]).max(initial=0.0)
    return replace(curve, scale=np.append(curve.scale[:-1] * min(max(share, _LEAST), 1.0), curve.scale[-1]))


def _crossed(field: ParameterField, curve: Curve, a: np.ndarray, b: np.ndarray, first: int, last: int) -> SpecialPoint:
    """Find where a group of eigenvalues, by rank of their real parts, crosses the imaginary axis together."""
    along = (b - a) / curve.scale
    along = along / np.linalg.norm(along)

    def at(share: float) -> np.ndarray:
        guess = a + share * (b - a)
        found = correct(curve, guess, along)
        return _nearest(field, curve, guess) if found is None else found

    def mean(share: float) -> float:
        return float(field.eigenvalues(at(share))[first:last].real.mean())

    ends = mean(0.0), mean(1.0)
    if not ends[0] * ends[1] < 0:
        return SpecialPoint("unresolved", (a + b) / 2, float("nan"), last - first)
    share = brentq(mean, 0.0, 1.0, xtol=1e-15, rtol=1e-15)
    z = at(share)
    values = field.eigenvalues(z)
    group, size = values[first:last], np.abs(values).max()
    accuracy = float(np.finfo(float).eps * max(size, np.abs(ends).max()) / abs(ends[0] - ends[1])) * 10
    if (np.abs(group.imag) > 1e-6 * max(size, np.abs(ends).max())).all() and len(group) >= 2:
        polished = hopf(field, z, curve.scale) if len(group) == 2 else None
        if polished is not None and _apart(curve, polished.z, z) < _NEAR:
            return polished
        return SpecialPoint("hopf", z, max(accuracy, 1e-9), len(group))
    if len(group) == 1:
        polished = branch_point(field, z, curve.scale)
        if polished is not None and _apart(curve, polished.z, z) < _NEAR:
            return polished
        return SpecialPoint("unresolved", z, float("nan"))
    return SpecialPoint("branch point", z, accuracy, len(group))


def fold(field: ParameterField, guess: np.ndarray, scale: np.ndarray) -> SpecialPoint | None:
    """Solve f = 0, f_y·v = 0, |v| = 1; f_p must lie outside the range of f_y."""
    n = field.size
    v = np.linalg.svd(field.jacobian(guess)[:, :n] * scale[:n])[2][-1]
    unit = _unit(field, guess, scale)

    def equations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z, w = x[: n + 1] * scale, x[n + 1 :]
        jacobian, bent = field.jacobian(z) * scale / unit, field.second(z) * scale[:, None] * scale / unit
        values = np.concatenate([field.function(z) / unit, jacobian[:, :n] @ w, [w @ w - 1]])
        rows = [
            np.hstack([jacobian, np.zeros((n, n))]),
            np.hstack([np.einsum("ijk,j->ik", bent[:, :n], w), jacobian[:, :n]]),
            np.concatenate([np.zeros(n + 1), 2 * w])[None],
        ]
        return values, np.vstack(rows)

    found = _newton(equations, np.concatenate([guess / scale, v]))
    if found is None:
        return None
    z = found[0][: n + 1] * scale
    jacobian = field.jacobian(z) * scale
    left, values, _ = np.linalg.svd(jacobian[:, :n])
    outside = abs(left[:, -1] @ jacobian[:, -1]) > _OUTSIDE * np.abs(jacobian).max()
    return SpecialPoint("fold", z, found[1]) if outside and (values[:-1] > _SINGULAR * values[0]).all() else None


def branch_point(field: ParameterField, guess: np.ndarray, scale: np.ndarray) -> SpecialPoint | None:
    """Solve f + μw = 0, (∂f/∂z)ᵀw = 0, |w| = 1 (Griewank & Reddien 1984); μ vanishes at a true branch point."""
    n = field.size
    v = np.linalg.svd((field.jacobian(guess) * scale).T)[2][-1]
    unit = _unit(field, guess, scale)

    def equations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z, w, mu = x[: n + 1] * scale, x[n + 1 : -1], x[-1]
        jacobian, bent = field.jacobian(z) * scale / unit, field.second(z) * scale[:, None] * scale / unit
        values = np.concatenate([field.function(z) / unit + mu * w, jacobian.T @ w, [w @ w - 1]])
        rows = [
            np.hstack([jacobian, mu * np.eye(n), w[:, None]]),
            np.hstack([np.einsum("ijk,i->jk", bent, w), jacobian.T, np.zeros((n + 1, 1))]),
            np.concatenate([np.zeros(n + 1), 2 * w, [0.0]])[None],
        ]
        return values, np.vstack(rows)

    found = _newton(equations, np.concatenate([guess / scale, v, [0.0]]))
    if found is None:
        return None
    z, defect = found[0][: n + 1] * scale, abs(found[0][-1])
    return SpecialPoint("branch point", z, found[1]) if defect <= 1e-9 else None


def hopf(field: ParameterField, guess: np.ndarray, scale: np.ndarray) -> SpecialPoint | None:
    """Solve f = 0, f_y·q = iωq with q of length one and of fixed phase."""
    n = field.size
    values, vectors = np.linalg.eig(field.jacobian(guess)[:, :n] / scale[:n, None] * scale[:n])
    chosen = int(np.argmin(np.where(values.imag > 0, np.abs(values.real), np.inf)))
    unit = float(abs(values[chosen].imag)) or 1.0  # velocities per radian, so that all equations are of order one
    q = vectors[:, chosen] / np.linalg.norm(vectors[:, chosen])
    c = q.conj()

    def equations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z, a, b, omega = x[: n + 1] * scale, x[n + 1 : 2 * n + 1], x[2 * n + 1 : -1], x[-1]
        jacobian = field.jacobian(z) * scale / scale[:n, None] / unit
        bent = field.second(z) * scale[:, None] * scale / scale[:n, None, None] / unit
        matrix, bent = jacobian[:, :n], bent[:, :n]
        phase = c @ (a + 1j * b) - 1
        values = [field.function(z) / scale[:n] / unit, matrix @ a + omega * b, matrix @ b - omega * a]
        rows = [
            np.hstack([jacobian, np.zeros((n, 2 * n + 1))]),
            np.hstack([np.einsum("ijk,j->ik", bent, a), matrix, omega * np.eye(n), b[:, None]]),
            np.hstack([np.einsum("ijk,j->ik", bent, b), -omega * np.eye(n), matrix, -a[:, None]]),
            np.concatenate([np.zeros(n + 1), c.real, -c.imag, [0.0]])[None],
            np.concatenate([np.zeros(n + 1), c.imag, c.real, [0.0]])[None],
        ]
        return np.concatenate([*values, [phase.real, phase.imag]]), np.vstack(rows)

    found = _newton(equations, np.concatenate([guess / scale, q.real, q.imag, [1.0]]))
    if found is None or abs(found[0][-1]) < 1e-6:
        return None
    return SpecialPoint("hopf", found[0][: n + 1] * scale, found[1], 2)


def lyapunov(field: ParameterField, z: np.ndarray, scale: np.ndarray) -> float:
    """First Lyapunov coefficient at a Hopf point (Kuznetsov 2004, equation 5.62), for an eigenvector of length one.

    Negative: the cycle that is born there is stable (supercritical); positive: unstable (subcritical).
    """
    n = field.size
    matrix = field.jacobian(z)[:, :n]
    values, vectors = np.linalg.eig(matrix)
    turning = np.where(values.imag > 0, np.abs(values.real), np.inf)
    if not np.isfinite(turning).any():
        return float("nan")
    chosen = int(np.argmin(turning))
    omega, q = values[chosen].imag, vectors[:, chosen] / np.linalg.norm(vectors[:, chosen])
    others, left = np.linalg.eig(matrix.T)
    p = left[:, int(np.argmin(np.abs(others + 1j * omega)))]
    p = p / np.conj(p.conj() @ q)

    def bent(u: np.ndarray, v: np.ndarray, at: np.ndarray = z) -> np.ndarray:
        return np.asarray(np.einsum("ijk,j,k->i", field.second(at)[:, :n, :n], u, v))

    def third(direction: np.ndarray) -> np.ndarray:
        # The derivative of the second derivative along a direction, to fourth order in the step.
        length = float(np.abs(direction / scale[:n]).max())
        if length == 0:
            return np.zeros(n, dtype=complex)
        step = 1e-3 / length
        shift = np.concatenate([direction, np.zeros(len(z) - n)]) * step
        near, far = (bent(q, q, z + k * shift) - bent(q, q, z - k * shift) for k in (1, 2))
        return np.asarray((8 * near - far) / (12 * step))

    try:
        slow = np.linalg.solve(matrix, bent(q, q.conj()))
        fast = np.linalg.solve(2j * omega * np.eye(n) - matrix, bent(q, q))
    except np.linalg.LinAlgError:  # another eigenvalue is zero there: the Hopf point is not simple
        return float("nan")
    cubic = third(q.real) - 1j * third(q.imag)
    total = p.conj() @ (cubic - 2 * bent(q, slow) + bent(q.conj(), fast))
    return float(total.real / (2 * omega))


def _unit(field: ParameterField, z: np.ndarray, scale: np.ndarray) -> float:
    """A typical velocity, so that all equations are of order one."""
    jacobian = np.abs(field.jacobian(z) * scale).max()
    return float(jacobian) if np.isfinite(jacobian) and jacobian > 0 else 1.0


def _newton(equations: Equations, x: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Newton's method until the steps are rounding noise: the solution, and the size of the last step."""
    accuracy = np.inf
    for _ in range(40):
        values, matrix = equations(x)
        if not (np.isfinite(values).all() and np.isfinite(matrix).all()):
            return None
        step, _, rank, _ = np.linalg.lstsq(matrix, values, rcond=1e-14)
        size = float(np.abs(step).max() / max(1.0, np.abs(x).max()))
        if rank < len(x):  # a point of higher order: what Newton's method does not move is not known
            return (x, _USABLE) if size <= _USABLE else None
        if size >= accuracy and accuracy < 1e-9:
            break
        x, accuracy = x - step, size
        if size < 1e-15 or size > 1e6:
            break
    return (x, accuracy) if accuracy <= _USABLE else None


def _nearest(field: ParameterField, curve: Curve, guess: np.ndarray) -> np.ndarray:
    """The nearest solution, by Gauss–Newton steps: also where several branches meet."""
    z = guess.copy()
    for _ in range(20):
        step = np.linalg.lstsq(_scaled(field, curve, z), field.function(z), rcond=1e-10)[0]
        z = z - step * curve.scale
        if np.abs(step).max() < 1e-14:
            break
    return z


def _scaled(field: ParameterField, curve: Curve, z: np.ndarray) -> np.ndarray:
    return np.asarray(field.jacobian(z) * curve.scale)


def _apart(curve: Curve, a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm((a - b) / curve.scale))
