"""What measures accept: tensors or arrays of numbers with the axes they need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.errors import InvalidType, bad

__all__ = ["features_of", "labels_of", "matrix_of", "tensor_of"]


def tensor_of(value: Any, name: str, expected: str, axes: int) -> Tensor:
    """A detached floating-point tensor with at least so many axes."""
    try:
        tensor = torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError):
        raise bad(name, value, expected, kind=InvalidType) from None
    if tensor.ndim < axes or tensor.is_complex():
        raise bad(name, f"shape {tuple(tensor.shape)}, {tensor.dtype}", expected)
    return tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())


def features_of(value: Any, name: str = "features") -> Tensor:
    """Features (…, N, d), at least one sample."""
    expected = "features of shape (…, samples, dimensions), at least one sample"
    tensor = tensor_of(value, name, expected, 2)
    if 0 in tensor.shape[-2:]:
        raise bad(name, f"shape {tuple(tensor.shape)}", expected)
    return tensor


def matrix_of(value: Any, name: str, *, square: bool = False) -> Tensor:
    """A matrix (…, rows, columns)."""
    expected = f"a {'square ' if square else ''}matrix"
    tensor = tensor_of(value, name, expected, 2)
    if square and tensor.shape[-1] != tensor.shape[-2]:
        raise bad(name, f"shape {tuple(tensor.shape)}", expected)
    return tensor


def labels_of(value: Any, samples: int, name: str) -> Tensor:
    """Whole non-negative labels, one per sample."""
    labels = torch.as_tensor(value)
    if labels.shape != (samples,) or labels.is_floating_point() or (samples and int(labels.min()) < 0):
        raise bad(name, f"shape {tuple(labels.shape)}, {labels.dtype}", f"{samples} whole labels from 0")
    return labels.long()
