"""What is measured of the outputs of a user's own encoder: embeddings, logits or probabilities, one view or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.networks import measures
from dynsim.networks.collapse import judge
from dynsim.networks.measures.arrays import features_of, label_values

__all__ = ["OUTPUTS", "as_features", "checked_labels", "half_knn", "leading_moments", "measure_outputs"]

OUTPUTS = ("embedding", "logits", "probabilities")
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


def half_knn(z: np.ndarray, labels: np.ndarray) -> float:
    """5-nearest-neighbour accuracy of one half of the samples against the other, drawn at random with a fixed seed."""
    order = np.random.default_rng(0).permutation(len(z))
    one, other = order[::2], order[1::2]
    return float(measures.knn(z[one], labels[one], z[other], labels[other], k=min(5, len(one))))


def leading_moments(z: np.ndarray, paired: np.ndarray) -> dict[str, float]:
    """λ_d and λ_s of the principal direction with the largest λ_d²/λ_s: the last that weight decay kills."""
    joint = np.concatenate((z, paired))
    if not np.isfinite(joint).all():
        return {"lambda_d": float("nan"), "lambda_s": float("nan")}
    size = float(np.abs(joint).max()) or 1.0
    centred = (joint - joint.mean(0)) / size
    vectors = np.linalg.eigh(centred.T @ centred)[1]
    signal, both = measures.feature_moments(z / size @ vectors, paired / size @ vectors)
    with np.errstate(divide="ignore", invalid="ignore"):
        threshold = np.where((both > 0) & (signal > 0), signal**2 / both, -np.inf)
    best = int(threshold.argmax())
    return {"lambda_d": float(signal[best]) * size**2, "lambda_s": float(both[best]) * size**2}


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
    found: dict[str, Any] = {"norm": _root_mean_square(z)}
    found |= _of_embedding(z, paired) if outputs == "embedding" else _of_assignments(z, paired, outputs, temperature)
    if labels is not None:
        found["knn"] = half_knn(z, labels)
    return {name: float(value) for name, value in found.items()}


def _of_embedding(z: np.ndarray, paired: np.ndarray | None) -> Mapping[str, Any]:
    some = z[:512]  # its cost is that of all pairs
    found: dict[str, Any] = {name: getattr(measures, name)(z) for name in ("spread", "rankme", "participation")}
    found |= {"alpha_req": measures.alpha_req(z), "uniformity": measures.uniformity(some), "mean_share": _mean(z)}
    if judge({"spread": found["spread"]}).collapsed is not True:  # else no unit is dead in particular
        found["dead_share"] = measures.dead_share(z)
    if paired is not None:
        signal, both = measures.feature_moments(z, paired)
        with np.errstate(divide="ignore", invalid="ignore"):
            found["noise_share"] = 1 - np.sum(signal) / np.sum(both)
        found |= {"view_alignment": measures.view_alignment(z, paired), **leading_moments(z, paired)}
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
