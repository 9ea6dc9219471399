"""Objectives: what a network minimises, one value per seed.

An objective's ``loss(experiment, predict, first, second, labels)`` gets the features of the two branches, (seeds,
dim, views, batch), in `first` and `second`; `predict(features, targets)` applies the predictor. One that declares
`symbols` is a function of the network's outputs instead, as every typed text is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dynsim.errors import bad, unknown
from dynsim.networks import output_losses
from dynsim.networks.experiment_fields import ExperimentFields
from dynsim.networks.text_functions import GRAM, SLICES_OF_BATCH, SQUARE
from dynsim.networks.text_objective import TextObjective
from dynsim.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "BRANCHES",
    "OBJECTIVES",
    "Objective",
    "cosine_distance",
    "objective_of",
    "squared_distance",
    "two_branches",
]

BRANCHES = ("stop", "full", "target")


def _never(experiment: ExperimentFields) -> bool:
    return False


@dataclass(frozen=True)
class Objective:
    """The contract of an objective.

    Parameters
    ----------
    loss : callable
        ``loss(experiment, predict, first, second, labels)``: one value per seed. With `symbols`:
        ``loss(outside, inside, knobs, step)``, see `dynsim.networks.output_losses`.
    slots : str
        What fills the views: ``pair``, two random ones; ``views``, the experiment's number of them; ``mean``, one
        and the mean view x̄; ``labels``, one, with its label.
    quadratic : callable
        ``quadratic(experiment)``: whether a linear network's loss knows the data by second moments only.
    one_branch : bool
        It never looks at `second`: there is no stop-gradient and no target.
    symbols : set of str
        Outputs of the network that it is a function of, by their names in a text; empty where it gets features.
    knobs : mapping
        Its knobs with their defaults.
    matrices : sequence of str
        Kinds of the matrices it makes, batch × batch or dim × dim, whose size is looked at before training.
    """

    loss: Callable[..., Tensor]
    slots: Literal["pair", "views", "mean", "labels"] = "pair"
    quadratic: Callable[[Any], bool] = _never
    one_branch: bool = False
    symbols: frozenset[str] = frozenset()
    knobs: Mapping[str, float] = field(default_factory=dict)
    matrices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", frozenset(self.symbols))

    @property
    def has_teacher(self) -> bool:
        """Whether there is a target that a teacher can give."""
        return bool(self.symbols & {"t1", "t2"}) if self.symbols else not self.one_branch


def objective_of(name: str, knobs: Mapping[str, Any]) -> Objective:
    """Look up a named objective, or read a text, with its knobs.

    Parameters
    ----------
    name : str
        A bare word is the name of an objective, anything else a text, as `TextObjective` reads it.
    knobs : mapping
        Values of the knobs; a text needs all of its, a named objective has defaults. Text in step, steps and t
        counts as a value.

    Raises
    ------
    ParseError, UnknownName, InvalidValue
        A text that cannot be read, with the position; an unknown objective or knob.

    Examples
    --------
    >>> from dynsim.networks.objectives import objective_of
    >>> objective_of("vicreg", {"mu": 1.0}).knobs["mu"], sorted(objective_of("sq(p1 - sg(z2))/2", {}).symbols)
    (1.0, ['p1', 'z2'])
    """
    if not _BARE_WORD.fullmatch(name):
        text = TextObjective(name, knobs)

        def loss(outside: Any, inside: Any, knobs: Mapping[str, float], step: int) -> Tensor:
            return text.loss(outside, inside, knobs=knobs, step=step)

        alone = not text.stops and not text.symbols & {"t1", "t2"}
        return Objective(loss, one_branch=alone, symbols=text.symbols, knobs=dict(knobs), matrices=text.matrices)
    if name not in OBJECTIVES:
        advice = "anything but a bare word is a loss as text, such as 'sq(p1 - sg(z2))/2'"
        raise unknown("objective", name, tuple(OBJECTIVES), advice)
    named = OBJECTIVES[name]
    if not knobs:
        return named
    for knob in knobs:
        if knob not in named.knobs:
            advice = f"it has {', '.join(named.knobs)}" if named.knobs else "it has none"
            raise bad("knobs", knob, f"a knob of '{name}'", advice)
    return Objective(**{**named.__dict__, "knobs": {**named.knobs, **knobs}})


_BARE_WORD = re.compile(r"\s*[A-Za-z][A-Za-z0-9_-]*\s*")


def two_branches(branch: str, live: Tensor, constant: Tensor) -> tuple[Tensor, Tensor]:
    """Features of the first branch (to the predictor) and of the second (the target).

    `live` carries a gradient, `constant` has the same values and carries none: ``stop`` holds the second
    branch, ``target`` the first; the gradient of ``target`` is that of ``full`` minus that of ``stop``, while
    the predictor's is the same in all three.
    """
    if branch == "stop":
        return live, constant
    return (live, live) if branch == "full" else (constant, live)


def squared_distance(predictions: Tensor, targets: Tensor) -> Tensor:
    """½‖p − t‖², averaged over views and batch; features are (seeds, dim, views, batch)."""
    from torch.nn import functional

    return functional.mse_loss(predictions, targets, reduction="none").sum((1, 2, 3)) * (0.5 * _weight(predictions))


def cosine_distance(predictions: Tensor, targets: Tensor) -> Tensor:
    """−cos(p, t), averaged over views and batch; 0 where a vector is zero."""
    inner = (predictions * targets).sum(1)
    return -(inner * _inverse_norm(predictions) * _inverse_norm(targets)).sum((1, 2)) * _weight(predictions)


def _inverse_norm(x: Tensor) -> Tensor:
    """1/‖x‖ over features; the largest that torch.nn.functional.normalize allows where x is (nearly) zero."""
    return x.square().sum(1).clamp(min=1e-24).rsqrt()


def _weight(x: Tensor) -> float:
    return 1.0 / (x.shape[2] * x.shape[3])


def _distance(experiment: ExperimentFields, predictions: Tensor, targets: Tensor) -> Tensor:
    chosen = squared_distance if experiment.distance == "squared" else cosine_distance
    return chosen(predictions, targets)


def _distance_is_squared(experiment: ExperimentFields) -> bool:
    return experiment.distance == "squared"


def _pairs(first: Tensor, second: Tensor, symmetric: bool) -> tuple[Tensor, Tensor]:
    """View 1 against view 2, and, if symmetric, view 2 against view 1."""
    if symmetric:
        return first[:, :, :2], second[:, :, :2].flip(2)
    return first[:, :, :1], second[:, :, 1:2]


def cosine(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """−cos(h(f(T1 x)), f(T2 x)) (Chen & He 2021, arXiv:2011.10566; Grill et al. 2020, arXiv:2006.07733)."""
    source, target = _pairs(first, second, experiment.symmetric)
    return cosine_distance(predict(source, target), target)


def squared(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """½‖h(f(T1 x)) − f(T2 x)‖²: the toy's loss, on a network."""
    source, target = _pairs(first, second, experiment.symmetric)
    return squared_distance(predict(source, target), target)


def xbar(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Distance of h(F(T x)) from F(x̄), x̄ = E[T x]: the article's open question. The first view is T x, the last x̄."""
    source, target = first[:, :, :1], second[:, :, -1:]
    return _distance(experiment, predict(source, target), target)


def alternating(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Distance of h(F(T x)) from η_x = E_T[F_θ(T x)], which is held for k steps: SimSiam's own reading.

    The targets average `views` − 1 views under the encoder of `alternating_steps` steps ago at most (Chen & He 2021,
    arXiv:2011.10566, section 5).
    """
    source, target = first[:, :, :1], second[:, :, 1:].mean(2, keepdim=True)
    return _distance(experiment, predict(source, target), target)


def nt_xent(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Cross-entropy of finding the other view of an image among all 2·batch − 1 others.

    The loss of SimCLR (Chen et al. 2020, arXiv:2002.05709): negatives, no stop-gradient; the predictor is the
    projection head.
    """
    import torch
    from torch.nn import functional

    z = functional.normalize(predict(first), dim=1).flatten(2)  # views one after another
    similarity = z.mT @ z / float(experiment.temperature)
    own = torch.eye(z.shape[2], dtype=torch.bool, device=z.device)
    similarity = similarity.masked_fill(own, -torch.inf)
    partner = torch.arange(z.shape[2], device=z.device).roll(z.shape[2] // 2)
    positive = similarity.gather(2, partner.expand(len(z), -1).unsqueeze(-1)).squeeze(-1)
    return (similarity.logsumexp(2) - positive).mean(1)


def barlow(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Σ(1 − C_ii)² + redundancy·Σ_{i≠j} C_ij², C the cross-correlation of two views (Zbontar et al. 2021,
    arXiv:2103.03230); the predictor is the projection head.
    """
    import torch

    from dynsim.networks.layers import by_batch

    z = by_batch("barlow", predict(first))
    correlation = z[:, :, 0] @ z[:, :, 1].mT / z.shape[3]
    own = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    weight = experiment.knobs.get("lam", experiment.redundancy)
    terms = torch.where(own, (1 - correlation).square(), weight * correlation.square())
    return terms.sum((1, 2))


def supervised(
    experiment: ExperimentFields, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Mean cross-entropy of the labels, as a yardstick; the predictor is the classifier's head."""
    from torch.nn import functional

    assert labels is not None
    logits = predict(first)[:, :, 0]
    return functional.cross_entropy(logits, labels, reduction="none").mean(1)


PAIR = frozenset({"z1", "z2"})
OBJECTIVES: Registry[Objective] = Registry(
    "objective",
    {
        "cosine": Objective(cosine),
        "squared": Objective(squared, quadratic=lambda _: True),
        "xbar": Objective(xbar, "mean", _distance_is_squared),
        "alternating": Objective(alternating, "views", _distance_is_squared),
        "nt-xent": Objective(nt_xent, one_branch=True, matrices=(GRAM,) * 4),  # of both views together
        # The weight of the redundancy is the field of the experiment where there is no knob.
        "barlow": Objective(barlow, one_branch=True, knobs={"lam": 0.005}, matrices=(SQUARE,)),
        "supervised": Objective(supervised, "labels", one_branch=True),
        "vicreg": Objective(
            output_losses.vicreg,
            one_branch=True,
            symbols=PAIR,
            knobs={"s": 25.0, "mu": 25.0, "cov": 1.0, "epsilon": 1e-4},
            matrices=(SQUARE, SQUARE),
        ),
        "barlow-simon": Objective(output_losses.barlow_simon, one_branch=True, symbols=PAIR, matrices=(SQUARE,)),
        "spectral": Objective(output_losses.spectral, one_branch=True, symbols=PAIR, matrices=(GRAM,)),
        "infonce": Objective(
            output_losses.infonce, one_branch=True, symbols=PAIR, knobs={"tau": 1.0}, matrices=(GRAM,)
        ),
        "lejepa": Objective(
            output_losses.lejepa,
            one_branch=True,
            symbols=PAIR,
            knobs={"lam": 0.02},
            matrices=(SLICES_OF_BATCH, SLICES_OF_BATCH),
        ),
        "dino": Objective(
            output_losses.dino,
            symbols=frozenset({"t2", "s1", "centre"}),
            knobs={"tau_s": 0.1, "tau_t": 0.04},
        ),
    },
)
