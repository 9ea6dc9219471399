"""Stronger than a gradient step, on small networks: Newton, Gauss–Newton, exact minimisation block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

__all__ = ["DIM", "PIXELS", "VIEW_NOISE", "WIDTH", "SmallNetwork", "stepped"]

PIXELS, DIM, WIDTH, VIEW_NOISE = 16, 4, 8, 0.3
_EXPLODED = 1e6  # times its start: steps beyond are not taken


class SmallNetwork:
    """Views, a vector of parameters, and the residual of the loss as a function of it."""

    def __init__(self, subject: str, seed: int, images: int, data: Any = "digits") -> None:
        self.subject = subject
        if subject == "toy":
            self.views = [torch.ones(1, 1, dtype=torch.float64)] * 2
            self.shapes = [(1, 1), (1, 1)]
            self.start = torch.tensor([0.6, 0.1], dtype=torch.float64)
            return
        rng = np.random.default_rng(seed)
        x = _components(images, data)
        self.views = [torch.tensor(x + VIEW_NOISE * rng.normal(size=x.shape)) for _ in range(2)]
        inner = [(DIM, PIXELS)] if subject == "linear" else [(WIDTH, PIXELS), (DIM, WIDTH)]
        self.shapes = [(DIM, DIM), *inner]
        parts = [rng.uniform(-1, 1, size=s).ravel() / np.sqrt(s[1]) for s in self.shapes]
        self.start = torch.tensor(np.concatenate(parts))

    def parts(self, y: Any) -> list[Any]:
        """Predictor first, then the layers of the encoder."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return [part.reshape(shape) for part, shape in zip(y.split(sizes), self.shapes, strict=True)]

    def features(self, y: Any, view: int) -> Any:
        """(images, features)."""
        layers = self.parts(y)[1:]
        z = self.views[view] @ layers[0].T
        return z if len(layers) == 1 else z.tanh() @ layers[1].T

    def residual(self, y: Any, held: Any, branch: str) -> Any:
        """Predictions minus targets over √N; `held` stands where the branch stops gradients."""
        first = self.features(held if branch == "target" else y, 0)
        second = self.features(held if branch == "stop" else y, 1)
        return (first @ self.parts(y)[0].T - second).ravel() / len(first) ** 0.5

    def slope(self, y: Any, branch: str) -> Any:
        """−field: the gradient of ½‖residual‖² with what is stopped held at y itself."""
        pulled: Any = torch.func.vjp(lambda one: self.residual(one, y, branch), y)
        return pulled[1](pulled[0])[0]


def _components(images: int, data: Any) -> np.ndarray:
    """The first principal components of images, as wide as they are, and 1 for the widest."""
    from dynsim.networks.datasets import load_images
    from dynsim.networks.experiment import Experiment

    pictures = load_images(Experiment(data=data)).train
    x = (pictures - pictures.mean(axis=0)).reshape(len(pictures), -1).astype(float)
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    shown = x[:images] @ axes[:PIXELS].T
    return np.asarray(shown / shown[:, 0].std())


def stepped(network: SmallNetwork, optimiser: str, branch: str, lr: float, number: int) -> Any:
    """Parameters after a number of steps, or after the first beyond which they have exploded."""
    step = _STEPS[optimiser.partition(",")[0]]
    y = network.start.clone()
    order = "WP" if optimiser.endswith("W first") else "PW"
    size = float(network.start.norm())
    for _ in range(number):
        y = step(network, y, branch, lr, order)
        if not float(y.norm()) < _EXPLODED * size:
            break
    return y


def _descent(network: SmallNetwork, y: Any, branch: str, lr: float, order: str) -> Any:
    return y - lr * network.slope(y, branch)


def _newton(network: SmallNetwork, y: Any, branch: str, lr: float, order: str) -> Any:
    jacobian = torch.func.jacrev(lambda one: network.slope(one, branch))(y)
    return y - lr * torch.linalg.pinv(jacobian, rtol=1e-10) @ network.slope(y, branch)


def _gauss_newton(network: SmallNetwork, y: Any, branch: str, lr: float, order: str) -> Any:
    jacobian = torch.func.jacrev(lambda one: network.residual(one, y, branch))(y)
    return y - lr * torch.linalg.pinv(jacobian, rtol=1e-10) @ network.residual(y, y, branch)


def _exact(network: SmallNetwork, y: Any, branch: str, lr: float, order: str) -> Any:
    for block in order:
        y = (_best_predictor if block == "P" else _best_encoder)(network, y, branch)
    return y


def _best_predictor(network: SmallNetwork, y: Any, branch: str) -> Any:
    z, target = network.features(y, 0), network.features(y, 1)
    found = torch.linalg.pinv(z, rtol=1e-10) @ target
    return torch.cat([found.T.ravel(), y[found.numel() :]])


def _best_encoder(network: SmallNetwork, y: Any, branch: str) -> Any:
    """Minimise over the encoder with the predictor, and what is stopped, held fixed; from where it is."""
    held, own = y.clone(), int(np.prod(network.shapes[0]))

    def loss(encoder: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.tensor(encoder, requires_grad=True)
        value = network.residual(torch.cat([held[:own], free]), held, branch).square().sum() / 2
        (slope,) = torch.autograd.grad(value, free)
        return float(value.detach()), slope.numpy()

    options = {"maxiter": 300, "maxfun": 600, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, y[own:].numpy(), jac=True, method="L-BFGS-B", options=options)
    return torch.cat([held[:own], torch.tensor(found.x)])


_STEPS: dict[str, Callable[..., Any]] = {
    "gradient descent": _descent,
    "Newton": _newton,
    "Gauss–Newton": _gauss_newton,
    "exact": _exact,
}
