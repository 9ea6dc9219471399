"""How fast a block of parameters moves; "fast" has no standard definition, so there are several."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.networks.measures.tensors import tensor_of

__all__ = ["absolute_speed", "relative_speed", "speed_ratio"]

_ROWS = "parameters of shape (…, size)"


def absolute_speed(velocity: Any) -> Tensor:
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
    return torch.linalg.vector_norm(tensor_of(velocity, "velocity", _ROWS, 1), dim=-1)


def relative_speed(velocity: Any, parameters: Any) -> Tensor:
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
    return absolute_speed(velocity) / absolute_speed(parameters)


def speed_ratio(predictor: Any, encoder: Any) -> Tensor:
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
    fast = tensor_of(predictor, "predictor", "a speed", 0)
    return fast / tensor_of(encoder, "encoder", "a speed", 0)


def loss_share(gradient: Any, velocity: Any) -> Tensor:
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
    slope = tensor_of(gradient, "gradient", _ROWS, 1)
    return (slope * tensor_of(velocity, "velocity", _ROWS, 1)).sum(-1)
