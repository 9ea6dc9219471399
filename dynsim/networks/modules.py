"""The user's own encoders, predictors and augmentations, in the run of many seeds: one seed after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from dynsim.errors import InvalidType, bad, explained
from dynsim.networks.layers import Normaliser, Part, Population

__all__ = ["FunctionAugmenter", "encoder_part", "predictor_part"]

_Norms = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


@explained("how-to/my-own-encoder")
def encoder_part(factory: Callable[[], nn.Module], image_shape: tuple[int, int, int]) -> Part:
    """Part of an encoder that `factory` makes: images (batch, channels, height, width) to features (batch, …)."""
    own = _Module(factory, "encoder", torch.zeros(2, *image_shape))

    def apply(parameters: Mapping[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        return own(parameters, images, normalise).permute(0, 3, 1, 2)

    return Part(own.shapes, apply, own.outputs, initial=own.initial)


def predictor_part(factory: Callable[[], nn.Module], features: int, outputs: int) -> Part:
    """Part of a predictor that `factory` makes: features (batch, dim) to predictions (batch, outputs)."""
    own = _Module(factory, "predictor", torch.zeros(2, features))
    if own.outputs != outputs:
        raise bad("predictor", f"{own.outputs} outputs", f"{outputs} outputs")

    def apply(parameters: Mapping[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return own(parameters, x.permute(0, 2, 3, 1), normalise).permute(0, 3, 1, 2)

    return Part(own.shapes, apply, own.outputs, initial=own.initial, trained=bool(own.shapes))


class _Module:
    """A module as a function of its parameters alone.

    Training views are normalised by their own batch, one view after the other, as in a plain loop. Running averages
    are not carried from step to step: in evaluation they are those of the views that pass through first, to which
    they would have come.
    """

    def __init__(self, factory: Callable[[], nn.Module], role: str, example: Tensor) -> None:
        self.factory, self.role, self.example = factory, role, example
        self.module = self._made(0)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            try:
                out = self.module.eval()(example)
            except Exception as error:
                first = str(error).strip().split("\n")[0]
                raise bad(
                    role, factory, f"a module that takes inputs of shape {tuple(example.shape)}", first
                ) from error
        if not isinstance(out, Tensor) or out.ndim < 2 or len(out) != len(example):
            raise bad(role, getattr(out, "shape", type(out)), "a module that returns one row per input")
        self.outputs = prod(out.shape[1:])
        named = dict(self.module.named_parameters())
        self._kept = {f"{role}.{name}": tuple(value.shape) for name, value in named.items()}
        self.shapes = {name: shape or (1,) for name, shape in self._kept.items()}

    def _made(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                module = self.factory()
                if isinstance(module, nn.Module) and any(map(nn.parameter.is_lazy, module.parameters())):
                    module.eval()(self.example)  # lazy layers take their shapes, and their start, from a first batch
                    module.train()
            except Exception as error:
                first = str(error).strip().split("\n")[0]
                raise bad(
                    self.role, self.factory, "a function without arguments that makes a module", first
                ) from error
        if not isinstance(module, nn.Module):
            raise bad(self.role, module, "a function without arguments that makes an nn.Module", kind=InvalidType)
        return module

    def initial(self, generator: torch.Generator) -> Tensor:
        """Parameters of a fresh module as a row, drawn from the seed's own stream."""
        seed = int(torch.randint(2**62, (), generator=generator))
        values = [value.detach().double().flatten() for value in self._made(seed).parameters()]
        return torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)

    def __call__(self, parameters: Mapping[str, Tensor], inputs: Tensor, normalise: Normaliser) -> Tensor:
        """Inputs (seeds, views, batch, …) to outputs (seeds, views, batch, outputs)."""
        population = normalise if isinstance(normalise, Population) else None
        if population is not None and self.role not in population.buffers:
            population.buffers[self.role] = [self._statistics(own, x) for own, x in self._seeds(parameters, inputs)]
        made = []
        for seed, (own, x) in enumerate(self._seeds(parameters, inputs)):
            if population is None:
                rows = [self._forward(own, self._buffers(x), view, training=True) for view in x]
                made.append(torch.stack(rows))
            else:
                out = self._forward(own, population.buffers[self.role][seed], x.flatten(0, 1), training=False)
                made.append(out.unflatten(0, x.shape[:2]))
        return torch.stack(made)

    def _seeds(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> list[tuple[dict[str, Tensor], Tensor]]:
        cut = len(self.role) + 1
        return [
            ({name[cut:]: parameters[name][seed].reshape(shape) for name, shape in self._kept.items()}, x)
            for seed, x in enumerate(inputs)
        ]

    def _buffers(self, like: Tensor) -> dict[str, Tensor]:
        return {
            name: value.detach().to(like.device, like.dtype if value.is_floating_point() else None, copy=True)
            for name, value in self.module.named_buffers()
        }

    def _statistics(self, parameters: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        """Buffers after one pass of all views, with running averages that take this pass alone."""
        norms = [module for module in self.module.modules() if isinstance(module, _Norms)]
        before = [module.momentum for module in norms]
        buffers = self._buffers(x)
        try:
            for module in norms:
                module.momentum = 1.0
            with torch.no_grad():
                self._forward(parameters, buffers, x.flatten(0, 1), training=True)
        finally:
            for module, momentum in zip(norms, before, strict=True):
                module.momentum = momentum
        return buffers

    def _forward(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, *, training: bool
    ) -> Tensor:
        self.module.train(training)
        out: Tensor = torch.func.functional_call(self.module, {**parameters, **buffers}, (x,))
        return out.flatten(1)


class FunctionAugmenter:
    """Views by the user's own function of a batch of images (batch, channels, height, width).

    It may draw from torch's global generator, which is set from the seed's own stream and put back afterwards.
    """

    noise = 0.0
    only_noise = False

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator], views: int) -> Tensor:
        """Views (seeds, views, batch, channels, height, width) of images (seeds, batch, channels, …)."""
        made = []
        for batch, generator in zip(images.expand(len(generators), *images.shape[1:]), generators, strict=True):
            seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                made.append(torch.stack([self._view(batch) for _ in range(views)]))
        return torch.stack(made)

    def _view(self, batch: Tensor) -> Tensor:
        view = self.function(batch.clone())
        if not isinstance(view, Tensor) or view.shape != batch.shape:
            found = getattr(view, "shape", type(view).__name__)
            raise bad(
                "augmentation", found, f"a function that returns a tensor of the shape it gets, {tuple(batch.shape)}"
            )
        return view.to(batch)
