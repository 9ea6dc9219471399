"""Real photographs that ship inside scikit-learn."""

from __future__ import annotations

import numpy as np

from dynsim.errors import bad, missing_extra

__all__ = ["photograph"]

_NAMES = ("china", "flower")


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

    Examples
    --------
    >>> from dynsim.networks import photograph
    >>> photograph("china", size=32).shape
    (3, 32, 32)
    """
    if name not in _NAMES:
        raise bad("name", name, f"one of {', '.join(_NAMES)}")
    try:
        from sklearn.datasets import load_sample_image

        pixels = load_sample_image(f"{name}.jpg")
    except ImportError:
        raise missing_extra("scikit-learn", "networks", "the photographs") from None
    height, width, _ = pixels.shape
    if not (size > 0 and 0 <= top <= height - size and 0 <= left <= width - size):
        raise bad("top, left, size", (top, left, size), f"a square within {height} × {width} pixels")
    square: np.ndarray = pixels[top : top + size, left : left + size]
    return np.moveaxis(square, 2, 0) / 255.0
