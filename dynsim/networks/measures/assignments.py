"""Assignments to prototypes, as DINO and SwAV make them: are all prototypes used, and does each sample choose?"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.arguments import a_number, a_word
from dynsim.errors import bad
from dynsim.networks.measures.arrays import features_of, like, paired_of

__all__ = ["agreement", "entropy_of_mean", "mean_entropy"]


def mean_entropy(assignments: Any, *, outputs: str = "logits", temperature: float = 1.0) -> Any:
    """Mean over samples of the entropy of their assignments, in nats: 0 if each chooses, ln K if none does.

    Together with `entropy_of_mean` it tells the two collapses of DINO apart (Caron et al. 2021, arXiv:2104.14294,
    section 5.3): uniform, both ln K; one prototype, both 0. A cross-entropy that stays at ln K (8.3178 for 4096
    prototypes) is the first.

    Parameters
    ----------
    assignments : array-like or tensor
        (…, N, K).
    outputs : str
        ``logits``, or ``probabilities``, whose rows sum to 1.
    temperature : float
        By which logits are divided.

    Returns
    -------
    float, array or tensor
        (…); NaN where an assignment is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no assignments.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> float(measures.mean_entropy(np.zeros((5, 8))).round(6)), float(np.log(8).round(6))
    (2.079442, 2.079442)
    """
    return like(_entropy(_probabilities(assignments, outputs, temperature)).mean(-1), assignments)


def entropy_of_mean(assignments: Any, *, outputs: str = "logits", temperature: float = 1.0) -> Any:
    """Entropy of the mean assignment, in nats: ln K if all prototypes are used alike, 0 if it is always the same.

    Parameters
    ----------
    assignments, outputs, temperature
        As for `mean_entropy`.

    Returns
    -------
    float, array or tensor
        (…), at least `mean_entropy`.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no assignments.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> float(measures.entropy_of_mean(np.eye(8), outputs="probabilities").round(6))
    2.079442
    """
    return like(_entropy(_probabilities(assignments, outputs, temperature).mean(-2)), assignments)


def agreement(assignments: Any, paired: Any) -> Any:
    """How often two views choose the same prototype beyond chance, r: 1 always, 0 as often as by chance.

    Cohen's κ of the largest entries (Cohen 1960). Where prototypes are used alike, views share one with the
    probability r + (1 − r)/K, and this is the r that decides whether DINO and SwAV stay uniform: with an instant
    teacher the uniform state is left iff τ_t < r·τ_s.

    Parameters
    ----------
    assignments, paired : array-like or tensor
        (…, N, K), logits or probabilities of two views of the same samples.

    Returns
    -------
    float, array or tensor
        (…); NaN where all samples of both views choose one and the same, or an assignment is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> float(measures.agreement(np.eye(4), np.eye(4))), float(measures.agreement(np.eye(2), np.eye(2)[::-1]))
    (1.0, -1.0)
    """
    one, other = paired_of(assignments, paired)
    finite = np.isfinite(one).all((-2, -1)) & np.isfinite(other).all((-2, -1))
    first, second = one.argmax(-1), other.argmax(-1)
    kinds = np.arange(one.shape[-1])
    shares = [(chosen[..., None] == kinds).mean(-2) for chosen in (first, second)]
    chance = (shares[0] * shares[1]).sum(-1)
    same = (first == second).mean(-1)
    certain = chance >= 1
    kappa = (same - chance) / np.where(certain, 1.0, 1 - chance)
    return like(np.where(finite & ~certain, kappa, np.nan), assignments, paired)


def _probabilities(assignments: Any, outputs: str, temperature: float) -> np.ndarray:
    values = features_of(assignments, "assignments")
    outputs = a_word("outputs", outputs, ("logits", "probabilities"), "'logits' or 'probabilities'")
    if outputs == "probabilities":
        with np.errstate(invalid="ignore"):
            wrong = (values < 0) | (np.abs(values.sum(-1, keepdims=True) - 1) > 0.02)
        if (wrong & np.isfinite(values)).any():
            expected = "rows of numbers ≥ 0 that sum to 1"
            raise bad("assignments", "rows that are no probabilities", expected, "or outputs='logits'")
        return np.asarray(values / values.sum(-1, keepdims=True))
    temperature = a_number("temperature", temperature, above=0)
    with np.errstate(invalid="ignore"):
        values = np.where(np.isfinite(values), values, np.nan)
        shifted = np.exp((values - values.max(-1, keepdims=True)) / temperature)
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def _entropy(p: np.ndarray) -> np.ndarray:
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(-1))
