"""Every branch, net and loss against a plain network, one seed and one view at a time, with .detach()."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from dynsim.networks.datasets import load_images
from dynsim.networks.network import Weights
from dynsim.networks.objectives import BRANCHES, two_branches
from dynsim.networks.run import Run

SEEDS = [0, 1, 5]


def plain(parameters: dict, prefix: str, x, *, relu: bool, norm: str):
    """A stack of layers from named parameters, with torch's own layers; x is (batch, …)."""
    names = [name for name in parameters if name.startswith(prefix) and "_" not in name]
    for i, name in enumerate(names):
        weight, bias = parameters[name], parameters.get(f"{name}_bias")
        last = i == len(names) - 1
        if weight.ndim == 4:
            x = functional.conv2d(x, weight, bias, stride=2 if min(x.shape[-2:]) >= 4 else 1, padding=1)
        else:
            x = x.mean((2, 3)) if x.ndim == 4 and len(names) > 1 and parameters[names[0]].ndim == 4 else x.flatten(1)
            x = functional.linear(x, weight, bias)
        if norm == "batch-out" or (norm == "batch" and not last):
            layer = (nn.BatchNorm2d if x.ndim == 4 else nn.BatchNorm1d)(x.shape[1], affine=False).double()
            x = layer(x)
            if not last:
                shape = (-1, *[1] * (x.ndim - 2))
                x = x * parameters[f"{name}_scale"].view(shape) + parameters[f"{name}_shift"].view(shape)
        if relu and not last:
            x = torch.relu(x)
    return x


def distance(objective: str, p, t):
    if objective == "squared":
        return 0.5 * (p - t).square().sum(1).mean()
    return -functional.cosine_similarity(p, t, dim=1, eps=1e-12).mean()


def reference(e, run: Run, row: int, views, branch: str):
    """Gradient of predictor and encoder of one seed by plain autograd; `target` as `full` minus `stop`."""

    def gradient(branch: str):
        flat = [
            run.weights.predictor[row : row + 1].detach().clone(),
            run.weights.encoder[row : row + 1].detach().clone(),
        ]
        for tensor in flat:
            tensor.requires_grad_()
        p = {k: v[0] for k, v in run.network.predictor_layout.split(flat[0]).items()}
        w = {k: v[0] for k, v in run.network.encoder_layout.split(flat[1]).items()}
        encode = [plain(w, "W", view, relu=e.encoder != "linear", norm=e.norm) for view in views]
        predict = [plain(p, "P", z, relu=True, norm=e.predictor_norm) for z in encode]
        held = [z.detach() if branch == "stop" else z for z in encode]
        loss = distance(e.objective, predict[0], held[1])
        if e.symmetric:
            loss = (loss + distance(e.objective, predict[1], held[0])) / 2
        return loss, torch.autograd.grad(loss, flat)

    loss, stop = gradient("stop")
    if branch == "stop":
        return loss, stop
    _, full = gradient("full")
    return (loss, full) if branch == "full" else (loss, (stop[0], full[1] - stop[1]))


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("objective", ["cosine", "squared"])
@pytest.mark.parametrize(
    "net",
    [
        {"encoder": "linear", "predictor": "linear"},
        {"encoder": "linear", "depth": 3, "norm": "batch-out", "predictor": "linear", "symmetric": False},
        {"encoder": "mlp", "norm": "none", "predictor": "mlp", "predictor_norm": "none"},
        {"encoder": "mlp", "norm": "batch"},
        {"encoder": "mlp", "norm": "batch-out", "depth": 3, "symmetric": False},
        {"encoder": "cnn", "norm": "none", "predictor": "linear"},
        {"encoder": "cnn", "norm": "batch", "predictor_norm": "batch-out"},
        {"encoder": "cnn", "norm": "batch-out", "depth": 2, "bias": False},
    ],
    ids=str,
)
def test_gradients_equal_plain_autograd(small, net, objective, branch):
    e = small(objective=objective, branch=branch, **net)
    run = Run(e, load_images(e), SEEDS, torch.device("cpu"))
    batch = run.batches.next()
    losses = run.network.loss(run.weights, batch)
    found = torch.autograd.grad(losses.sum(), [run.weights.predictor, run.weights.encoder], materialize_grads=True)
    for row in range(len(SEEDS)):
        loss, wanted = reference(e, run, row, batch.views[row], branch)
        torch.testing.assert_close(losses[row], loss, rtol=1e-12, atol=1e-13)
        for one, all_seeds in zip(wanted, found, strict=True):
            torch.testing.assert_close(all_seeds[row : row + 1], one, rtol=1e-12, atol=1e-12 * float(one.abs().max()))


def test_target_is_full_minus_stop_for_the_encoder_and_the_same_for_the_predictor(small):
    gradients = {}
    for branch in BRANCHES:
        e = small(branch=branch)
        run = Run(e, load_images(e), [3], torch.device("cpu"))
        weights = run.weights
        loss = run.network.loss(weights, run.batches.next()).sum()
        gradients[branch] = torch.autograd.grad(loss, [weights.predictor, weights.encoder])
    stop, full, target = (gradients[branch] for branch in ("stop", "full", "target"))
    torch.testing.assert_close(target[1], full[1] - stop[1], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(target[0], stop[0], rtol=1e-12, atol=1e-14)
    assert (stop[1] - target[1]).abs().max() > 1e-3


def test_held_features_keep_their_derivative_when_given_as_a_function(small):
    e = small()
    run = Run(e, load_images(e), [0], torch.device("cpu"))
    batch, root = run.batches.next(), run.weights.encoder.detach().clone().requires_grad_()
    live = root.detach().clone().requires_grad_()
    weights = Weights(run.weights.predictor.detach(), live)
    held, detached = (run.network.loss(weights, batch, **more).sum() for more in ({"held": root}, {}))
    torch.testing.assert_close(held, detached)
    assert torch.autograd.grad(held, root)[0].abs().max() > 0


def test_two_branches_take_what_carries_a_gradient():
    live = torch.ones(2, requires_grad=True)
    for branch, carries in {"stop": (True, False), "full": (True, True), "target": (False, True)}.items():
        first, second = two_branches(branch, live, live.detach())
        assert (first.requires_grad, second.requires_grad) == carries
