"""scikit-learn's digits: 1797 real handwritten 8×8 digits (Alpaydin & Kaynak 1998), scaled to [0, 1]."""

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
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise missing_extra("scikit-learn", "networks", "the digits") from None
    digits = load_digits()
    return Images.of(digits.images / 16.0, digits.target, name="digits")
