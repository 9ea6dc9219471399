"""Equilibria by Newton's method from many seeded starts, where no exact method reaches."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np

from dynsim.analysis.algebra.equilibrium import Equilibrium
from dynsim.analysis.boxes import Box
from dynsim.analysis.stability import in_order, kind_of
from dynsim.field import Field
from dynsim.symbolic.flow import Flow

__all__ = ["Found", "joined", "numeric_equilibria", "search"]

_STARTS = 512
_ITERATIONS = 80
_SAME = 1e-6
_SINGULAR = 1e-6
_STEPS = 400
_TWICE = 1e-6  # what counts as found twice
_BETWEEN = 33  # places looked at between two findings
_ROUNDING = 1e-14  # a coordinate that is smaller, in units of the searched box, is zero
_BESIDE, _JUMP = 1e-10, 1e-3  # how far beside a point to look, how fast the field may be there, in units of the box
_SECONDS = 8.0  # surfaces of equilibria have no end of curves through them

# A point, the points of the curve of equilibria it lies on, one per row, or None, and the dimension of the set.
Found = tuple[np.ndarray, np.ndarray | None, int]


def search(field: Field, low: np.ndarray, high: np.ndarray) -> list[Found]:
    """Equilibria inside a box.

    Parameters
    ----------
    field : Field
        With a Jacobian.
    low, high : array of shape ``(size,)``
        Corners of the box.

    Returns
    -------
    list of (point, curve, dimension)
        Isolated points, with None and 0; one point of every curve that was met, with an array of shape
        ``(n, size)`` of points along it and 1; one point of the surfaces of every dimension, with None and the
        dimension. Nothing proves that there are no others; after eight seconds the search returns what it has.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.field import Field
    >>> field = Field(("x",), lambda t, y: y - y**3, lambda t, y: (1 - 3 * y**2)[None])
    >>> sorted(round(float(point[0]), 9) + 0.0 for point, *_ in search(field, np.array([-2.0]), np.array([2.0])))
    [-1.0, 0.0, 1.0]
    """
    size = np.linalg.norm(high - low)
    points = _newton(field, _starts(low, high), 80)
    inside = (points >= low[:, None] - _SAME * size).all(axis=0) & (points <= high[:, None] + _SAME * size).all(axis=0)
    found: list[Found] = []
    curves: list[np.ndarray] = []
    surfaces: set[int] = set()
    end = monotonic() + _SECONDS
    for point in _clearest_first(field, points[:, inside]):
        if monotonic() > end:
            break
        if any(np.linalg.norm(point - other) < _SAME * size for other, *_ in found):
            continue
        dimension = _dimension(field, point, float(size) / _STEPS)
        if dimension > 1:
            if dimension not in surfaces:
                surfaces.add(dimension)
                found.append((point, None, dimension))
            continue
        if any(np.linalg.norm(curve - point, axis=1).min() < 2 * size / _STEPS for curve in curves):
            continue
        curve = _curve_through(field, point, low, high)
        if len(curve) > 3:
            curves.append(curve)
            found.append((curve[len(curve) // 2], curve, 1))
        else:
            found.append((point, None, 0))
    return found


def _dimension(field: Field, point: np.ndarray, step: float) -> int:
    """Number of independent directions in which there are equilibria beside a point, if there are two or more."""
    _, singular, directions = np.linalg.svd(field.jacobian(0.0, point))
    null = directions[singular <= _SINGULAR * singular[0]]
    if len(null) < 2:
        return len(null)
    moves = []
    for direction in null:
        arrived = _newton(field, (point + step * direction)[:, None], 8)
        if arrived.size and 0.3 * step < np.linalg.norm(arrived[:, 0] - point) < 3 * step:
            moves.append((arrived[:, 0] - point) / step)
    return int(np.linalg.matrix_rank(np.array(moves), tol=0.1)) if moves else 0


def _clearest_first(field: Field, points: np.ndarray) -> np.ndarray:
    """Points on curves before others, and among them first those where the direction of the curve is clear."""
    singular = np.linalg.svd(np.moveaxis(field.jacobian(0.0, points), -1, 0), compute_uv=False)
    on_curve = singular[:, -1] <= _SINGULAR * singular[:, 0]
    clear = singular[:, -2] if len(points) > 1 else singular[:, 0]
    return points.T[np.lexsort((-clear, ~on_curve))]


def _starts(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    generator = np.random.default_rng(np.random.SeedSequence(1729))
    return low[:, None] + (high - low)[:, None] * generator.random((len(low), _STARTS))


def _newton(field: Field, points: np.ndarray, iterations: int) -> np.ndarray:
    """Levenberg–Marquardt steps on all points at once; only those that arrive are returned.

    The damping is the norm of the residual, so that convergence is quadratic towards curves as well as points.
    """
    for _ in range(iterations):
        values, jacobians = _values(field, points)
        good = np.isfinite(values).all(axis=0) & np.isfinite(jacobians).all(axis=(0, 1))
        points, values, jacobians = points[:, good], values[:, good], jacobians[:, :, good]
        transposed = np.moveaxis(jacobians, -1, 0).swapaxes(1, 2)
        damping = np.linalg.norm(values, axis=0)[:, None, None] * np.eye(len(points))
        inverse = np.linalg.pinv(transposed @ transposed.swapaxes(1, 2) + damping, rcond=1e-14, hermitian=True)
        step = -np.einsum("kij,kjl,lk->ik", inverse, transposed, values)
        length = np.linalg.norm(step, axis=0)
        points = points + step * np.minimum(
            1.0, 0.5 * (1 + np.linalg.norm(points, axis=0)) / np.maximum(length, 1e-300)
        )
        if (length <= 1e-14 * (1 + np.linalg.norm(points, axis=0))).all():
            break
    return points[:, _vanishes(field, points)]


def _vanishes(field: Field, points: np.ndarray) -> np.ndarray:
    """Whether the field is zero to rounding, at points of shape ``(size, n)``."""
    values, jacobians = _values(field, points)
    scale = np.abs(jacobians).max(axis=(0, 1), initial=0.0) * (1 + np.abs(points).max(axis=0, initial=0.0))
    small = np.abs(values).max(axis=0, initial=0.0) <= 1e-11 * np.maximum(scale, 1e-3)
    return np.asarray(small & np.isfinite(values).all(axis=0))


def _values(field: Field, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):
        return field.f(0.0, points), field.jacobian(0.0, points)


def _curve_through(field: Field, point: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Points of the curve of equilibria through a point, in order; the point alone if it is isolated."""
    _, singular, directions = np.linalg.svd(field.jacobian(0.0, point))
    if singular[-1] > _SINGULAR * singular[0]:
        return point[None]
    both = [list(_walk(field, point, sign * directions[-1], low, high)) for sign in (-1.0, 1.0)]
    return np.array([*both[0][::-1], point, *both[1]])


def _walk(
    field: Field, point: np.ndarray, direction: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Iterator[np.ndarray]:
    step = np.linalg.norm(high - low) / _STEPS
    for _ in range(_STEPS):
        arrived = _newton(field, (point + step * direction)[:, None], 8)
        if not arrived.size:
            return
        following = arrived[:, 0]
        length = np.linalg.norm(following - point)
        outside = (following < low).any() or (following > high).any()
        if outside or not 0.3 * step < length < 3 * step:
            return
        direction, point = (following - point) / length, following
        yield point


def _jumps(field: Field, point: np.ndarray, beside: float, fast: float) -> bool:
    """Whether the field vanishes on one side of the point only: there it jumps, and nothing rests."""
    steps = np.concatenate([np.zeros((len(point), 1)), np.eye(len(point)), -np.eye(len(point))], axis=1)
    with np.errstate(all="ignore"):
        velocity = np.abs(field.f(0.0, point[:, None] + beside * steps))
    return bool((velocity[np.isfinite(velocity)] > fast).any())


def numeric_equilibria(flow: Flow, field: Field, box: Box) -> list[Equilibrium]:
    """Equilibria in a box by Newton's method, with their kinds."""
    low, high = np.array([box.sides[name] for name in flow.states], dtype=float).T
    size = float(np.linalg.norm(high - low))
    middle = np.abs(field.jacobian(0.0, np.linspace(low, high, 7).T))
    slopes = middle[np.isfinite(middle)]
    scale, fast = float(np.median(slopes)), _JUMP * size * float(np.mean(slopes))
    found = []
    for point, curve, dimension in search(field, low, high):
        eigenvalues = in_order(np.linalg.eigvals(field.jacobian(0.0, point)))
        kind = "line" if curve is not None else kind_of(eigenvalues, zero=1e-7, scale=scale)
        kind = f"surface of dimension {dimension}" if dimension > 1 else kind
        trace = None if curve is None else dict(zip(flow.states, curve.T, strict=True))
        point = np.where(np.abs(point) < _ROUNDING * size, 0.0, point)
        if dimension == 0 and _jumps(field, point, _BESIDE * size, fast):
            continue
        where = dict(zip(flow.states, map(float, point), strict=True))
        found.append(Equilibrium(where, None, eigenvalues, kind, trace=trace))
    return found


def joined(exact: list[Equilibrium], numeric: list[Equilibrium], field: Field) -> list[Equilibrium]:
    """Exact findings and numeric ones, each once."""
    exact = [item for item in exact if not any(_lies_on(item, curve) for curve in numeric)]
    return [*exact, *(item for item in numeric if not any(_is_among(item, known, field) for known in exact))]


def _is_among(item: Equilibrium, known: Equilibrium, field: Field) -> bool:
    """Whether a numeric finding is one of an exact list."""
    point = np.array([float(value) for value in item.point.values()])
    if known.curve is None:
        there = np.array([float(value) for value in known.point.values()])
        # Newton's method ends short of a degenerate zero: it is the same if the field vanishes all the way to it.
        between = there[:, None] + (point - there)[:, None] * np.linspace(0, 1, _BETWEEN)
        if item.trace is None and known.kind == "non-hyperbolic" and _vanishes(field, between).all():
            return True
    elif known.free is None:
        return item.dimension > 1
    else:
        there = np.array([float(known.along(item.point[known.free])[name]) for name in item.point])
    return bool(np.linalg.norm(point - there) <= _TWICE * (1 + np.linalg.norm(point)))


def _lies_on(item: Equilibrium, curve: Equilibrium) -> bool:
    """Whether an exact point is one of a curve that was found numerically: a singular point of it."""
    if item.curve is not None or item.kind != "non-hyperbolic" or curve.trace is None:
        return False
    point = np.array([float(value) for value in item.point.values()])
    trace = np.array(list(curve.trace.values())).T
    steps = np.linalg.norm(np.diff(trace, axis=0), axis=1)
    return bool(np.linalg.norm(trace - point, axis=1).min() <= steps.max())
