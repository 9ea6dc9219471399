"""How fast and how far blocks of parameters move: speeds, half-lives, distances; "fast" has no standard definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.arguments import a_number
from dynsim.errors import bad
from dynsim.networks.measures.arrays import array_of, check_stacks, like, matrix_of

__all__ = [
    "absolute_speed", "done_after", "eigenvalue_gap", "loss_share", "relative_distance", "relative_speed",
    "speed_ratio",
]  # fmt: skip

_ROWS = "parameters of shape (…, size)"
_ZERO = 1e-7  # relative to the largest: zero to the accuracy of a computed state


@np.errstate(over="ignore", invalid="ignore")
def absolute_speed(velocity: Any) -> Any:
    """‖φ'‖, per unit of flow time.

    Parameters
    ----------
    velocity : array-like
        Right-hand side of the flow for one block, (…, size).

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> measures.absolute_speed([3.0, 4.0]).item()
    5.0
    """
    return like(np.linalg.norm(array_of(velocity, "velocity", _ROWS, 1), axis=-1), velocity)


@np.errstate(over="ignore", invalid="ignore")
def relative_speed(velocity: Any, parameters: Any) -> Any:
    """‖φ'‖/‖φ‖: the inverse of the time in which the block changes by its own size.

    Parameters
    ----------
    velocity, parameters : array-like
        (…, size) each.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> measures.relative_speed([3.0, 4.0], [10.0, 0.0]).item()
    0.5
    """
    return speed_ratio(absolute_speed(velocity), absolute_speed(parameters))


def speed_ratio(predictor: Any, encoder: Any) -> Any:
    """Speed of the predictor over that of the encoder: above 1 the predictor is the faster.

    Parameters
    ----------
    predictor, encoder : array-like
        Two speeds of the same kind, (…).

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> round(measures.speed_ratio(1.0, 36.0).item() * 36, 6)
    1.0
    """
    fast, other = array_of(predictor, "predictor", "a speed", 0), array_of(encoder, "encoder", "a speed", 0)
    check_stacks(fast.shape, other.shape, "encoder")
    with np.errstate(divide="ignore", invalid="ignore"):
        return like(fast / other, predictor, encoder)


@np.errstate(over="ignore", invalid="ignore")
def loss_share(gradient: Any, velocity: Any) -> Any:
    """∂l/∂φ · φ': what the motion of one block contributes to dl/dt.

    The gradient is that of the whole loss, without stop-gradient; the velocity is what the flow does. The
    contributions of all blocks add up to dl/dt.

    Parameters
    ----------
    gradient, velocity : array-like
        (…, size) each.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> measures.loss_share([1.0, 2.0], [-1.0, -2.0]).item()
    -5.0
    """
    slope = array_of(gradient, "gradient", _ROWS, 1)
    motion = array_of(velocity, "velocity", _ROWS, 1)
    check_stacks(slope.shape, motion.shape, "velocity")
    return like((slope * motion).sum(-1), gradient, velocity)


@np.errstate(over="ignore", invalid="ignore")
def done_after(time: Any, parameters: Any, share: float = 0.5) -> Any:
    """Time after which that share of the displacement from first to last is done, for good.

    The definition of `dynsim.timescales`, for recorded weights: the first time from which on
    ‖φ(t) − φ(T)‖ ≤ (1 − share)·‖φ(0) − φ(T)‖, interpolated linearly.

    Parameters
    ----------
    time : array-like
        (T,), increasing.
    parameters : array-like
        (…, T, size).
    share : float
        0.5 for the half-life, 0.9 for the 90 % time.

    Returns
    -------
    float, array or tensor
        (…), measured from the first time; NaN where nothing has moved.

    Raises
    ------
    InvalidValue, InvalidType
        If shapes do not fit or the share is not between 0 and 1.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> time = torch.linspace(0, 40, 4001, dtype=torch.float64)
    >>> round(measures.done_after(time, torch.exp(-time)[:, None]).item(), 3)  # ln 2
    0.693
    """
    t = array_of(time, "time", "increasing times of shape (T,)", 1)
    values = array_of(parameters, "parameters", "parameters of shape (…, T, size)", 2)
    if t.ndim != 1 or len(t) < 2 or values.shape[-2] != len(t):
        raise bad("parameters", f"shape {values.shape}", f"one row for each of the {len(t)} times, at least 2")
    share = a_number("share", share, "a number between 0 and 1", above=0)
    if share >= 1:
        raise bad("share", share, "a number between 0 and 1")
    left = np.linalg.norm(values - values[..., -1:, :], axis=-1)
    bound = (1 - share) * left[..., :1]
    last = ((left > bound) * np.arange(1, len(t) + 1)).argmax(-1)[..., None]  # last time still above
    after = np.minimum(last + 1, len(t) - 1)
    here, there = np.take_along_axis(left, last, -1), np.take_along_axis(left, after, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        moment = t[last] + (here - bound) / (here - there) * (t[after] - t[last]) - t[0]
    return like(np.where(left[..., :1] > 0, moment, np.nan)[..., 0], parameters, time)


def eigenvalue_gap(jacobian: Any) -> Any:
    """Largest over smallest modulus of the eigenvalues: how far apart fast and slow are (Kuehn 2015).

    Parameters
    ----------
    jacobian : array-like
        Of the resolved field, (…, n, n); see ``flow(experiment).jacobian``.

    Returns
    -------
    float, array or tensor
        (…), at least 1; NaN where an eigenvalue is zero: there is a line of equilibria, and a gap says nothing.

    Raises
    ------
    InvalidValue, InvalidType
        If it is no square matrix.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.eigenvalue_gap(torch.diag(torch.tensor([-1.0, -8.0]))).item()
    8.0
    """
    matrix = matrix_of(jacobian, "jacobian", square=True)
    finite = np.isfinite(matrix).all((-2, -1))
    sizes = np.abs(np.linalg.eigvals(np.where(finite[..., None, None], matrix, 0.0)))
    smallest, largest = sizes.min(-1), sizes.max(-1)
    apart = smallest > _ZERO * largest
    return like(np.where(apart & finite, largest / np.where(apart, smallest, 1.0), np.nan), jacobian)


@np.errstate(over="ignore", invalid="ignore")
def relative_distance(parameters: Any, reference: Any) -> Any:
    """‖ξ − θ‖/‖θ‖: how far a teacher is from its student, or from where it started.

    Parameters
    ----------
    parameters, reference : array-like, tensor, module, or mapping or list of such
        Of the same names and shapes. Modules count with their parameters, not with running averages.

    Returns
    -------
    float
        Infinite if only the reference vanishes, 0 if both do.

    Raises
    ------
    InvalidValue, InvalidType
        If they differ in shape.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> measures.relative_distance({"W": [3.0, 0.0]}, {"W": [4.0, 0.0]})
    0.25
    """
    one, other = _pieces(parameters, "parameters"), _pieces(reference, "reference")
    if one.keys() != other.keys() or any(one[name].shape != other[name].shape for name in one):
        found, wanted = ({name: value.shape for name, value in each.items()} for each in (one, other))
        raise bad("parameters", found, f"those of the reference, {wanted}")
    apart = float(np.sqrt(sum(((one[name] - other[name]) ** 2).sum() for name in one)))
    size = float(np.sqrt(sum((value**2).sum() for value in other.values())))
    if apart == 0:
        return 0.0
    return apart / size if size else float("inf")


def _pieces(value: Any, name: str) -> dict[Any, np.ndarray]:
    if hasattr(value, "named_parameters"):
        value = dict(value.named_parameters())
    if hasattr(value, "items") and not hasattr(value, "dtype"):
        items = dict(value.items())
    elif isinstance(value, list | tuple) and value and any(hasattr(item, "shape") for item in value):
        items = dict(enumerate(value))
    else:
        items = {0: value}
    return {key: array_of(item, name, "numbers", 0) for key, item in items.items()}
