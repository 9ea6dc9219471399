"""Labelled images in memory, split into training and test images, with every check at the door."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.networks.measures.arrays import label_values
from dynsim.registry import Registry

__all__ = ["DATASETS", "Images", "as_floats"]

_LARGEST = 20.0  # of standardised pixels; beyond, bytes were given as floats
_CHANNELS = 4  # at most: grey, grey and alpha, colours, colours and alpha
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels as NumPy arrays; make one with `Images.of`.

    Parameters
    ----------
    train, test : numpy.ndarray
        Shape (number, channels, height, width). Pictures are bytes or floats, as they were given: bytes stay
        bytes in memory and count as x/255; vectors (height 1) lie anywhere.
    train_labels, test_labels : numpy.ndarray or None
        int64, from 0, numbering the values that occur; None when the data have no labels.
    name : str
        What messages and provenance call the data.
    label_values : numpy.ndarray or None
        What the labels were: ``label_values[number]``.

    See Also
    --------
    Experiment : what takes them.

    Examples
    --------
    >>> from dynsim.networks import Experiment
    >>> from dynsim.networks.datasets import load_images
    >>> digits = load_images(Experiment())
    >>> digits.train.shape[1:], digits.name
    ((1, 8, 8), 'digits')
    """

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None
    test_labels: np.ndarray | None
    name: str
    label_values: np.ndarray | None = None

    def __post_init__(self) -> None:
        for images in (self.train, self.test):
            if not isinstance(images, np.ndarray) or images.ndim != 4:
                raise bad("images", images, "arrays (number, channels, height, width)", "make them with Images.of")

    @classmethod
    def of(
        cls,
        images: Any,
        labels: Any = None,
        *,
        test: Any = None,
        test_labels: Any = None,
        name: str = "data",
    ) -> Images:
        """Check arrays or tensors, split them and shuffle them, always alike: any first n are a fair sample.

        Parameters
        ----------
        images : array-like
            (N, H, W), (N, C, H, W) or (N, H, W, C) with up to four channels: bytes 0…255, or floats in [0, 1] or
            standardised. Or (N, d): vectors of any size, for which geometric augmentations make no sense.
        labels : array-like, optional
            N numbers, ids or words, one per class; without them there is no kNN and no probe.
        test, test_labels : array-like, optional
            Test images; without them a fifth of every class is, drawn with a fixed seed.
        name : str
            What messages call the data, usually a file.

        Raises
        ------
        InvalidValue, InvalidType
            Naming the data and what was expected, for a shape, type, range or label that does not fit.

        Examples
        --------
        >>> import numpy as np
        >>> from dynsim.networks import Images
        >>> images = Images.of(np.zeros((10, 8, 8)), np.arange(10) % 2)
        >>> images.train.shape, images.test.shape, images.classes
        ((8, 1, 8, 8), (2, 1, 8, 8), 2)
        """
        x = _checked(images, name, "images")
        t = None if test is None else _checked(test, name, "test images")
        if t is not None and t.shape[1:] != x.shape[1:]:
            raise bad(f"test images of {name}", t.shape[1:], f"the shape of the training images, {x.shape[1:]}")
        if t is not None and (labels is None) != (test_labels is None):
            raise bad(f"test labels of {name}", test_labels, "labels for training and test images, or for none")
        y, u, values = _labels(labels, len(x), test_labels, t, name)
        if t is None:
            held_out = _fifth(y, len(x))
            x, t = x[~held_out], x[held_out]
            y, u = (None, None) if y is None else (y[~held_out], y[held_out])
        elif (t.dtype == np.uint8) != (x.dtype == np.uint8):
            x, t = as_floats(x, np.float64), as_floats(t, np.float64)
        return cls(_shuffled(x), _shuffled(t), _shuffled(y), _shuffled(u), name, values)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    @property
    def are_vectors(self) -> bool:
        """Whether they have no geometry: vectors, not pictures."""
        return self.shape[1] == 1

    @property
    def classes(self) -> int:
        """Number of classes, 0 without labels."""
        return 0 if self.label_values is None else len(self.label_values)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all arrays."""
        content = hashlib.sha256()
        for array in (self.train, self.test, self.train_labels, self.test_labels):
            if array is not None:
                pixels = array.ndim == 4
                content.update(str((np.dtype(float) if pixels else array.dtype, array.shape)).encode())
                for start in range(0, len(array), _CHUNK):  # bytes count as their floats
                    part = array[start : start + _CHUNK]
                    content.update(np.ascontiguousarray(as_floats(part, np.float64) if pixels else part).tobytes())
        return content.hexdigest()

    def limited(self, number: int) -> Images:
        """The first `number` training images, with all test images."""
        if number > len(self.train):
            raise bad("images", number, f"at most the {len(self.train)} training images of {self.name}")
        labels = None if self.train_labels is None else self.train_labels[:number]
        return Images(self.train[:number], self.test, labels, self.test_labels, self.name, self.label_values)


def as_floats(pixels: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Pixels as floats, bytes as x/255; floats stay what they are unless a type is asked for that they have not."""
    if pixels.dtype == np.uint8:
        return (pixels / 255.0).astype(dtype)
    return pixels if dtype is np.float32 else pixels.astype(dtype, copy=False)


def _fifth(labels: np.ndarray | None, number: int) -> np.ndarray:
    """Which fifth of the images is held out: as much of every class, drawn with a fixed seed.

    To take every fifth one instead would resonate with data whose classes come in turns.
    """
    order = np.random.default_rng(1).permutation(number)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    held_out = np.zeros(number, dtype=bool)
    held_out[order[4::5]] = True
    return held_out


def _shuffled(array: Any) -> Any:
    """Rows in an order that depends on their number only."""
    return None if array is None else array[np.random.default_rng(0).permutation(len(array))]


def _array(value: Any, name: str, what: str) -> np.ndarray:
    value = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise bad(f"{what} of {name}", value, "an array of one shape", str(error), kind=InvalidType) from None
    if array.dtype.kind not in "uifb":
        raise bad(f"{what} of {name}", array.dtype, "an array of numbers", kind=InvalidType)
    return array


def _checked(value: Any, name: str, what: str) -> np.ndarray:
    """Pixels (N, channels, height, width): bytes, or floats of the precision that they came in."""
    array = _array(value, name, what)
    what = f"{what} of {name}"
    vectors = array.ndim == 2
    if vectors:
        array = array[:, None, None, :]
    elif array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] > _CHANNELS:
        if array.shape[3] <= _CHANNELS:
            array = np.moveaxis(array, 3, 1)
        elif array.shape[1] >= min(array.shape[2:]):
            raise bad(what, array.shape, "at most four channels", "put the axis of channels second")
    if array.ndim != 4 or 0 in array.shape:
        expected = "shape (N, d), (N, height, width), (N, channels, height, width) or (N, height, width, channels)"
        raise bad(what, array.shape, expected)
    if not vectors and array.shape[2] == 1:
        raise bad(what, array.shape, "pictures more than one pixel high", "give vectors the shape (N, d)")
    if len(array) < 5:
        raise bad(what, f"{len(array)} images", "at least 5")
    if array.dtype == np.uint8 and not vectors:
        return array
    floats = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    if not np.isfinite(floats).all():
        raise bad(what, "NaN or infinite pixels", "finite numbers")
    if not vectors and max(-floats.min(), floats.max()) > _LARGEST:
        span = f"{array.dtype} between {array.min():.6g} and {array.max():.6g}"
        raise bad(what, span, "uint8 between 0 and 255, or floats between 0 and 1 or standardised", "scale them first")
    return floats


def _labels(
    labels: Any, number: int, test_labels: Any, test: np.ndarray | None, name: str
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Labels and those of the test images, numbered by the values that occur, and these values."""
    if labels is None:
        return None, None, None
    given = {"labels": (labels, number)} | ({} if test is None else {"test labels": (test_labels, len(test))})
    arrays = []
    for what, (value, count) in given.items():
        if np.shape(value) != (count,):
            raise bad(f"{what} of {name}", f"shape {np.shape(value)}", f"one label for each of the {count} images")
        arrays.append(label_values(value, count, f"{what} of {name}"))
    values = np.unique(np.concatenate(arrays))
    numbers = [np.searchsorted(values, array).astype(np.int64) for array in arrays]
    return numbers[0], (numbers[1] if test is not None else None), values


# Data that ship inside packages: a function without arguments that gives the images.
DATASETS: Registry[Callable[[], Images]] = Registry(
    "data",
    {"digits": "dynsim.networks.datasets:digits", "mnist": "dynsim.networks.datasets:mnist"},
    group="dynsim.datasets",
)
