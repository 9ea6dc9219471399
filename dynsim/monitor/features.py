"""What is measured of the outputs of a user's own encoder: embeddings, logits or probabilities, one view or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.networks import measures
from dynsim.networks.collapse import judge
from dynsim.networks.measures.arrays import features_of, label_values
from dynsim.networks.measures.embeddings import spectral_measures

__all__ = [
    "OUTPUTS",
    "as_features",
    "checked_labels",
    "decay_thresholds",
    "direction_moments",
    "half_knn",
    "measure_outputs",
]

OUTPUTS = ("embedding", "logits", "probabilities")
_PAIRED_ROWS = 512  # samples of which all pairs are looked at
_SPELLED = str.maketrans({"α": "alpha", "β": "beta", "η": "eta", "τ": "tau"})  # as thresholds print them
_TYPICAL = 0.1  # temperature of the student in DINO and SwAV


def as_features(value: Any, name: str) -> np.ndarray:
    """One matrix (N, d) with at least two samples."""
    z = features_of(value, name)
    if z.ndim != 2 or len(z) < 2:
        advice = "a series of checkpoints is a list of such" if z.ndim > 2 else "one sample says nothing of a spread"
        raise bad(name, f"shape {z.shape}", "a matrix (samples, dimensions) of at least two samples", advice)
    return z


def checked_labels(labels: Any, samples: int) -> np.ndarray:
    """Labels of classes, one per sample; ids, which all differ, are none."""
    values = label_values(labels, samples, "labels")
    numbers = np.unique(values, return_inverse=True)[1].reshape(-1)
    count = int(numbers.max()) + 1
    if count > max(1, samples // 2):
        raise bad("labels", f"{count} different values for {samples} samples", "classes with several samples each",
                  "ids of samples are no classes")  # fmt: skip
    return numbers


def checked_settings(settings: Any) -> dict[str, Any]:
    """Words of training code by name; what they mean is asked of `training_parameters`."""
    if settings is None:
        return {}
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise bad("settings", settings, "a mapping of training words, such as {'lr': 0.1}", kind=InvalidType)
    return {name.translate(_SPELLED): value for name, value in settings.items()}


def half_knn(z: np.ndarray, labels: np.ndarray) -> float:
    """5-nearest-neighbour accuracy of one half of the samples against the other, drawn at random with a fixed seed."""
    order = np.random.default_rng(0).permutation(len(z))
    one, other = order[::2], order[1::2]
    return float(measures.knn(z[one], labels[one], z[other], labels[other], k=min(5, len(one))))


def direction_moments(z: np.ndarray, paired: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """λ_d and λ_s of every principal direction of both views, and the share of noise ν of all together.

    Everything follows from three matrices of products, as `measures.feature_moments` defines it; they are of single
    precision, which four digits do not notice.
    """
    size = float(np.max([np.abs(one).max() for one in (z, paired)])) or 1.0
    if not np.isfinite(size):
        unknown = np.full(z.shape[1], np.nan)
        return unknown, unknown, float("nan")
    one, other = ((each / size - (each / size).mean(0)).astype(np.float32) for each in (z, paired))
    count = len(z) - 1
    own = (one.T @ one + other.T @ other) / np.float32(2 * count)
    vectors = np.linalg.eigh(own)[1]
    crossed = one.T @ other / np.float32(count)
    signal, both = (((each @ vectors) * vectors).sum(0, dtype=np.float64) for each in (crossed, own))
    total = float(np.trace(own))
    share = 1 - float(np.trace(crossed)) / total if total > 0 else float("nan")
    with np.errstate(over="ignore", under="ignore"):
        return signal * size * size, both * size * size, share


def decay_thresholds(signal: np.ndarray, both: np.ndarray) -> np.ndarray:
    """λ_d²/(4λ_s) of each feature, beyond which weight decay kills it; 0 where there is no signal."""
    alive = (both > 0) & (signal > 0) & np.isfinite(both)
    return np.where(alive, signal * (signal / np.where(alive, both, 1.0)) / 4, 0.0)


@np.errstate(over="ignore", invalid="ignore")
def measure_outputs(
    z: np.ndarray,
    paired: np.ndarray | None = None,
    *,
    outputs: str = "embedding",
    temperature: float | None = None,
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """Every measure of one checkpoint.

    Parameters
    ----------
    z, paired : array
        (N, d), two views row by row.
    outputs : str
        Of `OUTPUTS`.
    temperature : float, optional
        Of logits; 1 if it is not known, and then ``mean_entropy_at_0.1`` is measured besides.
    labels : array, optional
        Numbers of classes.

    Returns
    -------
    dict
        Measure → value, named as `dynsim.networks.collapse.judge` reads them; besides ``norm`` (root mean square of
        ‖z‖), ``mean_share`` (‖E z‖²/E‖z‖²), ``agreement`` r of two views of logits.
    """
    if paired is not None and not np.isfinite(paired).all():
        z = np.where(np.isfinite(paired), z, np.nan)  # what is lost in one view is lost
    found: dict[str, Any] = {"norm": _root_mean_square(z)}
    found |= _of_embedding(z, paired) if outputs == "embedding" else _of_assignments(z, paired, outputs, temperature)
    if labels is not None:
        found["knn"] = half_knn(z, labels)
    return {name: float(value) for name, value in found.items()}


def _of_embedding(z: np.ndarray, paired: np.ndarray | None) -> Mapping[str, Any]:
    found: dict[str, Any] = {"spread": measures.spread(z), **spectral_measures(z)}
    found |= {"uniformity": measures.uniformity(z[:_PAIRED_ROWS]), "mean_share": _mean(z)}
    if judge({"spread": found["spread"]}).collapsed is not True:  # else no unit is dead in particular
        found["dead_share"] = measures.dead_share(z)
    if paired is not None:
        signal, both, found["noise_share"] = direction_moments(z, paired)
        best = int(decay_thresholds(signal, both).argmax())  # the last that weight decay kills
        found |= {"lambda_d": signal[best], "lambda_s": both[best]}
        found["view_alignment"] = measures.view_alignment(z, paired)
    return found


def _of_assignments(
    z: np.ndarray, paired: np.ndarray | None, outputs: str, temperature: float | None
) -> Mapping[str, Any]:
    options = {"outputs": outputs, "temperature": 1.0 if temperature is None else temperature}
    found = {name: getattr(measures, name)(z, **options) for name in ("mean_entropy", "entropy_of_mean")}
    if outputs == "logits" and temperature is None:
        found["mean_entropy_at_0.1"] = measures.mean_entropy(z, temperature=_TYPICAL)
    if paired is not None:
        # What all samples share is the constant mode, and no agreement of views.
        one, other = (np.log(np.maximum(x, 1e-300)) if outputs == "probabilities" else x for x in (z, paired))
        centre = (one.mean(0) + other.mean(0)) / 2
        found["agreement"] = measures.agreement(one - centre, other - centre)
    return found


def _root_mean_square(z: np.ndarray) -> float:
    return float(measures.norm_ratio(z, np.eye(1, z.shape[1])))


def _mean(z: np.ndarray) -> float:
    size = np.abs(z).max()
    if not size > 0 or not np.isfinite(size):
        return float("nan")
    scaled = z / size
    return float((scaled.mean(0) ** 2).sum() / (scaled**2).sum(1).mean())
