"""When a block of parameters has done half, or 90 %, of its way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.measures.tensors import tensor_of

__all__ = ["done_after"]


def done_after(time: Any, parameters: Any, share: float = 0.5) -> Tensor:
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
    Tensor
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
    t = tensor_of(time, "time", "increasing times of shape (T,)", 1)
    values = tensor_of(parameters, "parameters", "parameters of shape (…, T, size)", 2)
    if t.ndim != 1 or len(t) < 2 or values.shape[-2] != len(t):
        raise bad("parameters", f"shape {tuple(values.shape)}", f"one row for each of the {len(t)} times, at least 2")
    if not 0 < share < 1:
        raise bad("share", share, "a number between 0 and 1")
    left = torch.linalg.vector_norm(values - values[..., -1:, :], dim=-1)
    bound = (1 - share) * left[..., :1]
    above = (left > bound).to(t.dtype)
    last = (above * torch.arange(1, len(t) + 1, dtype=t.dtype)).argmax(-1, keepdim=True)  # last time still above
    before, after = left.gather(-1, last), left.gather(-1, (last + 1).clamp(max=len(t) - 1))
    fraction = (before - bound) / (before - after)
    moment = t[last] + fraction * (t[(last + 1).clamp(max=len(t) - 1)] - t[last]) - t[0]
    return torch.where(left[..., :1] > 0, moment, torch.nan).squeeze(-1)
