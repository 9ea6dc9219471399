r"""The right-hand side of the matrix flow, its loss, and a Jacobian by complex steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

__all__ = ["MatrixEquations", "complex_step", "laws_of", "matrix_residuals"]


@dataclass(frozen=True)
class MatrixEquations:
    """Encoder W, predictor P, teacher V on data of second moments Σ_d and Σ_s.

    `shapes` names the states that are there, in their order: P is missing where it is optimal at every instant, V
    where it is W itself. A state vector has shape ``(size, ...)``; matrices carry its trailing axes in front, where
    matrix products broadcast over them.
    """

    data: np.ndarray
    views: np.ndarray
    shapes: dict[str, tuple[int, int]]
    branch: str
    rates: dict[str, float]

    def matrices(self, y: Any) -> tuple[Any, Any, Any]:
        """W, P and V."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            block = y[start : start + prod(shape)]
            found[name] = np.moveaxis(block.reshape(*shape, *y.shape[1:]), (0, 1), (-2, -1))
            start += prod(shape)
        W = found["W"]
        V = found.get("V", W)
        return W, found["P"] if "P" in found else self.best_predictor(W, V), V

    def best_predictor(self, W: Any, V: Any) -> Any:
        """VΣ_dWᵀ(WΣ_sWᵀ)⁻¹."""
        return _t(np.linalg.solve(W @ self.views @ _t(W), W @ self.data @ _t(V)))

    def velocity(self, t: Any, y: Any) -> Any:
        """Right-hand side, of the shape of `y`."""
        W, P, V = self.matrices(y)
        rates = self.rates
        error = V @ self.data - P @ W @ self.views  # −∂L/∂(PW)
        force = 0.0
        if self.branch != "target":
            force = _t(P) @ error
        if self.branch != "stop":
            force = force + P @ W @ self.data - W @ self.views
        moves = {"W": force - rates["eta_s"] * W}
        if "P" in self.shapes:
            moves["P"] = rates["alpha"] * error @ _t(W) - rates["eta_p"] * P
        if "V" in self.shapes:
            moves["V"] = rates["beta"] * (W - V)
        return np.concatenate([_flat(moves[name]) for name in self.shapes])

    def loss(self, y: Any) -> Any:
        """½E‖PWx₁ − Vx₂‖²."""
        W, P, V = self.matrices(y)
        read = P @ W
        return (_trace(read @ self.views, read) - 2 * _trace(read @ self.data, V) + _trace(V @ self.views, V)) / 2

    def norm(self, y: Any) -> Any:
        """‖W‖_F."""
        return np.linalg.norm(self.matrices(y)[0], axis=(-2, -1))

    def balance_defect(self, y: Any) -> Any:
        """‖WWᵀ − PᵀP/α‖_F."""
        W, P, _ = self.matrices(y)
        return np.linalg.norm(W @ _t(W) - _t(P) @ P / self.rates["alpha"], axis=(-2, -1))


def laws_of(equations: MatrixEquations) -> dict[str, Callable[[Any, Any], Any]]:
    """What the flow conserves at its rates, entry by entry: ``{law: function(t, y)}`` as `Field.conserved` wants it.

    ``stop`` with equal decays keeps (WWᵀ − PᵀP/α)e^{2ηt}, with the optimal predictor WWᵀe^{2ηt}; without noise and
    decay ``full`` keeps WWᵀ − (I−P)ᵀ(I−P)/α and ``target`` P + Pᵀ + αWWᵀ.
    """
    rates, branch, learned = equations.rates, equations.branch, "P" in equations.shapes
    alpha, decay, k = rates["alpha"], rates["eta_s"], equations.shapes["W"][0]
    scale = float(np.abs(equations.views).max(initial=0.0))
    noiseless = bool(np.abs(equations.views - equations.data).max(initial=0.0) <= 1e-14 * scale)
    own = np.eye(k)

    def squares(matrix: Any, factor: float) -> list[Any]:
        """Terms of the matrix MᵀM times a factor, one for each row of M."""
        return [factor * matrix[..., row, :, None] * matrix[..., row, None, :] for row in range(matrix.shape[-2])]

    if not learned:
        if branch != "stop":
            return {}
        name, parts = "WWᵀ", lambda W, P: squares(_t(W), 1.0)
    elif branch == "stop":
        if rates["eta_p"] != decay or alpha == 0:
            return {}
        name, parts = "WWᵀ − PᵀP/α", lambda W, P: [*squares(_t(W), 1.0), *squares(P, -1 / alpha)]
    elif not noiseless or decay or rates["eta_p"] or alpha == 0:
        return {}
    elif branch == "full":
        name, parts = "WWᵀ − (I−P)ᵀ(I−P)/α", lambda W, P: [*squares(_t(W), 1.0), *squares(own - P, -1 / alpha)]
    else:
        name, parts = "P + Pᵀ + αWWᵀ", lambda W, P: [P, _t(P), *squares(_t(W), alpha)]

    def entry(row: int, column: int) -> Callable[[Any, Any], Any]:
        def terms(t: Any, y: Any) -> Any:
            W, P, _ = equations.matrices(y)
            weight = np.exp(2 * decay * np.asarray(t, dtype=float))
            return np.stack([weight * part[..., row, column] for part in parts(W, P)])

        return terms

    weighted = f"·exp({2 * decay:g}·t)" if decay else ""
    digits = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

    def place(row: int, column: int) -> str:
        between = "," if k > 9 else ""
        return f"{row + 1}{between}{column + 1}".translate(digits)

    pairs = [(row, column) for row in range(k) for column in range(row, k)]
    return {f"({name}){place(*pair)}{weighted}": entry(*pair) for pair in pairs}


def complex_step(function: Callable[[Any, Any], Any], step: float = 1e-30) -> Callable[[Any, Any], Any]:
    """Jacobian ∂f_i/∂y_j of a function that is analytic: no cancellation, so any small step is exact to rounding."""

    def jacobian(t: Any, y: Any) -> Any:
        y = np.asarray(y, dtype=float)
        columns = []
        for j in range(len(y)):
            moved = y.astype(complex)
            moved[j] += 1j * step
            columns.append(function(t, moved).imag / step)
        return np.stack(columns, axis=1)

    return jacobian


def _t(matrix: Any) -> Any:
    return np.swapaxes(matrix, -2, -1)


def _flat(matrix: Any) -> Any:
    back = np.moveaxis(matrix, (-2, -1), (0, 1))
    return back.reshape(-1, *back.shape[2:])


def _trace(a: Any, b: Any) -> Any:
    """Tr(abᵀ)."""
    return np.einsum("...ij,...ij->...", a, b)


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
        return _stacked(parts, y.shape[1:]), jacobian(slopes, y.shape[1:])

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


def _stacked(parts: list[Any], members: tuple[int, ...]) -> Any:
    """Matrices (…, rows, columns), one after another, as an array (m, …)."""
    flat = [np.broadcast_to(part, (*members, *part.shape[-2:])).reshape(*members, -1) for part in parts]
    return np.moveaxis(np.concatenate(flat, axis=-1), -1, 0)
