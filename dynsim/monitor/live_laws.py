"""What is read from the modules of a running training: laws of linear layers, speeds, the teacher; a fixed batch."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import exp
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dynsim.errors import InvalidType, bad
from dynsim.networks import measures

__all__ = ["Laws", "encode_fixed", "unwrapped"]


def unwrapped(module: Any, name: str) -> nn.Module:
    """The module inside DataParallel-like wrappers and `torch.compile`."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and type(module).__name__.endswith("DataParallel"):
            inner = module.module
        if inner is None:
            break
        module = inner
    if not isinstance(module, nn.Module):
        raise bad(name, module, "an nn.Module", kind=InvalidType)
    return module


def encode_fixed(encoder: nn.Module, batches: Sequence[Any]) -> list[np.ndarray]:
    """Outputs for fixed batches in evaluation mode; every state is put back as it was.

    That is: training flags (set directly, so that a module's own `train` is not called), buffers, and the states of
    the random numbers of torch, NumPy and Python. No gradient is kept, and autocast is off.
    """
    encoder = unwrapped(encoder, "encoder")
    modes = [(module, module.training) for module in encoder.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in encoder.buffers()]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (the user's modules may draw from it)
    like = next(encoder.parameters(), torch.zeros(()))
    devices = [like.device] if like.device.type == "cuda" else []
    try:
        for module, _ in modes:
            module.training = False
        with (
            torch.random.fork_rng(devices=devices),
            torch.no_grad(),
            torch.autocast(like.device.type, enabled=False),
        ):
            outputs = [encoder(_as_input(batch, like)) for batch in batches]
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, before in buffers:
            if not torch.equal(buffer, before):
                buffer.copy_(before)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    for out in outputs:
        if not isinstance(out, Tensor) or out.ndim < 2:
            raise bad("encoder", type(out).__name__, "a module that returns one row per input of the probe")
    return [out.flatten(1).double().cpu().numpy() for out in outputs]


def _as_input(batch: Any, like: Tensor) -> Tensor:
    tensor = torch.as_tensor(batch)
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else None)


class Laws:
    """Measures that compare modules with their state at the first and at the last record.

    Parameters
    ----------
    flow : mapping
        What `training_parameters` makes of the settings: alpha, eta_p, eta_s, step, exact.
    timed : bool
        Whether the learning rate is known, so that a step is a flow time.
    fresh : bool
        Whether the run begins with the first record; laws that need the start are silent otherwise.
    """

    def __init__(self, flow: Mapping[str, Any], *, timed: bool, fresh: bool) -> None:
        self.flow, self.timed, self.fresh = flow, timed, fresh
        self._first_step = 0
        self._balances: dict[str, np.ndarray] = {}
        self._last: dict[str, list[Tensor]] = {}
        self._teacher: list[Tensor] | None = None

    def record(
        self, step: int, encoder: Any, predictor: Any, teacher: Any, pair: Callable[[], Any]
    ) -> dict[str, float]:
        """Everything that these modules and the pair (features, targets) allow; the pair is asked for where needed."""
        modules = {
            name: unwrapped(module, name)
            for name, module in (("encoder", encoder), ("predictor", predictor), ("teacher", teacher))
            if module is not None
        }
        found: dict[str, float] = {}
        with torch.no_grad():
            if "encoder" in modules:
                found |= self._balance(step, modules["encoder"], modules.get("predictor"))
            if {"encoder", "predictor"} <= modules.keys():
                found |= self._speeds(modules["encoder"], modules["predictor"])
                found |= self._loss_shares(modules["encoder"], modules["predictor"])
            if "predictor" in modules:
                found |= _gap(modules["predictor"], pair)
            if "teacher" in modules:
                found |= self._distances(modules["teacher"], modules.get("encoder"))
        return found

    def _balance(self, step: int, encoder: nn.Module, predictor: nn.Module | None) -> dict[str, float]:
        """WWᵀ − PᵀP/α of every pair of adjacent bias-free linear layers, and its departure from C·e^(−2ηt)."""
        chain = _chain(encoder)
        boundary = len(chain) - 1
        chain += _chain(predictor) if predictor is not None else []
        found: dict[str, float] = {}
        for i, (first, second) in enumerate(pairwise(chain)):
            if not (_bias_free(first) and _bias_free(second)):
                continue
            alpha = float(self.flow["alpha"]) if i == boundary else 1.0
            name = "balance" if i == boundary else f"balance_{i}"
            w, p = (_weight(layer) for layer in (first, second))
            if not alpha > 0 or w.shape[0] != p.shape[1]:
                continue
            found[name] = float(measures.balance(w, p, alpha))
            decays = (float(self.flow["eta_s"]), float(self.flow["eta_p"])) if i == boundary else None
            eta = float(self.flow["eta_s"] if i <= boundary else self.flow["eta_p"])
            if not (self.fresh and self.timed and self.flow["exact"]) or (decays and decays[0] != decays[1]):
                continue
            matrix = np.asarray(measures.balance_matrix(w, p, alpha))
            if name not in self._balances:
                self._balances[name], self._first_step = matrix, step
            start = self._balances[name]
            time = (step - self._first_step) * float(self.flow["step"])
            size = float(np.linalg.norm(start))
            if size > 0:
                drift = float(np.linalg.norm(matrix - exp(-2 * eta * time) * start))
                found[name.replace("balance", "balance_drift")] = drift / size
        return found

    def _speeds(self, encoder: nn.Module, predictor: nn.Module) -> dict[str, float]:
        """How far the predictor has moved since the last record, over how far the encoder has."""
        found: dict[str, float] = {}
        now = {"encoder": _copies(encoder), "predictor": _copies(predictor)}
        if self._last.keys() == now.keys() and all(map(_same_shapes, now.values(), self._last.values())):
            moved = {name: _apart(now[name], self._last[name]) for name in now}
            size = {name: _apart(now[name], None) for name in now}
            if moved["encoder"] > 0 and size["predictor"] > 0:
                found["absolute_speed_ratio"] = moved["predictor"] / moved["encoder"]
                found["relative_speed_ratio"] = found["absolute_speed_ratio"] * size["encoder"] / size["predictor"]
        self._last = now
        return found

    def _loss_shares(self, encoder: nn.Module, predictor: nn.Module) -> dict[str, float]:
        """What each block's motion contributes to dl/dt, as `measures.loss_share` defines it.

        Of gradients only those are there that the loop has computed: where it detaches targets, l is the loss with
        its targets held. A block moves along its own gradient, so that their lengths are enough.
        """
        gradients = {
            name: [p.grad for p in module.parameters() if p.grad is not None]
            for name, module in (("predictor", predictor), ("encoder", encoder))
        }
        if not all(gradients.values()):
            return {}
        rates = {"predictor": float(self.flow["alpha"]), "encoder": 1.0}
        sizes = {name: _apart(values, None) for name, values in gradients.items()}
        return {
            f"loss_share_{name}": float(measures.loss_share([size], [-rates[name] * size]))
            for name, size in sizes.items()
        }

    def _distances(self, teacher: nn.Module, encoder: nn.Module | None) -> dict[str, float]:
        now = _copies(teacher)
        if self._teacher is None:
            self._teacher = now
            found = {}
        else:
            found = {"teacher_moved": _relative(now, self._teacher)}
        if encoder is not None:
            own = [p.detach() for p in encoder.parameters()]
            if _same_shapes(now, own):
                found["teacher_distance"] = _relative(now, own)
        return found


def _chain(module: nn.Module) -> list[nn.Module]:
    """Layers in the order in which a Sequential applies them; any other module is one opaque layer."""
    if isinstance(module, nn.Sequential):
        return [layer for child in module for layer in _chain(child)]
    return [] if isinstance(module, nn.Identity) else [module]


def _weight(layer: Any) -> np.ndarray:
    return np.asarray(layer.weight.detach().double().cpu())


def _bias_free(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.bias is None


def _gap(predictor: nn.Module, pair: Callable[[], Any]) -> dict[str, float]:
    """Distance of a linear bias-free predictor from the best one under squared error, by least squares."""
    layers = _chain(predictor)
    if not layers or not all(map(_bias_free, layers)) or (given := pair()) is None:
        return {}
    features, targets = given
    matrix = np.eye(features.shape[1])
    for layer in layers:
        weight = _weight(layer)
        if weight.shape[1] != matrix.shape[0]:
            return {}
        matrix = weight @ matrix
    if matrix.shape[0] != targets.shape[1] or not (np.isfinite(features).all() and np.isfinite(targets).all()):
        return {}
    best = measures.optimal_predictor(features, targets, ridge=1e-6)
    return {"predictor_gap": float(measures.predictor_gap(matrix, best))}


def _copies(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def _same_shapes(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return [value.shape for value in one] == [value.shape for value in other]


def _apart(one: Sequence[Tensor], other: Sequence[Tensor] | None) -> float:
    """Euclidean distance of two lists of tensors, or the length of one; summed in double precision, one transfer."""
    if not one:
        return 0.0
    differences = one if other is None else [a - b.to(a.device) for a, b in zip(one, other, strict=True)]
    wide = (value.float() if value.element_size() < 4 else value for value in differences)
    return float(torch.stack([value.norm().double() for value in wide]).norm())


def _relative(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    apart, size = _apart(one, other), _apart(other, None)
    return apart / size if size else (0.0 if apart == 0 else float("inf"))
