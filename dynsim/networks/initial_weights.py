"""Initial weights of a part: each seed from its own stream, drawn in float64 on the CPU, equal everywhere."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from dynsim.networks.part import Part
from dynsim.registry import find

__all__ = ["draw"]


def draw(part: Part, init: str, scale: float, generators: list[torch.Generator]) -> Tensor:
    """Rows (seeds, size), float64; `scale` multiplies the weights, not the biases."""
    module = find("init", init, "dynsim.networks.initialisations")
    rows = []
    for generator in generators:
        row, inputs = [torch.zeros(0, dtype=torch.float64)], 1
        for name, shape in part.shapes.items():
            if name.endswith("_scale"):
                value = torch.ones(shape, dtype=torch.float64)
            elif name.endswith("_shift"):
                value = torch.zeros(shape, dtype=torch.float64)
            elif name.endswith("_bias"):
                value = module.bias(shape[0], inputs, generator)
            else:
                inputs = prod(shape[1:])
                value = scale * module.weight(shape, generator)
            row.append(value.flatten())
        rows.append(torch.cat(row))
    return torch.stack(rows)
