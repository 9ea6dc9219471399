"""The loss of the matrix flow as a sum of squares: what Gauss–Newton and exact alternation need."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dynsim.systems.matrix_equations import MatrixEquations

__all__ = ["matrix_residuals"]


def matrix_residuals(equations: MatrixEquations) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Residuals of ½E‖PWx₁ − Vx₂‖², obeying the branch, and of the weight decay, with their Jacobian.

    Columns f₁, f₂ with the joint second moments of the two views stand for the data: r = PWf₁ − Vf₂ for each of
    them. ``stop`` reads the W that stands for V at the held state, ``target`` the other one; the predictor's
    derivative is the same in all branches. Decay adds √η_s·W and √(η_p/α)·P.

    Returns
    -------
    callable
        As `Field.residuals_function`.
    """
    first, second = _columns(equations.data, equations.views)
    rates, branch, shapes = equations.rates, equations.branch, equations.shapes
    roots = {"W": rates["eta_s"] ** 0.5, "P": (rates["eta_p"] / rates["alpha"]) ** 0.5}
    decayed = {name: root for name, root in roots.items() if root > 0}
    own, number = np.eye(shapes["W"][0]), first.shape[1]
    places, size = {}, 0
    for name, shape in shapes.items():
        places[name] = slice(size, size + prod(shape))
        size += prod(shape)

    def residuals(y: Any, held: Any) -> tuple[Any, Any]:
        W, P, V = equations.matrices(y)
        kept, _, kept_target = equations.matrices(held)
        student = W if branch != "target" else kept
        target = V if "V" in shapes or branch != "stop" else kept_target
        seen = student @ first
        parts = [P @ seen - target @ second, *(root * {"W": W, "P": P}[name] for name, root in decayed.items())]
        slopes = {"P": np.einsum("ae,...bc->...aceb", own, seen), "W": np.zeros(())}  # of r_ac by P_eb
        if branch != "target":
            slopes["W"] = np.einsum("...ab,ic->...acbi", P, first)  # by W_bi
        if branch != "stop":
            slopes["W"] = slopes["W"] - np.einsum("ab,ic->acbi", own, second)
        if "V" in shapes:
            slopes["V"] = -np.einsum("ab,ic->acbi", own, second)
        return _flat(parts, y.shape[1:]), jacobian(slopes, y.shape[1:])

    def jacobian(slopes: dict[str, Any], members: tuple[int, ...]) -> Any:
        row = len(own) * number
        found = np.zeros((*members, row + sum(prod(shapes[name]) for name in decayed), size))
        for name, place in places.items():
            whole = np.broadcast_to(slopes[name], (*members, len(own), number, *shapes[name]))
            found[..., :row, place] = whole.reshape(*members, row, -1)
        for name, root in decayed.items():
            length = prod(shapes[name])
            found[..., row : row + length, places[name]] = root * np.eye(length)
            row += length
        return np.moveaxis(found, (-2, -1), (0, 1))

    return residuals


def _columns(data: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns whose sums of products are E of [view; view] with itself."""
    joint = np.block([[views, data], [data, views]])
    values, vectors = np.linalg.eigh(joint)
    carrying = values > values[-1] * 1e-14
    columns = vectors[:, carrying] * np.sqrt(values[carrying])
    return columns[: len(data)], columns[len(data) :]


def _flat(parts: list[Any], members: tuple[int, ...]) -> Any:
    """Matrices (…, rows, columns), one after another, as an array (m, …)."""
    flat = [np.broadcast_to(part, (*members, *part.shape[-2:])).reshape(*members, -1) for part in parts]
    return np.moveaxis(np.concatenate(flat, axis=-1), -1, 0)
