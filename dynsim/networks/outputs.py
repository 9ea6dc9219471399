"""What a loss on a network's outputs is given: embeddings, predictions, the teacher's outputs, prototype scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dynsim.networks.layers import Normaliser, Part
from dynsim.networks.objectives import Objective

__all__ = ["PROTOTYPES", "Outputs", "both_views", "is_symmetric", "scores", "swapped", "with_prototypes"]

PROTOTYPES = "C"  # name of the weights, (number, features)


def with_prototypes(part: Part, number: int) -> Part:
    """Return the encoder with prototypes among its parameters: they start, decay, move and are averaged with it."""
    shapes = {**part.shapes, PROTOTYPES: (number, part.features)}

    def apply(parameters: Mapping[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        return part.apply({name: parameters[name] for name in part.shapes}, images, normalise)

    initial = part.initial
    if initial is None:
        return replace(part, shapes=shapes, apply=apply, adjacent=None)

    def drawn(generator: torch.Generator) -> Tensor:
        assert initial is not None
        row = initial(generator)
        return torch.cat((row, torch.randn(number * part.features, generator=generator, dtype=torch.float64)))

    return replace(part, shapes=shapes, apply=apply, initial=drawn, adjacent=None)


def scores(features: Tensor, prototypes: Tensor) -> Tensor:
    """Products of unit vectors, (seeds, prototypes, views, batch), of features (seeds, dim, views, batch).

    As in SwAV and DINO, whose prototypes and the features before them are normalised.
    """
    unit = torch.nn.functional.normalize
    return torch.einsum("skd,sdvb->skvb", unit(prototypes, dim=2), unit(features, dim=1))


class Outputs:
    """Outputs of a batch by the names of a text, each computed once and only when asked for.

    Parameters
    ----------
    features : Tensor
        (seeds, dim, 2, batch), of the encoder; `prototypes`, (seeds, K, dim), beside them if there are any.
    teacher : tuple of Tensor
        The same of the teacher.
    predict : callable
        ``predict(features, targets)``.
    """

    def __init__(
        self,
        features: tuple[Tensor, Tensor | None],
        teacher: tuple[Tensor, Tensor | None],
        predict: Callable[..., Tensor],
        centre: Tensor | None,
    ) -> None:
        self._features, self._prototypes = features
        self._teacher, self._predict, self._centre = teacher, predict, centre

    @cached_property
    def _predictions(self) -> Tensor:
        return self._predict(self._features, self._teacher[0].flip(2))

    @cached_property
    def _scores(self) -> Tensor:
        assert self._prototypes is not None
        return scores(self._features, self._prototypes)

    @cached_property
    def teacher_outputs(self) -> Tensor:
        """Features of the teacher, or its scores where there are prototypes, (seeds, outputs, 2, batch)."""
        features, prototypes = self._teacher
        return features if prototypes is None else scores(features, prototypes)

    def of(self, symbols: frozenset[str]) -> dict[str, Tensor]:
        """Tensors (seeds, batch, outputs) of these symbols."""
        found = {}
        for name in sorted(symbols - {"dim", "batch", "pi", "centre"}):
            source = {
                "z": lambda: self._features,
                "p": lambda: self._predictions,
                "s": lambda: self._scores,
                "t": lambda: self.teacher_outputs,
            }[name[0]]()
            found[name] = source[:, :, int(name[1]) - 1].mT
        if "centre" in symbols:
            assert self._centre is not None
            found["centre"] = self._centre.unsqueeze(1)
        return found


def swapped(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs with the two views exchanged; what a loss does not look at is left out."""
    other = {"1": "2", "2": "1"}
    return {name[0] + other[name[1]] if name[-1] in other else name: value for name, value in values.items()}


def both_views(symbols: frozenset[str]) -> frozenset[str]:
    """These outputs, and those of the other view."""
    return symbols | {name[0] + "21"[int(name[1]) - 1] for name in symbols if name[-1] in "12"}


def is_symmetric(objective: Objective, knobs: Mapping[str, Any], dim: int, prototypes: int) -> bool:
    """Whether exchanging the views changes nothing: tried on random outputs of three sizes.

    This is also the first time that a loss is computed: what raises here raises before training.
    """
    stream = torch.Generator().manual_seed(0)
    symbols = both_views(objective.symbols)
    wide = bool(symbols & {"s1", "s2"})
    for size in (0.1, 1.0, 3.0):
        values = {}
        for name in sorted(symbols - {"dim", "batch", "pi"}):
            width = prototypes if name[0] == "s" or (wide and name[0] in "tc") else dim
            rows = 1 if name == "centre" else 2 * dim + 3
            values[name] = size * torch.randn(1, rows, width, generator=stream, dtype=torch.float64)
        one = objective.loss(values, values, knobs, 0)
        other = objective.loss(swapped(values), swapped(values), knobs, 0)
        if not torch.allclose(one, other, rtol=1e-10, atol=1e-300, equal_nan=True):
            return False
    return True
