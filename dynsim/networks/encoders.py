"""Encoders: ``build(experiment, image_shape) -> Part``, one function per family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from dynsim.errors import bad
from dynsim.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from dynsim.networks.experiment import Experiment
    from dynsim.networks.layers import Normaliser, Part

__all__ = ["ENCODERS", "Encoder"]


@dataclass(frozen=True)
class Encoder:
    """The contract of a family of encoders.

    Parameters
    ----------
    build : callable
        ``build(experiment, image_shape)``: the part for images of shape (channels, height, width).
    """

    build: Callable[[Experiment, tuple[int, int, int]], Part]

    def __call__(self, experiment: Experiment, image_shape: tuple[int, int, int]) -> Part:
        """Build the part."""
        return self.build(experiment, image_shape)


def linear(experiment: Experiment, image_shape: tuple[int, int, int]) -> Part:
    """Linear, without biases unless asked for: one matrix W (dim × pixels), or a product of `depth` of them."""
    hidden = [experiment.width or experiment.dim] * ((experiment.depth or 1) - 1)
    return _dense(experiment, image_shape, hidden, None, bias=bool(experiment.bias))


def mlp(experiment: Experiment, image_shape: tuple[int, int, int]) -> Part:
    """Multilayer perceptron with ReLU: `depth` layers (2), `width` hidden units (128)."""
    import torch

    return _perceptron(experiment, image_shape, torch.relu_)


def mlp_tanh(experiment: Experiment, image_shape: tuple[int, int, int]) -> Part:
    """As `mlp` with tanh: a smooth function of the image, for what ReLU's kinks disturb."""
    import torch

    return _perceptron(experiment, image_shape, torch.tanh_)


def _perceptron(
    experiment: Experiment, image_shape: tuple[int, int, int], activation: Callable[[Tensor], Tensor]
) -> Part:
    hidden = [experiment.width or 128] * ((experiment.depth or 2) - 1)
    return _dense(experiment, image_shape, hidden, activation, bias=experiment.bias is not False)


def _dense(
    experiment: Experiment,
    image_shape: tuple[int, int, int],
    hidden: list[int],
    activation: Callable[[Tensor], Tensor] | None,
    *,
    bias: bool,
) -> Part:
    from dynsim.networks.layers import Part, Perceptron

    sizes = [prod(image_shape), *hidden, experiment.dim]
    stack = Perceptron(sizes, "W", activation=activation, norm=experiment.norm, bias=bias)

    def apply(parameters: dict[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        return stack(parameters, images.flatten(3).movedim(3, 1), normalise)

    return Part(stack.shapes, apply, experiment.dim, exactly_linear=stack.exactly_linear, adjacent=stack.adjacent)


def cnn(experiment: Experiment, image_shape: tuple[int, int, int]) -> Part:
    """Convolutional: `depth` − 1 layers of 3×3 kernels (2), channels `width` (16), doubling, then global average
    pooling and a dense layer. Each convolution halves pictures that are at least 4 pixels wide (stride 2).

    Seeds and views are groups of one grouped convolution.
    """
    from dynsim.networks.layers import Part, Perceptron

    if image_shape[1] == 1:
        raise bad("encoder", "cnn", "'linear' or 'mlp' for vectors", "they have no geometry")
    layers = (experiment.depth or 3) - 1
    width = experiment.width or 16
    channels = [image_shape[0], *(width * 2**i for i in range(layers))]
    normalised, biased = experiment.norm != "none", experiment.bias is not False
    names = [f"W{i + 1}" for i in range(layers)]
    shapes: dict[str, tuple[int, ...]] = {}
    for i, name in enumerate(names):
        shapes[name] = (channels[i + 1], channels[i], 3, 3)
        if biased and not experiment.norm.startswith("batch"):
            shapes[f"{name}_bias"] = (channels[i + 1],)
        if normalised:
            shapes[f"{name}_scale"] = shapes[f"{name}_shift"] = (channels[i + 1],)
    head = Perceptron(
        [channels[-1], experiment.dim], f"W{layers + 1}", activation=None, norm=experiment.norm, bias=biased
    )

    def apply(parameters: dict[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        x = images
        for name in names:
            x = _convolve(x, parameters[name], parameters.get(f"{name}_bias"))
            if normalised:
                scale, shift = parameters[f"{name}_scale"], parameters[f"{name}_shift"]
                x = _normalised_channels(x, name, scale, shift, experiment.norm, normalise)
            x = x.relu()
        return head(parameters, x.mean((-2, -1)).permute(0, 3, 1, 2), normalise)

    return Part({**shapes, **head.shapes}, apply, experiment.dim, adjacent=head.adjacent)


def _normalised_channels(
    x: Tensor, name: str, scale: Tensor, shift: Tensor, norm: str, normalise: Normaliser
) -> Tensor:
    """Normalise (seeds, views, batch, channels, height, width): a channel over batch and pixels, or a sample."""
    from torch.nn import functional

    from dynsim.networks.layers import EPSILON, scale_and_shift

    if norm.startswith("layer"):
        x = functional.layer_norm(x, x.shape[-3:], eps=EPSILON)
        return x * scale[:, None, None, :, None, None] + shift[:, None, None, :, None, None]
    columns = normalise(name, x.permute(0, 3, 1, 2, 4, 5).flatten(3))
    columns = scale_and_shift(columns, scale, shift)
    return columns.unflatten(3, (x.shape[2], *x.shape[4:])).permute(0, 2, 3, 1, 4, 5)


def _convolve(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """3×3 convolution of (seeds, views, batch, channels, height, width), each seed with its own kernels."""
    from torch.nn import functional

    seeds, views, batch = x.shape[:3]
    groups = x.permute(1, 2, 0, 3, 4, 5).reshape(views * batch, -1, *x.shape[4:])
    out = functional.conv2d(
        groups,
        kernels.flatten(0, 1),
        None if bias is None else bias.flatten(),
        stride=2 if min(x.shape[-2:]) >= 4 else 1,
        padding=1,
        groups=seeds,
    )
    return out.view(views, batch, seeds, -1, *out.shape[2:]).permute(2, 0, 1, 3, 4, 5)


ENCODERS: Registry[Encoder] = Registry(
    "encoder",
    {"linear": Encoder(linear), "mlp": Encoder(mlp), "mlp-tanh": Encoder(mlp_tanh), "cnn": Encoder(cnn)},
)
