"""Initialisations: how the weights of a part start, each seed from its own stream, equal on every machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from dynsim.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dynsim.networks.layers import Part

__all__ = ["INITIALISATIONS", "Initialisation", "draw"]


@dataclass(frozen=True)
class Initialisation:
    """The contract of an initialisation.

    Parameters
    ----------
    weight : callable
        ``weight(shape, generator)``: float64 weights of shape (out, in) or (out, in, height, width), whose trailing
        axes count as inputs.
    bias : callable, optional
        ``bias(size, inputs, generator)``: float64 biases of a layer with so many inputs; zeros by default.
    """

    weight: Callable[[tuple[int, ...], torch.Generator], Tensor]
    bias: Callable[[int, int, torch.Generator], Tensor] | None = None


def _uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    import torch

    drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (2 * drawn - 1) / inputs**0.5


def _default(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """What torch.nn.Linear and Conv2d do: uniform within ±1/√inputs (He et al. 2015, gain 1/√3)."""
    return _uniform(shape, prod(shape[1:]), generator)


def _default_bias(size: int, inputs: int, generator: torch.Generator) -> Tensor:
    return _uniform((size,), inputs, generator)


def _orthogonal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Orthonormal rows or columns, uniformly random (Saxe, McClelland & Ganguli 2014, arXiv:1312.6120)."""
    import torch

    return torch.nn.init.orthogonal_(torch.empty(shape, dtype=torch.float64), generator=generator)


def _zero(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Everything zero: the one start from which nothing can be learned."""
    import torch

    return torch.zeros(shape, dtype=torch.float64)


def _identity(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The identity, cut or padded to shape: each output copies one input; kernels copy their centre."""
    import torch

    kernel = torch.zeros(shape, dtype=torch.float64)
    centre = kernel
    for size in shape[2:]:
        centre = centre[:, :, size // 2]
    centre += torch.eye(shape[0], shape[1], dtype=torch.float64)
    return kernel


INITIALISATIONS: Registry[Initialisation] = Registry(
    "init",
    {
        "default": Initialisation(_default, _default_bias),
        "orthogonal": Initialisation(_orthogonal),
        "zero": Initialisation(_zero),
        "identity": Initialisation(_identity),
    },
    group="dynsim.initialisations",
)


def draw(part: Part, init: str, scale: float, generators: list[torch.Generator]) -> Tensor:
    """Rows (seeds, size), float64, on the CPU; `scale` multiplies the weights, not the biases."""
    import torch

    if part.initial is not None:
        return torch.stack([part.initial(generator) for generator in generators])
    chosen = INITIALISATIONS[init]
    rows = []
    for generator in generators:
        row, inputs = [torch.zeros(0, dtype=torch.float64)], 1
        for name, shape in part.shapes.items():
            if name.endswith("_scale"):
                value = torch.ones(shape, dtype=torch.float64)
            elif name.endswith("_shift") or (name.endswith("_bias") and chosen.bias is None):
                value = torch.zeros(shape, dtype=torch.float64)
            elif name.endswith("_bias"):
                assert chosen.bias is not None
                value = chosen.bias(shape[0], inputs, generator)
            else:
                inputs = prod(shape[1:])
                value = scale * chosen.weight(shape, generator)
            row.append(value.flatten())
        rows.append(torch.cat(row))
    return torch.stack(rows)
