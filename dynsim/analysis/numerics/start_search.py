"""Where a flow rests at one value of a parameter: looked for over many orders of magnitude."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from dynsim.analysis.numerics.parameter_field import ParameterField

__all__ = ["DECADES", "SEEDS", "rests"]

DECADES = (-3.0, 4.0)  # magnitudes of the starts, in units of the scale of each state
SEEDS = 240
_GRID = 2000  # points on each side of zero for a flow of one state
_STEPS = 60
_SINGULAR = 1e-8


def rests(field: ParameterField, value: float, scale: np.ndarray, seed: int = 0) -> tuple[np.ndarray, int]:
    """Isolated points at which nothing moves, and how many rests were found that are not isolated.

    Parameters
    ----------
    field : ParameterField
        With one free parameter.
    value : float
        Of that parameter.
    scale : array of shape ``(states,)``
        A typical size of each state.

    Returns
    -------
    points : array of shape ``(points, states)``
        Of a flow of one state every change of sign on a grid of `DECADES` on both sides of zero, of others what
        Newton's method reaches from `SEEDS` starts of those magnitudes.
    other : int
        How many different points were met at which the Jacobian is singular: many on a line of equilibria.
    """
    found = _changes_of_sign(field, value, scale) if field.size == 1 else _newton(field, value, scale, seed)
    if not len(found):
        return found, 0
    z = np.vstack([found.T, np.full(len(found), value)])
    jacobians = np.moveaxis(field.jacobian(z)[:, : field.size], -1, 0)
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    found, jacobians = found[finite], jacobians[finite] * scale / scale[:, None]
    if not len(found):
        return found, 0
    smallest = np.linalg.svd(jacobians, compute_uv=False)[:, -1]
    isolated = smallest > _SINGULAR * max(np.abs(jacobians).max(), 1e-300)
    return _distinct(found[isolated], scale), len(_distinct(found[~isolated][:50], scale))


def _changes_of_sign(field: ParameterField, value: float, scale: np.ndarray) -> np.ndarray:
    reach = scale[0] * np.logspace(*DECADES, _GRID)
    grid = np.concatenate([-reach[::-1], [0.0], reach])

    def at(x: float) -> float:
        return float(field.function(np.array([x, value]))[0])

    values = field.function(np.vstack([grid, np.full(len(grid), value)]))[0]
    points = list(grid[values == 0])
    for i in np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0):
        if np.isfinite(values[i : i + 2]).all():
            x = brentq(at, grid[i], grid[i + 1], xtol=1e-14 * abs(grid[i]) + 1e-300, rtol=1e-14)
            if abs(at(x)) <= 1e-6 * np.abs(values[i : i + 2]).max():  # no pole, no jump
                points.append(x)
    return np.array(points).reshape(-1, 1)


def _newton(field: ParameterField, value: float, scale: np.ndarray, seed: int) -> np.ndarray:
    """Newton's method from all starts at once, each with its own halving of steps."""
    rng, n = np.random.default_rng(seed), field.size
    directions = rng.normal(size=(n, SEEDS))
    directions[:, : SEEDS // 3] = np.abs(directions[:, : SEEDS // 3])  # many fields live where states are positive
    sizes = 10.0 ** rng.uniform(*DECADES, SEEDS)
    sizes[: SEEDS // 2] = rng.uniform(0, 3, SEEDS // 2)
    y = scale[:, None] * directions * np.where(np.arange(SEEDS) % 4 < 3, sizes, rng.uniform(0, 1, SEEDS))
    parameter = np.full(SEEDS, value)

    def at(states: np.ndarray) -> np.ndarray:
        return field.function(np.vstack([states, parameter]))

    with np.errstate(all="ignore"):
        size = np.full(SEEDS, np.inf)
        for _ in range(_STEPS):
            matrix = np.moveaxis(field.jacobian(np.vstack([y, parameter]))[:, :n], -1, 0) * scale
            now = at(y)
            usable = np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(now).all(axis=0)
            step = np.full((SEEDS, n), np.nan)
            if usable.any():
                inverse = np.linalg.pinv(matrix[usable], rcond=1e-12)
                step[usable] = np.einsum("kij,jk->ki", inverse, now[:, usable])
            step = step.T * scale[:, None]
            share, before = np.ones(SEEDS), np.linalg.norm(now, axis=0)
            for _ in range(8):
                worse = ~(np.linalg.norm(at(y - share * step), axis=0) <= before)
                share = np.where(worse, share / 2, share)
            y = y - share * step
            size = np.abs(step / scale[:, None]).max(axis=0) / np.maximum(1e-3, np.abs(y / scale[:, None]).max(axis=0))
            if not (size > 1e-12).any():
                break
        jacobian = field.jacobian(np.vstack([y, parameter]))[:, :n]
        rounding = 1e-9 * np.einsum("ijk,jk->ik", np.abs(jacobian), np.abs(y) + 1e-3 * scale[:, None])
        rests = (np.abs(at(y)) <= rounding).all(axis=0) & (size <= 1e-8)
        near = np.abs(y / scale[:, None]).max(axis=0) <= 10 * 10.0 ** DECADES[1]
    return y[:, rests & near].T


def _distinct(points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    kept: list[np.ndarray] = []
    for point in sorted(points, key=lambda p: float(np.linalg.norm(p / scale))):
        if all(np.abs((point - other) / scale).max() > 1e-6 * (1 + np.abs(other / scale).max()) for other in kept):
            kept.append(point)
    return np.array(kept).reshape(-1, points.shape[1])
