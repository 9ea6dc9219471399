"""Linear layers: the law that ties encoder and predictor, shared eigenvectors, and the best linear predictor."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from dynsim.arguments import a_number
from dynsim.errors import bad
from dynsim.networks.measures.arrays import check_stacks, features_of, like, matrix_of

__all__ = [
    "alignment",
    "asymmetry",
    "balance",
    "balance_matrix",
    "commutator",
    "optimal_predictor",
    "predictor_gap",
    "second_moment",
]


def _norm(matrix: np.ndarray) -> np.ndarray:
    """Frobenius norm of each matrix."""
    return np.asarray(np.sqrt((matrix**2).sum((-2, -1))))


def _transposed(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(numerator / denominator)


@np.errstate(over="ignore", invalid="ignore")
def balance_matrix(W: Any, P: Any, alpha: float = 1.0) -> Any:
    """WWᵀ − PᵀP/α of adjacent bias-free linear layers, z = W x and p = P z.

    Parameters
    ----------
    W : array-like
        (…, k, d), the layer before the predictor.
    P : array-like
        (…, l, k).
    alpha : float
        Ratio of the predictor's learning rate to the encoder's.

    Returns
    -------
    float, array or tensor
        (…, k, k), symmetric.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes do not fit or α is not positive.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.balance_matrix(torch.eye(2), torch.eye(2), alpha=2.0)
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    w, p = matrix_of(W, "W"), matrix_of(P, "P")
    if w.shape[-2] != p.shape[-1]:
        raise bad("P", f"shape {tuple(p.shape)}", f"{w.shape[-2]} columns, one per row of W")
    check_stacks(w.shape[:-2], p.shape[:-2], "P")
    alpha = a_number("alpha", alpha, above=0)
    return like(w @ _transposed(w) - _transposed(p) @ p / alpha, W, P)


@np.errstate(over="ignore", invalid="ignore")
def balance(W: Any, P: Any, alpha: float = 1.0) -> Any:
    """Balance defect ‖WWᵀ − PᵀP/α‖/‖WWᵀ‖ (Frobenius): 0 if balanced, 1 if P vanishes.

    Parameters
    ----------
    W, P, alpha
        As for `balance_matrix`.

    Returns
    -------
    float, array or tensor
        (…).

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes do not fit or α is not positive.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.balance(torch.eye(3), torch.zeros(3, 3)).item()
    1.0
    """
    w, p = matrix_of(W, "W"), matrix_of(P, "P")
    return like(_ratio(_norm(balance_matrix(w, p, alpha)), _norm(w @ _transposed(w))), W, P)


@np.errstate(over="ignore", invalid="ignore")
def second_moment(features: Any) -> Any:
    """F = E[zzᵀ] of features (…, N, k): (…, k, k), uncentred.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> measures.second_moment([[2.0, 0.0], [0.0, 0.0]])
    array([[2., 0.],
           [0., 0.]])
    """
    z = features_of(features)
    return like(_transposed(z) @ z / z.shape[-2], features)


@np.errstate(over="ignore", invalid="ignore")
def alignment(moment: Any, predictor: Any) -> Any:
    """cos(u_j, P u_j) for the eigenvectors u_j of F, largest eigenvalue first: 1 where u_j is one of P's too.

    Parameters
    ----------
    moment : array-like
        Symmetric F = E[zzᵀ], (…, k, k); see `second_moment`.
    predictor : array-like
        P, (…, k, k).

    Returns
    -------
    float, array or tensor
        (…, k), between −1 and 1; NaN where P u_j = 0.

    Raises
    ------
    InvalidValue, InvalidType
        If the matrices are not square or differ in size.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.alignment(torch.diag(torch.tensor([1.0, 2.0])), torch.diag(torch.tensor([5.0, -1.0])))
    tensor([-1.,  1.])
    """
    f, p = _two(moment, predictor)
    finite = np.isfinite(f).all((-2, -1), keepdims=True)
    u = np.linalg.eigh(np.where(finite, f, 0.0))[1][..., ::-1]
    image = p @ u
    cosines = _ratio((u * image).sum(-2), np.sqrt((image**2).sum(-2)))
    return like(np.where(finite[..., 0], cosines, np.nan), moment, predictor)


@np.errstate(over="ignore", invalid="ignore")
def commutator(moment: Any, predictor: Any) -> Any:
    """‖FP − PF‖/(‖F‖‖P‖) (Frobenius): 0 if and only if P maps every eigenspace of F to itself.

    Parameters
    ----------
    moment, predictor : array-like
        F and P, (…, k, k).

    Returns
    -------
    float, array or tensor
        (…), between 0 and √2.

    Raises
    ------
    InvalidValue, InvalidType
        If the matrices are not square or differ in size.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.commutator(torch.diag(torch.tensor([1.0, 2.0])), torch.eye(2)).item()
    0.0
    """
    f, p = _two(moment, predictor)
    return like(_ratio(_norm(f @ p - p @ f), _norm(f) * _norm(p)), moment, predictor)


@np.errstate(over="ignore", invalid="ignore")
def asymmetry(predictor: Any) -> Any:
    """‖P − Pᵀ‖/‖P‖ (Frobenius): 0 for symmetric, 2 for antisymmetric P.

    Parameters
    ----------
    predictor : array-like
        P, (…, k, k).

    Returns
    -------
    float, array or tensor
        (…).

    Raises
    ------
    InvalidValue, InvalidType
        If it is no square matrix.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.asymmetry(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).item()
    2.0
    """
    p = matrix_of(predictor, "predictor", square=True)
    return like(_ratio(_norm(p - _transposed(p)), _norm(p)), predictor)


def _two(moment: Any, predictor: Any) -> tuple[np.ndarray, np.ndarray]:
    f, p = matrix_of(moment, "moment", square=True), matrix_of(predictor, "predictor", square=True)
    if f.shape[-1] != p.shape[-1]:
        raise bad("predictor", f"shape {tuple(p.shape)}", f"the size of the moment, {f.shape[-1]}")
    check_stacks(f.shape[:-2], p.shape[:-2], "predictor")
    return f, p


@np.errstate(over="ignore", invalid="ignore")
def optimal_predictor(features: Any, targets: Any, *, ridge: float = 0.0) -> Any:
    """P* = argmin E‖P z − t‖² + penalty‖P‖²: where a fast predictor sits (Tang et al. 2023, arXiv:2212.03319).

    Parameters
    ----------
    features, targets : array-like
        z of shape (…, N, k) and t of shape (…, N, l), row by row.
    ridge : float
        Penalty relative to the mean square of a feature.

    Returns
    -------
    float, array or tensor
        (…, l, k). NaN where the features are degenerate and there is no penalty.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes do not fit or the penalty is negative.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> z = torch.randn(50, 3, dtype=torch.float64)
    >>> P = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    >>> torch.allclose(measures.optimal_predictor(z, z @ P.T), P)
    True
    """
    z, t = features_of(features), features_of(targets, "targets")
    if z.shape[-2] != t.shape[-2]:
        raise bad("targets", f"{t.shape[-2]} samples", f"{z.shape[-2]}, one per sample of features")
    check_stacks(z.shape[:-2], t.shape[:-2], "targets")
    ridge = a_number("ridge", ridge, "a number ≥ 0", least=0)
    gram, mixed = _transposed(z) @ z, _transposed(z) @ t
    if ridge:
        size = np.trace(gram, axis1=-2, axis2=-1)[..., None, None] / z.shape[-1]
        gram = gram + ridge * size * np.eye(z.shape[-1])
    try:
        solution = np.linalg.solve(gram, mixed)
    except np.linalg.LinAlgError:  # one member of the stack is singular: solve the others
        solution = np.full(np.broadcast_shapes(gram.shape[:-2], mixed.shape[:-2]) + mixed.shape[-2:], np.nan)
        for place in np.ndindex(solution.shape[:-2]):
            with contextlib.suppress(np.linalg.LinAlgError):
                solution[place] = np.linalg.solve(gram[place], mixed[place])
    return like(_transposed(solution), features, targets)


@np.errstate(over="ignore", invalid="ignore")
def predictor_gap(predictor: Any, optimal: Any) -> Any:
    """‖P − P*‖/‖P*‖ (Frobenius): 0 on the slow manifold of a fast predictor.

    Parameters
    ----------
    predictor, optimal : array-like
        (…, l, k) each.

    Returns
    -------
    float, array or tensor
        (…).

    Raises
    ------
    InvalidValue, InvalidType
        If they are no matrices.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.predictor_gap(1.5 * torch.eye(3), torch.eye(3)).item()
    0.5
    """
    p, best = matrix_of(predictor, "predictor"), matrix_of(optimal, "optimal")
    if p.shape[-2:] != best.shape[-2:]:
        raise bad("optimal", f"shape {best.shape}", f"the shape of the predictor, {p.shape}")
    check_stacks(p.shape[:-2], best.shape[:-2], "optimal")
    return like(_ratio(_norm(p - best), _norm(best)), predictor, optimal)
