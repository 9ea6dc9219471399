"""Labelled images in memory, split into training and test images, with every check at the door."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.registry import Registry

__all__ = ["DATASETS", "Images"]


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels as NumPy arrays; make one with `Images.of`.

    Parameters
    ----------
    train, test : numpy.ndarray
        Shape (number, channels, height, width), float64; images lie in [0, 1], vectors (height 1) anywhere.
    train_labels, test_labels : numpy.ndarray or None
        int64, from 0; None when the data have no labels.
    name : str
        What messages and provenance call the data.
    """

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None
    test_labels: np.ndarray | None
    name: str

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
            (N, H, W), (N, C, H, W) or (N, H, W, 3): bytes 0…255 or floats in [0, 1]. Or (N, d): vectors of any
            size, for which geometric augmentations make no sense.
        labels : array-like, optional
            N whole numbers from 0; without them there is no kNN and no probe.
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
        y = _labels(labels, len(x), name, "labels")
        if test is None:
            held_out = _fifth(y, len(x))
            x, t = x[~held_out], x[held_out]
            y, u = (None, None) if y is None else (y[~held_out], y[held_out])
        else:
            t = _checked(test, name, "test images")
            if t.shape[1:] != x.shape[1:]:
                raise bad(f"test images of {name}", t.shape[1:], f"the shape of the training images, {x.shape[1:]}")
            if (labels is None) != (test_labels is None):
                raise bad(f"test labels of {name}", test_labels, "labels for training and test images, or for none")
            u = _labels(test_labels, len(t), name, "test labels")
        return cls(_shuffled(x), _shuffled(t), _shuffled(y), _shuffled(u), name)

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
        """Number of classes: one more than the largest label, 0 without labels."""
        return 0 if self.train_labels is None else int(self.train_labels.max()) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all arrays."""
        content = hashlib.sha256()
        for array in (self.train, self.test, self.train_labels, self.test_labels):
            if array is not None:
                content.update(str((array.dtype, array.shape)).encode())
                content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()

    def limited(self, number: int) -> Images:
        """The first `number` training images, with all test images."""
        if number > len(self.train):
            raise bad("images", number, f"at most the {len(self.train)} training images of {self.name}")
        labels = None if self.train_labels is None else self.train_labels[:number]
        return Images(self.train[:number], self.test, labels, self.test_labels, self.name)


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
    array = _array(value, name, what)
    what = f"{what} of {name}"
    vectors = array.ndim == 2
    if vectors:
        array = array[:, None, None, :]
    elif array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = np.moveaxis(array, 3, 1)
    if array.ndim != 4 or 0 in array.shape:
        expected = "shape (N, d), (N, height, width), (N, channels, height, width) or (N, height, width, 3)"
        raise bad(what, array.shape, expected)
    if not vectors and array.shape[2] == 1:
        raise bad(what, array.shape, "pictures more than one pixel high", "give vectors the shape (N, d)")
    if len(array) < 5:
        raise bad(what, f"{len(array)} images", "at least 5")
    scaled = array.astype(np.float64) / (255.0 if array.dtype == np.uint8 and not vectors else 1.0)
    if not np.isfinite(scaled).all():
        raise bad(what, "NaN or infinite pixels", "finite numbers")
    if not vectors and (scaled.min() < 0 or scaled.max() > 1):
        span = f"{array.dtype} between {array.min():.6g} and {array.max():.6g}"
        raise bad(what, span, "uint8 between 0 and 255 or floats between 0 and 1", "scale them first")
    return scaled


def _labels(value: Any, number: int, name: str, what: str) -> np.ndarray | None:
    if value is None:
        return None
    array = _array(value, name, what)
    what = f"{what} of {name}"
    if array.shape != (number,):
        raise bad(what, f"shape {array.shape}", f"one label for each of the {number} images")
    labels = array.astype(np.int64)
    if (labels != array).any() or labels.min() < 0:
        raise bad(what, array.dtype if array.dtype.kind == "f" else array.min(), "whole numbers from 0")
    return labels


# Data that ship inside packages: a function without arguments that gives the images.
DATASETS: Registry[Callable[[], Images]] = Registry(
    "data",
    {"digits": "dynsim.networks.datasets:digits", "mnist": "dynsim.networks.datasets:mnist"},
    group="dynsim.datasets",
)
