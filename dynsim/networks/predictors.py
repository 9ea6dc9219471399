"""Predictors: ``build(experiment, features, outputs) -> Part``, one function per family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dynsim.errors import bad
from dynsim.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from dynsim.networks.experiment import Experiment
    from dynsim.networks.layers import Normaliser, Part

__all__ = ["PREDICTORS", "Predictor"]


@dataclass(frozen=True)
class Predictor:
    """The contract of a family of predictors.

    Parameters
    ----------
    build : callable
        ``build(experiment, features, outputs)``: the part from so many features to so many outputs.
    """

    build: Callable[[Experiment, int, int], Part]

    def __call__(self, experiment: Experiment, features: int, outputs: int) -> Part:
        """Build the part."""
        return self.build(experiment, features, outputs)


def none(experiment: Experiment, features: int, outputs: int) -> Part:
    """No predictor: predictions are the features.

    Raises
    ------
    InvalidValue
        The objective wants another number of outputs.
    """
    from dynsim.networks.layers import Part

    if features != outputs:
        raise bad("dim", features, f"{outputs}, the number of classes, with predictor 'none'", "or take 'linear'")

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return x

    return Part({}, apply, features, exactly_linear=True, trained=False)


def linear(experiment: Experiment, features: int, outputs: int) -> Part:
    """One matrix P (outputs × features), without bias."""
    from dynsim.networks.layers import Part, dense

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return dense(x, parameters["P"])

    return Part({"P": (outputs, features)}, apply, outputs, exactly_linear=True)


def fixed(experiment: Experiment, features: int, outputs: int) -> Part:
    """A linear one that keeps its initial value: a random matrix P, or whatever `predictor_init` says."""
    return replace(linear(experiment, features, outputs), trained=False)


def mlp(experiment: Experiment, features: int, outputs: int) -> Part:
    """Two dense layers with ReLU between, `predictor_width` hidden units (the encoder's `dim`), `predictor_norm`."""
    import torch

    from dynsim.networks.layers import Part, Perceptron

    stack = Perceptron(
        [features, experiment.predictor_width or experiment.dim, outputs],
        "P",
        activation=torch.relu_,
        norm=experiment.predictor_norm,
        bias=experiment.bias is not False,
    )

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return stack(parameters, x, normalise)

    return Part(stack.shapes, apply, outputs)


def optimal(experiment: Experiment, features: int, outputs: int) -> Part:
    """The best linear one for the batch, by ridge regression of the targets on the features, at every step.

    The limit α → ∞ of a trained one (Tang et al. 2023, arXiv:2212.03319); `measures.optimal_predictor` is the same
    matrix. No gradient passes through P itself.
    """
    import torch

    from dynsim.networks.layers import Part, dense

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        assert targets is not None
        z, t = x.detach().flatten(2), targets.detach().flatten(2)
        gram = z @ z.mT
        size = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        gram = gram + experiment.ridge * size * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        solution, _ = torch.linalg.solve_ex(gram, z @ t.mT)
        return dense(x, solution.mT)

    return Part({}, apply, outputs, exactly_linear=True, trained=False)


PREDICTORS: Registry[Predictor] = Registry(
    "predictor",
    {
        "none": Predictor(none),
        "linear": Predictor(linear),
        "fixed": Predictor(fixed),
        "mlp": Predictor(mlp),
        "optimal": Predictor(optimal),
    },
)
