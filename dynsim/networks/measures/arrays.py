"""What measures take: arrays, tensors, tables and labels of any kind, as float64 arrays; results are like it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad

__all__ = [
    "array_of", "check_stacks", "features_of", "finite_rows", "label_values", "labels_of", "largest", "like",
    "matrix_of", "paired_of", "resolution", "unit_rows",
]  # fmt: skip

_FEATURES = "features of shape (…, samples, dimensions), at least one sample"


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")  # a tensor can only be there if torch has been imported
    return torch is not None and isinstance(value, torch.Tensor)


def like(result: Any, *inputs: Any) -> Any:
    """Give a tensor if an input was one, on its device and in its precision (at least float32), else an array."""
    for value in inputs:
        if _is_tensor(value):
            torch = sys.modules["torch"]
            dtype = value.dtype if value.dtype in (torch.float32, torch.float64) else torch.get_default_dtype()
            return torch.as_tensor(np.asarray(result), dtype=dtype).to(value.device)
    return np.asarray(result, dtype=np.float64)[()]


def resolution(value: Any) -> float:
    """Relative spacing of the numbers that an input can hold."""
    if _is_tensor(value):
        torch = sys.modules["torch"]
        return float(torch.finfo(value.dtype).eps) if value.is_floating_point() else 0.0
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype):
        return max(float(np.finfo(dtype).eps), 2.0**-52) if dtype.kind == "f" else 0.0
    return 2.0**-52


def array_of(value: Any, name: str, expected: str, axes: int) -> np.ndarray:
    """A float64 array with at least so many axes; masked entries are NaN."""
    try:
        if _is_tensor(value):
            torch = sys.modules["torch"]
            if value.is_complex():
                raise TypeError
            array = value.detach().to("cpu", torch.float64).numpy()
        elif isinstance(value, np.ma.MaskedArray):
            array = np.ma.filled(value.astype(np.float64), np.nan)
        else:
            array = np.asarray(value)
            if array.dtype.kind not in "fiubO":
                raise TypeError
            array = array.astype(np.float64, copy=False)  # nobody writes into what is given
    except (TypeError, ValueError, RuntimeError, NotImplementedError, OverflowError):
        raise bad(name, value, expected, kind=InvalidType) from None
    if array.ndim < axes:
        raise bad(name, f"shape {array.shape}", expected)
    return array


def features_of(value: Any, name: str = "features") -> np.ndarray:
    """Features (…, N, d), at least one sample."""
    array = array_of(value, name, _FEATURES, 2)
    if 0 in array.shape[-2:]:
        raise bad(name, f"shape {array.shape}", _FEATURES)
    return array


def paired_of(first: Any, second: Any, name: str = "paired") -> tuple[np.ndarray, np.ndarray]:
    """Two views of the same samples, row by row."""
    one, other = features_of(first), features_of(second, name)
    if one.shape[-2:] != other.shape[-2:]:
        raise bad(name, f"shape {other.shape}", f"the shape of the first view, {one.shape}", "row i shows image i")
    check_stacks(one.shape[:-2], other.shape[:-2], name)
    return one, other


def check_stacks(one: tuple[int, ...], other: tuple[int, ...], name: str) -> None:
    """Check that two stacks of arrays are alike, or that one of them repeats."""
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        raise bad(name, f"a stack of shape {other}", f"one of shape {one}, or a single one") from None


def matrix_of(value: Any, name: str, *, square: bool = False) -> np.ndarray:
    """A matrix (…, rows, columns)."""
    expected = f"a {'square ' if square else ''}matrix"
    array = array_of(value, name, expected, 2)
    if square and array.shape[-1] != array.shape[-2]:
        raise bad(name, f"shape {array.shape}", expected)
    return array


def labels_of(first: Any, samples: int, name: str, second: Any = None, others: int = 0, other: str = "") -> Any:
    """Labels of any kind (numbers, ids, words), numbered by the values that occur; of a second set by the same.

    Returns
    -------
    tuple
        Numbers of the first, those of the second (None without), and how many values occur.
    """
    given = [(first, samples, name)] + ([] if second is None else [(second, others, other)])
    arrays = [label_values(*one) for one in given]
    if len({array.dtype.kind in "US" for array in arrays}) > 1:
        raise bad(other, arrays[1].dtype, f"labels of the kind of the first, {arrays[0].dtype}")
    values, numbers = np.unique(np.concatenate(arrays), return_inverse=True)
    numbers = numbers.reshape(-1)
    return numbers[:samples], (numbers[samples:] if second is not None else None), len(values)


def label_values(value: Any, samples: int, name: str) -> np.ndarray:
    """Labels (N,) as an array of numbers or words, one per sample."""
    expected = f"{samples} labels, one per sample: whole numbers or words"
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise bad(name, "masked labels", expected)
    try:
        array = value.detach().cpu().numpy() if _is_tensor(value) else np.asarray(value)
        if array.dtype.kind == "O":  # such as pandas' words, or numbers among them
            array = array.astype(str) if any(isinstance(item, str) for item in array.flat) else array.astype(float)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise bad(name, value, expected, kind=InvalidType) from None
    if array.shape != (samples,) or array.dtype.kind not in "iubfUS":
        raise bad(name, f"shape {array.shape}, {array.dtype}", expected)
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise bad(name, array.dtype, expected, "a class is no measurement")
    return array


def finite_rows(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrices of a stack that are finite, the others as zeros, and which they are, (…)."""
    finite = np.isfinite(array).all((-2, -1))
    return (array if finite.all() else np.where(finite[..., None, None], array, 0.0)), finite


def largest(array: np.ndarray) -> np.ndarray:
    """Largest absolute value of each matrix, (…, 1, 1), without a copy of it."""
    return np.abs(np.maximum(array.max((-2, -1), keepdims=True), -array.min((-2, -1), keepdims=True)))


def unit_rows(array: np.ndarray) -> np.ndarray:
    """z/‖z‖ of every row, zero where a row is zero; neither tiny nor huge rows lose their direction."""
    with np.errstate(invalid="ignore"):
        largest = np.abs(array).max(-1, keepdims=True)
        scaled = array / np.where(largest == 0, 1.0, largest)
        return np.asarray(scaled / np.maximum(np.sqrt((scaled**2).sum(-1, keepdims=True)), 1.0))
