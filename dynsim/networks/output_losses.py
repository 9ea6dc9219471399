"""Losses of the field as functions of a network's outputs, as their public code computes them.

A function gets the outputs by the names of `TextObjective`, (seeds, batch, features), live in `outside` and as they
are within a stop-gradient in `inside`, the knobs, and the number of the step; it returns one loss per seed. Each has
its text in `dynsim.method(name).loss`; tests hold value and gradient of the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["barlow_simon", "dino", "infonce", "lejepa", "spectral", "vicreg"]

Values = Mapping[str, "Tensor"]
Knobs = Mapping[str, float]


def _off_diagonal(x: Tensor) -> Tensor:
    """Sum of the squares beside the diagonal, one per seed."""
    return x.square().sum((1, 2)) - x.diagonal(dim1=1, dim2=2).square().sum(1)


def vicreg(outside: Values, inside: Values, knobs: Knobs, step: int) -> Tensor:
    """Variance, invariance, covariance (Bardes, Ponce & LeCun 2022, arXiv:2105.04906)."""
    from torch.nn import functional

    loss = knobs["s"] * (outside["z1"] - outside["z2"]).square().mean((1, 2))
    for z in (outside["z1"], outside["z2"]):
        centred = z - z.mean(1, keepdim=True)
        covariance = centred.mT @ centred / (z.shape[1] - 1)
        deviation = (covariance.diagonal(dim1=1, dim2=2) + knobs["epsilon"]).sqrt()
        loss = loss + knobs["mu"] / 2 * functional.relu(1 - deviation).mean(1)
        loss = loss + knobs["cov"] / z.shape[2] * _off_diagonal(covariance)
    return loss


def barlow_simon(outside: Values, inside: Values, knobs: Knobs, step: int) -> Tensor:
    """‖1 − cov(z₁, z₂)‖²: Barlow Twins without normalisation (Simon et al. 2023, arXiv:2303.15438)."""
    import torch

    one, two = outside["z1"], outside["z2"]
    covariance = one.mT @ (two - two.mean(1, keepdim=True)) / (one.shape[1] - 1)
    return (torch.eye(one.shape[2], dtype=one.dtype, device=one.device) - covariance).square().sum((1, 2))


def spectral(outside: Values, inside: Values, knobs: Knobs, step: int) -> Tensor:
    """−2z₁·z₂ of pairs and (z₁·z₂)² of different images (HaoChen et al. 2021, arXiv:2106.04156)."""
    products = outside["z1"] @ outside["z2"].mT
    number = products.shape[1]
    pairs = products.diagonal(dim1=1, dim2=2)
    return -2 * pairs.mean(1) + _off_diagonal(products) / (number * (number - 1))


def infonce(outside: Values, inside: Values, knobs: Knobs, step: int) -> Tensor:
    """Cross-entropy of finding the other view in the batch, minus log(batch) (van den Oord et al. 2018).

    With dot products and without normalisation (arXiv:1807.03748).
    """
    from math import log

    similarity = outside["z1"] @ outside["z2"].mT / knobs["tau"]
    own = similarity.diagonal(dim1=1, dim2=2)
    return (similarity.logsumexp(2) - own).mean(1) - log(similarity.shape[1])


def lejepa(outside: Values, inside: Values, knobs: Knobs, step: int) -> Tensor:
    """Views close to their mean, slices of each normal (Balestriero & LeCun 2025, arXiv:2511.08544, MINIMAL.md)."""
    import torch

    from dynsim.networks.text_functions import SLICES

    views = torch.stack((outside["z1"], outside["z2"]))  # (views, seeds, batch, dim)
    distance = (views - views.mean(0)).square().mean((0, 2, 3))
    stream = torch.Generator().manual_seed(step)
    directions = torch.randn(views.shape[3], SLICES, generator=stream, dtype=torch.float64)
    slices = views @ (directions / directions.norm(dim=0)).to(views)
    knots = torch.linspace(0, 3, 17, dtype=torch.float64)
    normal = torch.exp(-knots.square() / 2)
    weights = torch.full((17,), 2 * 3 / 16, dtype=torch.float64)
    weights[[0, -1]] = 3 / 16
    angles = slices[..., None] * knots.to(views)
    error = (angles.cos().mean(2) - normal.to(views)).square() + angles.sin().mean(2).square()
    statistic = (error @ (weights * normal).to(views)).mean((0, 2)) * views.shape[2]
    return (1 - knobs["lam"]) * distance + knobs["lam"] * statistic


def dino(outside: Values, inside: Values, knobs: Knobs, step: int) -> Tensor:
    """Cross-entropy to the teacher's centred, sharpened assignments (Caron et al. 2021, arXiv:2104.14294)."""
    target = ((inside["t2"] - inside["centre"]) / knobs["tau_t"]).softmax(2)
    return -(target * (outside["s1"] / knobs["tau_s"]).log_softmax(2)).sum(2).mean(1)
