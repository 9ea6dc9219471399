"""DINO with K clusters and K prototypes, every logit on its own: what the closed facts of one pattern leave out.

One-hot clusters go in, so the logits are a matrix S (cluster × prototype) of free weights; the views of an image fall
into the same cluster with P(i, j) = rδ_ij/K + (1−r)/K². With targets t_j = softmax((T_j − c)/τ_t) of the teacher T,

    S_i′ = [r t_i + (1−r) t̄ − softmax(S_i/τ_s)]/(Kτ_s),   T′ = β(S − T),   c′ = m(T̄ − c),

bars are means over clusters. The uniform state is S = T = 0; `prototype_bifurcations` tells of the state S = b·1.
"""

from __future__ import annotations

import numpy as np

from dynsim.field import Field
from dynsim.methods.prototype_bifurcations import branches

__all__ = ["ALIVE", "FATES", "assignments", "cluster_field", "cold_start", "fate", "warm_start"]

FATES = ("uniform", "alive", "cycling", "one prototype", "undecided")
"""How prototypes end; the position of a fate is its number."""


def cluster_field(
    agreement: float, tau_s: float, tau_t: float, prototypes: int, centre_rate: float, beta: float
) -> Field:
    """The flow of all K² logits of student and teacher, and of the centre.

    Parameters
    ----------
    agreement : float
        r of the two views' clusters.
    tau_s, tau_t : float
        Temperatures of student and teacher.
    prototypes : int
        K, of clusters and of prototypes.
    centre_rate, beta : float
        m and β, per unit of flow time.

    Returns
    -------
    Field
        States `S` and `T` (K, K), cluster by prototype, and `c` (K,).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.prototype_clusters import cluster_field
    >>> field = cluster_field(0.7, 0.1, 0.04, 3, centre_rate=1.0, beta=2.0)
    >>> field.names, bool(np.abs(field.f(0.0, np.zeros(21))).max() < 1e-16)  # the uniform state rests
    (('S', 'T', 'c'), True)
    """
    k, r = prototypes, agreement

    def velocity(_t: float, y: np.ndarray) -> np.ndarray:
        student, teacher = y[: k * k].reshape(k, k, *y.shape[1:]), y[k * k : 2 * k * k].reshape(k, k, *y.shape[1:])
        centre = y[2 * k * k :]
        targets = _softmax((teacher - centre) / tau_t)
        mixed = r * targets + (1 - r) * targets.mean(0)
        rise = (mixed - _softmax(student / tau_s)) / (k * tau_s)
        moves = (rise, beta * (student - teacher))
        flat = [move.reshape(k * k, *y.shape[1:]) for move in moves]
        return np.concatenate([*flat, centre_rate * (teacher.mean(0) - centre)])

    about = {"agreement": r, "tau_s": tau_s, "tau_t": tau_t, "centre_rate": centre_rate, "beta": beta}
    return Field(
        names=("S", "T", "c"),
        function=velocity,
        shapes={"S": (k, k), "T": (k, k), "c": (k,)},
        about={"name": "dino clusters", "prototypes": k, "parameters": about},
    )


def _softmax(x: np.ndarray) -> np.ndarray:
    """Over prototypes, the second axis."""
    grown = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(grown / grown.sum(1, keepdims=True))


def cold_start(prototypes: int, size: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Logits that know nothing of the clusters: normal numbers of standard deviation `size`.

    Examples
    --------
    >>> from dynsim.methods.prototype_clusters import cold_start
    >>> sorted(cold_start(3, 0.01))
    ['S', 'T', 'c']
    """
    logits = size * np.random.default_rng(seed).normal(size=(prototypes, prototypes))
    return {"S": logits, "T": logits.copy(), "c": np.zeros(prototypes)}


def warm_start(agreement: float, tau_s: float, tau_t: float, prototypes: int, size: float) -> dict[str, np.ndarray]:
    """The trained state of a teacher of temperature `tau_t`, moved by normal numbers of standard deviation `size`.

    Examples
    --------
    >>> from dynsim.methods.prototype_clusters import warm_start
    >>> warm_start(0.7, 0.1, 0.07, 10, size=0)["S"].diagonal().round(4).tolist()[:2]
    [0.265, 0.265]
    """
    start, noise = branches(agreement, tau_t, tau_s, prototypes)[1] * np.eye(prototypes), cold_start(prototypes, size)
    return {name: value + start if name != "c" else start.mean(0) for name, value in noise.items()}


def assignments(scores: np.ndarray, tau_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What assignments softmax(scores/τ_s) of samples tell, and what they use.

    Parameters
    ----------
    scores : array
        (…, samples, K).
    tau_s : float

    Returns
    -------
    told : array
        (…): mutual information of sample and prototype over ln K, from 0, none knows its sample, to 1.
    spread : array
        (…): entropy of the mean assignment over ln K; 1: all prototypes are used alike.
    leader : array of int
        (…): the prototype that is used most.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.prototype_clusters import assignments
    >>> [float(x.round(3)) for x in assignments(np.eye(3), 0.1)]
    [0.999, 1.0, 0.0]
    """
    shifted = np.exp((scores - scores.max(-1, keepdims=True)) / tau_s)
    shares = shifted / shifted.sum(-1, keepdims=True)
    mean, most = shares.mean(-2), np.log(shares.shape[-1])
    spread = _entropy(mean)
    return (spread - _entropy(shares).mean(-1)) / most, spread / most, mean.argmax(-1)


def fate(told: np.ndarray, spread: np.ndarray, leader: np.ndarray) -> int:
    """Number, in `FATES`, of what `assignments` (time,) over the last part of a run amount to.

    Alive: they tell more than half a percent all the time. Uniform: less, and all prototypes are used. Cycling: one is
    used more than the others, and which one changes. One prototype: the same is used all the time. Else undecided.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.prototype_clusters import FATES, assignments, fate
    >>> one = np.zeros((4, 9, 3))
    >>> one[..., 0] = 1.0
    >>> runs = np.zeros((4, 3, 3)), np.stack([np.eye(3)] * 4), one
    >>> [FATES[fate(*assignments(run, 0.1))] for run in runs]
    ['uniform', 'alive', 'one prototype']
    """
    if told.min() > ALIVE:
        return FATES.index("alive")
    if told.max() <= ALIVE and spread.min() > UNIFORM:
        return FATES.index("uniform")
    if (leader != leader[0]).any() and spread.min() <= UNIFORM:
        return FATES.index("cycling")
    return FATES.index("one prototype" if told.max() <= ALIVE and spread.max() < ONE else "undecided")


# Of ln K. Networks that have settled tell either less than 0.001 or more than 0.01.
ALIVE, UNIFORM, ONE = 0.005, 0.98, 0.25


def _entropy(p: np.ndarray) -> np.ndarray:
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(-1))
