"""Every optimiser against torch's, step by step, with separate learning rates and weight decays."""

from __future__ import annotations

import pytest
import torch

from dynsim.networks import Experiment
from dynsim.networks.optimisers import OPTIMISERS, Block

ALPHA, ETA_P, ETA_S, LR, STEPS = 3.0, 0.3, 0.1, 0.02, 12


def gradient(rows):
    """Of a loss that is no quadratic, per seed."""
    return torch.sin(3 * rows) + rows * torch.linspace(0.1, 2, rows.shape[1], dtype=rows.dtype)


def blocks():
    generator = torch.Generator().manual_seed(0)
    return [
        Block(torch.randn(2, size, generator=generator, dtype=torch.float64), rate, decay)
        for size, rate, decay in ((3, ALPHA, ETA_P), (4, 1.0, ETA_S))
    ]


def ours(name, **fields):
    experiment = Experiment(optimiser=name, lr=LR, batch="full", **fields)
    step = OPTIMISERS[name]
    moved = blocks()
    path = []
    for _ in range(STEPS):
        for block in moved:
            block.gradient = gradient(block.weights)
        step(moved, LR, experiment)
        path.append([block.weights.clone() for block in moved])
    return path


def assert_same(path, make):
    """`make(groups)` is a torch optimiser; torch's weight decay is ours over the rate."""
    for seed in range(2):
        rows = [torch.nn.Parameter(block.weights[seed].clone()) for block in blocks()]
        optimiser = make(
            [
                {"params": [rows[0]], "lr": LR * ALPHA, "weight_decay": ETA_P / ALPHA},
                {"params": [rows[1]], "lr": LR, "weight_decay": ETA_S},
            ]
        )
        for step in range(STEPS):
            for row in rows:
                row.grad = gradient(row.detach()[None])[0]
            optimiser.step()
            for row, block in zip(rows, path[step], strict=True):
                torch.testing.assert_close(block[seed], row.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(momentum):
    assert_same(ours("sgd", momentum=momentum), lambda groups: torch.optim.SGD(groups, momentum=momentum))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_adam(momentum):
    assert_same(ours("adam", momentum=momentum), lambda groups: torch.optim.Adam(groups, betas=(momentum, 0.999)))


def test_sign():
    path, moved = ours("sign"), blocks()
    for step in range(STEPS):
        for block, found in zip(moved, path[step], strict=True):
            block.weights -= (
                LR * block.rate * torch.sign(gradient(block.weights) + block.decay / block.rate * block.weights)
            )
            assert torch.equal(block.weights, found)


def test_lbfgs_equals_one_torch_optimiser_that_lives_on():
    path = ours("lbfgs")
    for seed in range(2):
        row = torch.nn.Parameter(torch.cat([block.weights[seed] for block in blocks()]))
        optimiser = torch.optim.LBFGS([row], lr=LR, max_iter=1, history_size=10)
        for step in range(STEPS):

            def closure(row=row):
                p, w = row.detach().split([3, 4])
                row.grad = torch.cat([ALPHA * gradient(p[None])[0] + ETA_P * p, gradient(w[None])[0] + ETA_S * w])
                return torch.zeros(())

            optimiser.step(closure)
            torch.testing.assert_close(torch.cat([b[seed] for b in path[step]]), row.detach(), rtol=1e-12, atol=1e-13)
    assert (path[-1][0] - path[0][0]).abs().max() > 1e-3


def test_decay_is_per_unit_of_flow_time_and_not_multiplied_by_the_rate():
    """Without a gradient every optimiser that scales with it decays by (1 − lr·η) a step."""
    for rate in (0.1, 1.0, 10.0):
        block = Block(torch.ones(1, 2, dtype=torch.float64), rate, 0.5)
        block.gradient = torch.zeros(1, 2, dtype=torch.float64)
        OPTIMISERS["sgd"]([block], 0.1, Experiment(momentum=0.0))
        torch.testing.assert_close(block.weights, torch.full((1, 2), 0.95, dtype=torch.float64))
