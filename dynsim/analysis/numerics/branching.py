"""The branches that meet in a branch point."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.analysis.numerics.arclength import Curve
from dynsim.analysis.numerics.parameter_field import ParameterField

__all__ = ["ways_out"]

_SINGULAR = 1e-6
_REACH = 1e-3  # how far from the branch point branches are looked for where more than two meet
_TRIES = 400
_MOST = 28  # 3³ − 1 sign patterns of three modes, and both ways of the branch itself: more are a continuum


def ways_out(field: ParameterField, curve: Curve, z: np.ndarray) -> list[np.ndarray]:
    """Directions, in scaled units, of the branches through a branch point; none where they form a continuum."""
    jacobian = field.jacobian(z) * curve.scale
    left, values, right = np.linalg.svd(jacobian)
    largest = max(float(values.max(initial=0.0)), float(np.abs(field.second(z) * curve.scale**2).max()), 1e-300)
    rank = int((values > _SINGULAR * largest).sum())
    kernel, cokernel = right[rank:], left[:, rank:]
    if len(kernel) == 2:
        return _two(field, curve, z, kernel, cokernel[:, -1])
    return _several(field, curve, z, kernel)


def _two(
    field: ParameterField, curve: Curve, z: np.ndarray, kernel: np.ndarray, cokernel: np.ndarray
) -> list[np.ndarray]:
    """Zeros of the quadratic form on a two-dimensional kernel."""
    bent = np.einsum("ijk,i->jk", field.second(z) * curve.scale[:, None] * curve.scale, cokernel)
    form_matrix = kernel @ bent @ kernel.T
    angles = np.linspace(0, np.pi, 721)
    circle = np.array([np.cos(angles), np.sin(angles)])
    form = np.einsum("ai,ab,bi->i", circle, form_matrix, circle)
    roots = [
        angles[i] + (angles[i + 1] - angles[i]) * form[i] / (form[i] - form[i + 1])
        for i in range(len(angles) - 1)
        if form[i] * form[i + 1] < 0 or form[i] == 0
    ]
    ways = [np.cos(t) * kernel[0] + np.sin(t) * kernel[1] for t in roots]
    return [sign * way for way in ways for sign in (1, -1)]


def _several(field: ParameterField, curve: Curve, z: np.ndarray, kernel: np.ndarray) -> list[np.ndarray]:
    """Equilibria on a small sphere round the point, by Newton's method from directions in the kernel."""
    rng = np.random.default_rng(0)
    scale = curve.scale
    found: list[Any] = []
    for direction in rng.normal(size=(_TRIES, len(kernel))):
        unit = direction / np.linalg.norm(direction) @ kernel
        way = _REACH * unit
        for _ in range(30):
            matrix = np.vstack([field.jacobian(z + way * scale) * scale, 2 * way])
            residual = np.append(field.function(z + way * scale), way @ way - _REACH**2)
            if not (np.isfinite(residual).all() and np.isfinite(matrix).all()):
                break
            step = np.linalg.lstsq(matrix, residual, rcond=1e-12)[0]
            way = way - step
            if np.abs(step).max() < 1e-12 * _REACH:
                way = way / np.linalg.norm(way)
                if all(np.linalg.norm(way - other) > 1e-3 for other in found):
                    found.append(way)
                break
    return found if len(found) <= _MOST else []
