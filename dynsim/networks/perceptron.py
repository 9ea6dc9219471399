"""Stacks of dense layers, for many seeds at once; encoders and predictors are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from dynsim.networks.batch_norm import Normaliser, scale_and_shift

__all__ = ["Perceptron", "dense"]


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
        ``none``, ``batch`` (between the layers) or ``batch-out`` (there and, without scale and shift, at the
        output).
    bias : bool
        Whether layers have biases; one that is normalised right after needs none and has none.
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
            if self._normalised(i):
                if i < self.layers - 1:
                    self.shapes[f"{name}_scale"] = self.shapes[f"{name}_shift"] = (sizes[i + 1],)
            elif bias:
                self.shapes[f"{name}_bias"] = (sizes[i + 1],)
        self.exactly_linear = (
            (activation is None or self.layers == 1)
            and not bias
            and not any(self._normalised(i) for i in range(self.layers))
        )

    @property
    def adjacent(self) -> str | None:
        """Name of the last weight, if neither a bias nor a normalisation follows it."""
        last = self.names[-1]
        return None if self.norm == "batch-out" or f"{last}_bias" in self.shapes else last

    def _normalised(self, layer: int) -> bool:
        return self.norm != "none" and (layer < self.layers - 1 or self.norm == "batch-out")

    def __call__(self, parameters: Mapping[str, Tensor], x: Tensor, normalise: Normaliser) -> Tensor:
        """Features (seeds, in, views, batch) to (seeds, out, views, batch)."""
        shape = x.shape[2:]
        for i, name in enumerate(self.names):
            x = _columns(x.flatten(2), parameters[name], parameters.get(f"{name}_bias"))
            if self._normalised(i):
                x = normalise(name, x.unflatten(2, shape))
            if f"{name}_scale" in parameters:
                x = scale_and_shift(x, parameters[f"{name}_scale"], parameters[f"{name}_shift"])
            if self.activation is not None and i < self.layers - 1:
                x = self.activation(x)
        return x if x.ndim == 4 else x.unflatten(2, shape)
