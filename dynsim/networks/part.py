"""A part of a network: the shapes of its parameters and what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Part"]


@dataclass(frozen=True, eq=False)
class Part:
    """An encoder or a predictor.

    Parameters
    ----------
    shapes : mapping
        Shape of each parameter of one seed. Names that end in ``_bias``, ``_scale``, ``_shift`` are the
        additive and the normalisation parameters, all others are weights.
    apply : callable
        Encoder: ``apply(parameters, images, normalise)`` with images (seeds, views, batch, channels, height,
        width) returns features (seeds, dim, views, batch). Predictor: ``apply(parameters, features, targets,
        normalise)`` returns predictions shaped like the features.
    features : int
        Size of what it returns.
    exactly_linear : bool
        Without bias, activation and normalisation, so that quadratic losses know the data by second moments.
    trained : bool
        Whether the optimiser moves its parameters.
    adjacent : str or None
        Encoder: name of its last weight if nothing, neither bias nor normalisation, lies between it and the
        predictor; the balance law then ties it to a linear predictor.
    """

    shapes: Mapping[str, tuple[int, ...]]
    apply: Callable[..., Tensor]
    features: int
    exactly_linear: bool = False
    trained: bool = True
    adjacent: str | None = None
