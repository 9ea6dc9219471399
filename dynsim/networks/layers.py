"""What networks are built of: named parameters of many seeds, dense layers, normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "EPSILON", "Layout", "Normaliser", "Part", "Perceptron", "Population", "by_batch", "by_features", "dense",
    "scale_and_shift",
]  # fmt: skip

EPSILON = 1e-5  # of torch.nn.BatchNorm1d

Normaliser = Callable[[str, Tensor], Tensor]


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
    initial : callable or None
        ``initial(generator)`` draws the row of a start itself, where the names of parameters do not say how.
    """

    shapes: Mapping[str, tuple[int, ...]]
    apply: Callable[..., Tensor]
    features: int
    exactly_linear: bool = False
    trained: bool = True
    adjacent: str | None = None
    initial: Callable[[torch.Generator], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each named parameter lies in a row of length `size`.

    One row per seed: optimisers, speeds, checkpoints and flows see a matrix (seeds × size), the layers see
    ``{name: tensor (seeds, *shape)}``.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.layers import Layout
    >>> layout = Layout({"W": (2, 3), "W_bias": (2,)})
    >>> parts = layout.split(torch.arange(8.0)[None])
    >>> parts["W"].shape, parts["W_bias"]
    (torch.Size([1, 2, 3]), tensor([[6., 7.]]))
    """

    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def sizes(self) -> list[int]:
        """Number of entries of each parameter."""
        return [prod(shape) for shape in self.shapes.values()]

    @cached_property
    def size(self) -> int:
        """Number of entries of all parameters of one seed."""
        return sum(self.sizes)

    @cached_property
    def matrices(self) -> Tensor:
        """1 for the entries of weights, 0 for those of one-dimensional parameters: biases, scales, shifts; (size,)."""
        marks = [torch.full((prod(shape),), float(len(shape) > 1)) for shape in self.shapes.values()]
        return torch.cat(marks) if marks else torch.zeros(0)

    def split(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows (seeds, size) as views ``{name: (seeds, *shape)}``; one split keeps the gradient one copy, or none."""
        if not self.shapes:
            return {}
        pieces = rows.split(self.sizes, dim=1) if len(self.shapes) > 1 else (rows,)
        return {
            name: piece if len(shape) == 1 else piece.unflatten(1, shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def join(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Inverse of `split`, a copy."""
        return torch.cat([parts[name].flatten(1) for name in self.shapes], dim=1)


def by_batch(name: str, x: Tensor) -> Tensor:
    """Normalise every feature of every view by the mean and variance of its own batch (training).

    `x` is (seeds, features, views, batch). With the batch last this is a layer norm over that axis, which
    torch computes in one pass, forwards and backwards.
    """
    return functional.layer_norm(x, x.shape[-1:], eps=EPSILON)


class Population:
    """Normalise by the statistics of the first set that passes through (evaluation): views of training images.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.layers import Population
    >>> normalise = Population()
    >>> first = normalise("layer", torch.tensor([[[[1.0, 3.0]]]]))
    >>> normalise("layer", torch.tensor([[[[2.0]]]])).abs().item() < 1e-6  # 2 is the mean of the first set
    True
    """

    def __init__(self) -> None:
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}
        self.buffers: dict[str, list[dict[str, Tensor]]] = {}  # of modules that keep their statistics themselves

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """Normalise `x`, shaped as in `by_batch`, for the layer called `name`."""
        if name not in self._moments:
            self._moments[name] = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
        variance, mean = self._moments[name]
        return (x - mean) * torch.rsqrt(variance + EPSILON)


def by_features(x: Tensor) -> Tensor:
    """Normalise every sample by the mean and variance over its own features (layer norm, Ba et al. 2016).

    `x` is (seeds, features, views, batch). It is the same in training and in evaluation.
    """
    variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + EPSILON)


def scale_and_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Affine part of batch normalisation: one scale and one shift per seed and feature."""
    return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


def dense(x: Tensor, weight: Tensor) -> Tensor:
    """Apply weights (seeds, out, in) to features x (seeds, in, views, batch)."""
    return torch.bmm(weight, x.flatten(2)).unflatten(2, x.shape[2:])


def _columns(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply weights (seeds, out, in) and biases (seeds, out) to columns (seeds, in, views·batch)."""
    return torch.bmm(weight, x) if bias is None else torch.baddbmm(bias.unsqueeze(-1), weight, x)


class Perceptron:
    """Dense layers with an activation, and possibly batch normalisation, between them.

    Parameters
    ----------
    sizes : sequence of int
        Features from the input to the output.
    prefix : str
        Letter of the weights: ``W1``, ``W2``, …, or just ``W`` for a single layer.
    activation : callable or None
        Between the layers, in place: ``torch.relu_``, ``torch.tanh_``; None for a linear network.
    norm : str
        ``none``; ``batch``, between the layers; ``batch-out``, there and, without scale and shift, at the output;
        ``batch-affine``, there and, with scale and shift, at the output; ``layer`` and ``layer-out``, the same as
        ``batch`` and ``batch-out`` with layer norm.
    bias : bool
        Whether layers have biases; one that batch normalisation follows needs none and has none.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        prefix: str,
        *,
        activation: Callable[[Tensor], Tensor] | None,
        norm: str,
        bias: bool,
    ) -> None:
        self.layers = len(sizes) - 1
        self.activation = activation
        self.norm = norm
        self.names = [prefix] if self.layers == 1 else [f"{prefix}{i + 1}" for i in range(self.layers)]
        self.shapes: dict[str, tuple[int, ...]] = {}
        for i, name in enumerate(self.names):
            self.shapes[name] = (sizes[i + 1], sizes[i])
            if bias and not (self._normalised(i) and norm.startswith("batch")):
                self.shapes[f"{name}_bias"] = (sizes[i + 1],)
            if self._normalised(i) and (i < self.layers - 1 or norm == "batch-affine"):
                self.shapes[f"{name}_scale"] = self.shapes[f"{name}_shift"] = (sizes[i + 1],)
        self.exactly_linear = (
            (activation is None or self.layers == 1)
            and not bias
            and not any(self._normalised(i) for i in range(self.layers))
        )

    @property
    def adjacent(self) -> str | None:
        """Name of the last weight, if neither a bias nor a normalisation follows it."""
        last = self.names[-1]
        return None if self._normalised(self.layers - 1) or f"{last}_bias" in self.shapes else last

    def _normalised(self, layer: int) -> bool:
        if self.norm == "none":
            return False
        return layer < self.layers - 1 or self.norm in ("batch-out", "batch-affine", "layer-out")

    def __call__(self, parameters: Mapping[str, Tensor], x: Tensor, normalise: Normaliser) -> Tensor:
        """Features (seeds, in, views, batch) to (seeds, out, views, batch)."""
        shape = x.shape[2:]
        for i, name in enumerate(self.names):
            x = _columns(x.flatten(2), parameters[name], parameters.get(f"{name}_bias"))
            if self._normalised(i):
                x = x.unflatten(2, shape)
                x = by_features(x) if self.norm.startswith("layer") else normalise(name, x)
            if f"{name}_scale" in parameters:
                x = scale_and_shift(x, parameters[f"{name}_scale"], parameters[f"{name}_shift"])
            if self.activation is not None and i < self.layers - 1:
                x = self.activation(x)
        return x if x.ndim == 4 else x.unflatten(2, shape)
