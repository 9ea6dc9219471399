"""The gradient flow of a network, as a Field that the same integrators take as the toy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.networks.datasets import load_images
from dynsim.networks.experiment import Experiment
from dynsim.networks.network import Batch, Network, Weights, named_parameters, teacher_name
from dynsim.networks.schedules import centre_rate, learning_rate, scheduled, teacher_rate
from dynsim.networks.seeds import seed_list
from dynsim.networks.torch_settings import device_of
from dynsim.networks.views import Source, full_batch, knows_moments_only

__all__ = ["flow", "initial_state"]

_LARGEST_BATCH = 10_000_000  # pixels, of all members that are evaluated at once
_LARGEST_JACOBIAN = 1000  # parameters: it takes one backward pass for each


def flow(experiment: Experiment, *, device: str | torch.device = "cpu") -> Field:
    """Full-batch gradient flow of a network, in float64.

    Expectations over augmentations are exact for a bias-free linear network under a quadratic loss with Gaussian
    noise (or none); otherwise they are averages over `fixed_views` pairs of views of every training image, always
    the same ones. Predictor and encoder have weight decay; batch and schedule play no role. A teacher's coefficient m
    becomes the rate β = −ln(m)/lr, with momentum of sgd −ln(m)(1 − momentum)/lr, as on the time axis of `train`, and
    the centre's momentum the rate of a running centre likewise; nothing else depends on the optimiser.
    The alternating objective flows with targets that follow at once (`alternating_steps` plays no role).

    Linear networks and ``mlp-tanh`` with a linear predictor have smooth fields, which tight tolerances suit. With ReLU
    the field jumps a little wherever a hidden unit switches for some view: integrate it with
    ``solve(…, method="RK23", rtol=1e-4, atol=1e-6)``; with the default tolerance an integrator would stop at every
    switch.

    Parameters
    ----------
    experiment : Experiment
    device : str or torch.device
        Where the network is evaluated; the Field takes and returns NumPy arrays.

    Returns
    -------
    Field
        States are the parameters: of a linear network ``P`` (k × k), ``W`` (k × d) and, with a teacher, ``V``; of a
        loss with a running centre also ``centre`` (outputs); deeper ones ``P1``, ``P1_bias``, ``W1``, ``W1_scale``, …
        The Jacobian is that of the resolved field; there is none for the optimal predictor, nor for more than 1000
        parameters. Observables: `loss`.

    Raises
    ------
    InvalidType, InvalidValue
        For anything that is no experiment, or data that do not fit.

    See Also
    --------
    initial_state : where it starts.
    dynsim.matrix_flow : of a linear network, in closed form.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import Experiment, flow, initial_state
    >>> experiment = Experiment(
    ...     data=np.random.default_rng(0).normal(size=(50, 3)), augmentation={"noise": 0.5},
    ...     encoder="linear", predictor="linear", objective="squared", dim=2,
    ... )
    >>> field = flow(experiment)
    >>> field.names, field.shape("W"), field.size
    (('P', 'W'), (2, 3), 10)
    >>> sorted(initial_state(experiment, seed=3))
    ['P', 'W']
    """
    return _NetworkFlow(_checked(experiment), device_of(device)).field()


def initial_state(experiment: Experiment, seed: int = 0) -> dict[str, np.ndarray]:
    """Initial parameters of one seed, the same from which `train` starts, named as in `flow`.

    Parameters
    ----------
    experiment : Experiment
    seed : int

    Returns
    -------
    dict
        ``{name: float64 array}``, an initial value for `dynsim.solve`.

    Raises
    ------
    InvalidType, InvalidValue
        For anything that is no experiment, or no seed.

    See Also
    --------
    flow : what starts there.

    Examples
    --------
    >>> from dynsim.networks import Experiment, initial_state
    >>> float(initial_state(Experiment(encoder="linear", predictor="linear", init="identity"))["W"].sum())
    32.0
    """
    experiment = _checked(experiment)
    images = load_images(experiment)
    network = Network(experiment, images.shape, images.classes)
    weights = network.initial(seed_list([seed]))
    parts = named_parameters(network, weights)
    if weights.centre is not None:
        parts["centre"] = weights.centre
    return {name: value[0].numpy() for name, value in parts.items()}


def _checked(experiment: Experiment) -> Experiment:
    if not isinstance(experiment, Experiment):
        raise bad("experiment", experiment, "a dynsim.networks.Experiment", kind=InvalidType)
    texts = {name: value for name, value in experiment.knobs.items() if isinstance(value, str)}
    if texts:
        raise bad("knobs", texts, "numbers: the field of a flow is the same at all times")
    for name in scheduled(experiment):
        if name != "lr":
            advice = f"say at which step: experiment.but({name}=…)"
            expected = "a number: the field of a flow is the same at all times"
            raise bad(name, getattr(experiment, name), expected, advice)
    if isinstance(experiment.lr, str):
        experiment = experiment.but(lr=learning_rate(experiment, 0) or learning_rate(experiment, 1))
    return experiment.but(dtype="float64")


class _NetworkFlow:
    """Right-hand side and Jacobian over rows (members, size): predictor, encoder, teacher."""

    def __init__(self, experiment: Experiment, device: torch.device) -> None:
        self.experiment, self.device = experiment, device
        images = load_images(experiment)
        self.network = Network(experiment, images.shape, images.classes)
        source = Source(experiment, images, device)
        self.batch = full_batch(experiment, self.network, source)
        self.exact = knows_moments_only(experiment, self.network, source)
        self.beta = teacher_rate(experiment)
        encoder = self.network.encoder_layout.size
        self.sizes = [self.network.predictor_layout.size, encoder, *([] if self.beta is None else [encoder])]
        self.outputs = 0
        if "centre" in self.network.objective.symbols:
            self.outputs = self.network.prototypes or self.network.encoder.features
            self.sizes.append(self.outputs)

    def field(self) -> Field:
        """The Field, which speaks NumPy with members along trailing axes."""
        e, predictor, encoder = self.experiment, self.network.predictor.shapes, self.network.encoder.shapes
        teacher = {} if self.beta is None else {teacher_name(name): shape for name, shape in encoder.items()}
        shapes = {**predictor, **encoder, **teacher, **({"centre": (self.outputs,)} if self.outputs else {})}
        blocks = {"predictor": tuple(predictor), "encoder": tuple(encoder), "teacher": tuple(teacher)}
        differentiable = e.predictor != "optimal" and sum(self.sizes) <= _LARGEST_JACOBIAN
        parameters = {"alpha": e.alpha, "eta_p": e.eta_p, "eta_s": e.eta_s}
        return Field(
            names=tuple(shapes),
            function=lambda t, y: self._apply(self._velocity, y),
            jacobian_function=(lambda t, y: self._apply(self._jacobian, y)) if differentiable else None,
            shapes=shapes,
            roles={role: names for role, names in blocks.items() if names},
            observables={"loss": lambda y: self._apply(self._loss, y)},
            about={
                "name": "network",
                "branch": e.branch,
                "expectation": "exact" if self.exact else f"{e.fixed_views} fixed pairs of views per image",
                "experiment": e.to_dict(),
                "parameters": parameters | ({} if self.beta is None else {"beta": self.beta}),
            },
        )

    def _apply(self, function: Callable[[Tensor], Tensor], y: Any) -> np.ndarray:
        """Apply a function of rows (members, size) to an array (size, …), few members at a time to save memory."""
        y = np.asarray(y, dtype=np.float64)
        rows = torch.tensor(y.reshape(len(y), -1).T, device=self.device)
        at_once = max(1, _LARGEST_BATCH // self.batch.views.numel())
        values = torch.cat([function(part).detach().cpu() for part in rows.split(at_once)])
        result = np.moveaxis(values.numpy(), 0, -1)
        return result.reshape((*result.shape[:-1], *y.shape[1:]))

    def _weights(self, rows: Tensor) -> Weights:
        parts = list(rows.split(self.sizes, dim=1))
        centre = parts.pop() if self.outputs else None
        teacher = parts[2] if len(parts) > 2 else None
        return Weights(parts[0], parts[1], teacher, centre)

    def _batch(self, members: int) -> Batch:
        labels = self.batch.labels
        return Batch(
            self.batch.views.expand(members, *self.batch.views.shape[1:]),
            None if labels is None else labels.expand(members, -1),
        )

    def _loss(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return self.network.loss(self._weights(rows), self._batch(len(rows)))

    def _velocity(self, rows: Tensor) -> Tensor:
        weights = self._weights(rows)
        leaves = [weights.predictor.clone().requires_grad_(), weights.encoder.clone().requires_grad_()]
        live = Weights(leaves[0], leaves[1], weights.teacher, weights.centre)
        values = self.network.loss(live, self._batch(len(rows)))
        return self._drift(weights, *self._gradients(values, leaves))

    def _jacobian(self, rows: Tensor) -> Tensor:
        """Derivative of the *resolved* field: what is held in the loss is a function of the state here."""
        root = rows.requires_grad_()
        weights = self._weights(root)
        live = [weights.predictor.clone(), weights.encoder.clone()]
        values = self.network.loss(
            Weights(live[0], live[1], weights.teacher, weights.centre),
            self._batch(len(rows)),
            held=weights.encoder,
            held_predictor=weights.predictor,
        )
        velocity = self._drift(weights, *self._gradients(values, live, create_graph=True))
        lines = [
            torch.autograd.grad(column.sum(), root, retain_graph=True, materialize_grads=True)[0]
            for column in velocity.unbind(1)
        ]
        return torch.stack(lines, dim=1)

    @staticmethod
    def _gradients(values: Tensor, leaves: list[Tensor], *, create_graph: bool = False) -> tuple[Tensor, ...]:
        return torch.autograd.grad(values.sum(), leaves, create_graph=create_graph, materialize_grads=True)

    def _drift(self, weights: Weights, predictor: Tensor, encoder: Tensor) -> Tensor:
        decay = self.network.decay(weights)
        moves = [
            -float(self.experiment.alpha) * predictor - decay[0]
            if self.network.predictor.trained
            else 0 * weights.predictor,
            -encoder - decay[1],
        ]
        if self.beta is not None and weights.teacher is not None:
            moves.append(self.beta * (weights.encoder - weights.teacher))
        if weights.centre is not None:
            mean = self.network.teacher_mean(weights, self._batch(len(predictor)))
            moves.append(centre_rate(self.experiment) * (mean - weights.centre))
        return torch.cat(moves, dim=1)
