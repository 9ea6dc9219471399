"""What training records: one function per measure, from a moment of a run to its variables.

Features of test images are those of one augmented view of each. A measure that makes no sense for a network (its
predictor not linear) records nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.networks.measures import classifiers, embeddings, linear_layers, motion, view_pairs
from dynsim.networks.schedules import scheduled

if TYPE_CHECKING:
    from dynsim.networks.snapshot import Snapshot

__all__ = ["Measure", "own_measure"]

Values = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """The contract of a measure that `dynsim.networks.train` records.

    Parameters
    ----------
    record : callable
        ``record(snapshot)``: ``{variable: tensor or array (seeds,)}``.
    finish : callable, optional
        ``finish(recorded, time)``: all variables of the run, (seeds, records), with some replaced, at its end.
    labels : bool
        Whether it needs labels.
    of_features : bool
        Whether it looks at features only, and can be asked behind the head as well.
    """

    record: Callable[[Snapshot], Values]
    finish: Callable[[Values, Any], Values] | None = None
    labels: bool = False
    of_features: bool = False


def own_measure(function: Callable[[Any], Any]) -> Measure:
    """Record the user's own function of the features (N, dim) of one seed."""
    name = function.__name__

    def record(snapshot: Snapshot) -> Values:
        values = [function(z) for z in snapshot.test_features.double().cpu().numpy()]
        try:
            return {name: np.array([float(value) for value in values])}
        except (TypeError, ValueError):
            raise bad(f"measure {name}", values[0], "a function that returns one number", kind=InvalidType) from None

    return Measure(record, of_features=True)


def _of_test_features(name: str, function: Callable[[Any], Any]) -> Measure:
    """Record a function of the features of augmented test images."""
    return Measure(lambda snapshot: {name: function(snapshot.test_features)}, of_features=True)


def _norm_ratio(snapshot: Snapshot) -> Values:
    return {"norm_ratio": embeddings.norm_ratio(snapshot.test_features, snapshot.initial.test_features)}


def _knn(snapshot: Snapshot) -> Values:
    """KNN accuracy on augmented test images against clean training images."""
    return {"knn": classifiers.knn(*_labelled(snapshot))}


def _probe(snapshot: Snapshot) -> Values:
    """Accuracy of a linear probe, fitted on clean training images, on augmented test images."""
    return {"probe": classifiers.probe(*_labelled(snapshot))}


def _labelled(snapshot: Snapshot) -> tuple[Any, Any, Any, Any]:
    assert snapshot.labels is not None, "training refuses these measures where there are no labels"
    return snapshot.clean_features, snapshot.labels[0], snapshot.test_features, snapshot.labels[1]


def _noise_share(snapshot: Snapshot) -> Values:
    """Share of the variance of the features that the augmentation makes, over all features together."""
    signal, both = view_pairs.feature_moments(*snapshot.pair_features)
    return {"noise_share": 1 - signal.sum(-1) / both.sum(-1)}


def _lidar(snapshot: Snapshot) -> Values:
    return {"lidar": view_pairs.lidar(*snapshot.pair_features)}


def _view_alignment(snapshot: Snapshot) -> Values:
    return {"view_alignment": view_pairs.view_alignment(*snapshot.pair_features)}


def _teacher_distance(snapshot: Snapshot) -> Values:
    """Distance of the teacher from its student and from its own start, relative to the norm of these."""
    teacher, start = snapshot.weights.teacher, snapshot.initial.weights.teacher
    if teacher is None or start is None:
        return {}
    pairs = {"teacher_distance": (teacher, snapshot.weights.encoder), "teacher_moved": (teacher, start)}
    return {
        name: motion.speed_ratio(motion.absolute_speed(one - other), motion.absolute_speed(other))
        for name, (one, other) in pairs.items()
    }


def _absolute_speed_ratio(snapshot: Snapshot) -> Values:
    """Absolute speed of the predictor over that of the encoder."""
    speed = snapshot.velocity
    return {
        "absolute_speed_ratio": motion.speed_ratio(
            motion.absolute_speed(speed.predictor), motion.absolute_speed(speed.encoder)
        )
    }


def _relative_speed_ratio(snapshot: Snapshot) -> Values:
    """Relative speed of the predictor over that of the encoder."""
    weights, speed = snapshot.weights, snapshot.velocity
    return {
        "relative_speed_ratio": motion.speed_ratio(
            motion.relative_speed(speed.predictor, weights.predictor),
            motion.relative_speed(speed.encoder, weights.encoder),
        )
    }


def _velocities(snapshot: Snapshot) -> Values:
    """Speeds of predictor and encoder themselves, absolute and relative, per unit of flow time."""
    values: Values = {}
    for block in ("predictor", "encoder"):
        velocity, weights = getattr(snapshot.velocity, block), getattr(snapshot.weights, block)
        values[f"absolute_speed_{block}"] = motion.absolute_speed(velocity)
        values[f"relative_speed_{block}"] = motion.relative_speed(velocity, weights)
    return values


def _loss_share(snapshot: Snapshot) -> Values:
    """Split of dl/dt, along the flow, into the part of the predictor and the part of the encoder, no teacher's."""
    velocity, network = snapshot.velocity, snapshot.network
    _, slope = snapshot.gradient_of(lambda weights: network.loss(weights, snapshot.pair, branch="full"))
    return {
        "loss_share_predictor": motion.loss_share(slope.predictor, velocity.predictor),
        "loss_share_encoder": motion.loss_share(slope.encoder, velocity.encoder),
    }


def _kept_weights(snapshot: Snapshot) -> Values:
    """Keep the weights of every recorded step until the end: for networks that are small."""
    return {"kept_predictor": snapshot.weights.predictor, "kept_encoder": snapshot.weights.encoder}


def _half_lives(recorded: Values, time: Any) -> Values:
    """Half-life and 90 % time of each block's displacement over the run, and their ratios predictor over encoder."""
    kept = {block: recorded.pop(f"kept_{block}") for block in ("predictor", "encoder")}
    if len(time) < 2:
        return recorded
    for name, share in (("half_life", 0.5), ("time90", 0.9)):
        for block, weights in kept.items():
            recorded[f"{name}_{block}"] = motion.done_after(time, weights, share)
        recorded[f"{name}_ratio"] = motion.speed_ratio(recorded[f"{name}_predictor"], recorded[f"{name}_encoder"])
    return recorded


def _alignment(snapshot: Snapshot) -> Values:
    """Mean over modes of cos(u_j, P u_j), for a linear predictor; the modes are those of E[zzᵀ] of training views."""
    predictor = snapshot.square_predictor
    return {} if predictor is None else {"alignment": linear_layers.alignment(snapshot.moment, predictor).mean(-1)}


def _commutator(snapshot: Snapshot) -> Values:
    """Commutator of a linear predictor with E[zzᵀ] of training views."""
    predictor = snapshot.square_predictor
    return {} if predictor is None else {"commutator": linear_layers.commutator(snapshot.moment, predictor)}


def _asymmetry(snapshot: Snapshot) -> Values:
    """Asymmetry of a linear predictor."""
    predictor = snapshot.square_predictor
    return {} if predictor is None else {"asymmetry": linear_layers.asymmetry(predictor)}


def _predictor_gap(snapshot: Snapshot) -> Values:
    """How far a linear predictor is from the optimal one for its training views."""
    predictor = snapshot.linear_predictor
    if predictor is None or snapshot.targets is None:
        return {}
    best = linear_layers.optimal_predictor(*snapshot.targets, ridge=snapshot.network.experiment.ridge)
    return {"predictor_gap": linear_layers.predictor_gap(predictor, best)}


def _balance(snapshot: Snapshot) -> Values:
    """The balance law of a linear predictor and the bias-free layer before it, monitored live.

    `balance` is the defect ‖WWᵀ − PᵀP/α‖/‖WWᵀ‖. `balance_drift` is what the law says is zero: the change of the
    matrix since the start, relative to its start; with equal weight decays η the start decays as e^{−2ηt}.
    """
    e = snapshot.network.experiment
    now, start = _layers(snapshot), _layers(snapshot.initial)
    if now is None or start is None:
        return {}
    values: Values = {"balance": linear_layers.balance(*now, e.alpha)}
    if e.eta_p == e.eta_s and not {"alpha", "eta_p", "eta_s"} & set(scheduled(snapshot.network.plan)):
        first = linear_layers.balance_matrix(*start, e.alpha)
        change = linear_layers.balance_matrix(*now, e.alpha) - exp(-2 * e.eta_s * snapshot.time) * first
        sizes = [motion.absolute_speed(matrix.reshape(len(matrix), -1)) for matrix in (change, first)]
        values["balance_drift"] = motion.speed_ratio(*sizes)
    return values


def _layers(snapshot: Snapshot) -> tuple[Any, Any] | None:
    network, predictor = snapshot.network, snapshot.linear_predictor
    if predictor is None or network.encoder.adjacent is None or not network.predictor.trained:
        return None
    return network.encoder_layout.split(snapshot.weights.encoder)[network.encoder.adjacent], predictor


spread = _of_test_features("spread", embeddings.spread)
rankme = _of_test_features("rankme", embeddings.rankme)
participation = _of_test_features("participation", embeddings.participation)
alpha_req = _of_test_features("alpha_req", embeddings.alpha_req)
uniformity = _of_test_features("uniformity", embeddings.uniformity)
norm_ratio = Measure(_norm_ratio, of_features=True)
knn = Measure(_knn, labels=True, of_features=True)
probe = Measure(_probe, labels=True, of_features=True)
noise_share = Measure(_noise_share, of_features=True)
lidar = Measure(_lidar, of_features=True)
view_alignment = Measure(_view_alignment, of_features=True)
teacher_distance = Measure(_teacher_distance)
absolute_speed_ratio = Measure(_absolute_speed_ratio)
relative_speed_ratio = Measure(_relative_speed_ratio)
velocities = Measure(_velocities)
loss_share = Measure(_loss_share)
half_life = Measure(_kept_weights, _half_lives)
alignment = Measure(_alignment)
commutator = Measure(_commutator)
asymmetry = Measure(_asymmetry)
predictor_gap = Measure(_predictor_gap)
balance = Measure(_balance)
