"""The features that the networks of the table learn, and the data that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

NOISE = 0.3  # standard deviation of the noise that makes the views; pixels lie in [0, 1]
DIRECTIONS = (0, 1, 3, 5, 8, 12, 16, 20)  # principal directions of the digits: reliabilities from .9 to .3


@dataclass(frozen=True, eq=False)
class Features:
    """Directions in which the moments of the views are diagonal, largest first.

    Attributes
    ----------
    lambda_d, lambda_s : array
        (feature,): covariance of the two views, variance of one.
    directions : array
        (input, feature).
    follows : float
        By how much λ_s changes with λ_d where the noise stays: 1, on a chain 0.
    transitions : sequence of pairs of int, optional
        Of a chain: states before and after, each pair as often as it is likely.
    """

    lambda_d: np.ndarray
    lambda_s: np.ndarray
    directions: np.ndarray
    follows: float = 1.0
    transitions: tuple[tuple[int, int], ...] | None = None


@cache
def features_of(data: str) -> Features:
    """Return the features of the training images of "digits" or "gaussian" data, or of a "chain"."""
    if data == "chain":
        transitions = walk(len(DIRECTIONS))
        count = np.zeros((len(DIRECTIONS), len(DIRECTIONS)))
        np.add.at(count, tuple(zip(*transitions, strict=True)), 1)
        values, vectors = np.linalg.eigh(count / len(transitions))
        share = np.full(len(values), 1 / len(values))
        return Features(values[::-1], share, vectors[:, ::-1], 0.0, transitions)
    from dynsim.networks import Experiment
    from dynsim.networks.datasets import load_images

    x = load_images(Experiment(data=data_of(data))).train.reshape(-1, len(DIRECTIONS)).astype(float)
    x = x - x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return Features(values[::-1], values[::-1] + NOISE**2, vectors[:, ::-1])


def walk(states: int) -> tuple[tuple[int, int], ...]:
    """All equally likely steps of a lazy walk on a path: its stationary distribution is uniform.

    Its eigenvalues are (1 + cos(πk/states))/2.
    """
    tries = ((one, other) for one in range(states) for other in (one - 1, one, one, one + 1))
    return tuple((one, min(max(other, 0), states - 1)) for one, other in tries)


def data_of(data: str) -> np.ndarray:
    """Coordinates of the digits along some principal directions, Gaussian numbers like them, or one-hot states."""
    if data == "chain":
        return np.tile(np.eye(len(DIRECTIONS)), (10, 1))
    from dynsim.networks import Experiment
    from dynsim.networks.datasets import load_images

    x = load_images(Experiment()).train.reshape(-1, 64).astype(float)
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = [len(values) - 1 - index for index in DIRECTIONS]
    if data == "digits":
        return x @ vectors[:, kept]
    drawn: np.ndarray = np.random.default_rng(0).normal(size=(len(x), len(kept))) * np.sqrt(values[kept])
    return drawn
