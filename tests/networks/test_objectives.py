"""Losses against their definitions, written out sample by sample."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from dynsim.networks.datasets import load_images
from dynsim.networks.run import Run

CPU = torch.device("cpu")


def features(run: Run, batch):
    """Features and predictions of one step, (seeds, dim, views, batch)."""
    z = run.network.encode(run.weights.encoder, batch.views)
    return z.detach(), run.network.predict(run.weights.predictor, z).detach()


def step(experiment):
    run = Run(experiment, load_images(experiment), [0, 1], CPU)
    batch = run.batches.next()
    return run, batch, run.network.loss(run.weights, batch).detach()


@pytest.mark.parametrize("branch", ["stop", "full"])
def test_nt_xent(small, branch):
    run, batch, losses = step(small(objective="nt-xent", temperature=0.3, branch=branch))
    _, p = features(run, batch)
    for seed in range(2):
        z = [p[seed, :, view, i] / p[seed, :, view, i].norm() for view in (0, 1) for i in range(8)]
        total = 0.0
        for i in range(16):
            positive = (i + 8) % 16
            others = [exp(float(z[i] @ z[j]) / 0.3) for j in range(16) if j != i]
            total -= log(exp(float(z[i] @ z[positive]) / 0.3) / sum(others))
        assert float(losses[seed]) == pytest.approx(total / 16, rel=1e-12)


def test_nt_xent_has_no_stop_gradient(small):
    gradients = []
    for branch in ("stop", "full"):
        run, batch, _ = step(small(objective="nt-xent", branch=branch))
        gradients.append(torch.autograd.grad(run.network.loss(run.weights, batch).sum(), run.weights.encoder)[0])
    assert torch.equal(*gradients)


def test_barlow(small):
    run, batch, losses = step(small(objective="barlow", redundancy=0.1))
    _, p = features(run, batch)
    for seed in range(2):
        a, b = p[seed, :, 0], p[seed, :, 1]
        a, b = ((x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt() for x in (a, b))
        total = 0.0
        for i in range(4):
            for j in range(4):
                c = float(a[i] @ b[j]) / 8
                total += (1 - c) ** 2 if i == j else 0.1 * c**2
        assert float(losses[seed]) == pytest.approx(total, rel=1e-12)


def test_supervised(small):
    run, batch, losses = step(small(objective="supervised", predictor="linear"))
    _, p = features(run, batch)
    assert p.shape == (2, 4, 1, 8)
    for seed in range(2):
        wanted = torch.nn.functional.cross_entropy(p[seed, :, 0].T, batch.labels[seed])
        torch.testing.assert_close(losses[seed], wanted)


@pytest.mark.parametrize("distance", ["squared", "cosine"])
def test_xbar_with_noise_targets_the_image_itself(small, distance):
    e = small(objective="xbar", distance=distance, predictor="linear", encoder="linear", norm="none")
    run, batch, losses = step(e)
    clean = run.source.images[run.batches.order[:, :8]] - run.source.mean
    assert torch.equal(batch.views[:, 1], clean)
    z, p = features(run, batch)
    p, t = p[:, :, 0], z[:, :, 1]
    wanted = (p - t).square().sum(1) / 2 if distance == "squared" else -torch.cosine_similarity(p, t, dim=1)
    torch.testing.assert_close(losses, wanted.mean(1))


def test_the_mean_view_of_other_augmentations_is_their_average(small):
    e = small(objective="xbar", augmentation={"contrast": 0.9}, images=10)
    source = step(e)[0].source
    ratio = (source.mean_views + source.mean)[source.images > 0.1] / source.images[source.images > 0.1]
    assert 0 < ratio.std() < 3 * 0.9 / 3**0.5 / 8  # uniform noise of standard deviation 0.9/√3, 64 views
    assert abs(ratio.mean() - 1) < 0.2


def test_alternating_averages_the_other_views(small):
    e = small(objective="alternating", views=4, predictor="none", encoder="linear", norm="none")
    run, batch, losses = step(e)
    z, _ = features(run, batch)
    assert z.shape[2] == 4
    wanted = (z[:, :, 0] - z[:, :, 1:].mean(2)).square().sum(1).mean(1) / 2
    torch.testing.assert_close(losses, wanted)


def test_alternating_holds_its_targets_for_k_steps(small):
    e = small(objective="alternating", alternating_steps=3)
    run = Run(e, load_images(e), [0], CPU)
    teachers = []
    for _ in range(7):
        before = run.weights.encoder.detach().clone()
        run.advance()
        teachers.append((run.weights.teacher.clone(), before))
    for step_number, (teacher, _) in enumerate(teachers):
        assert torch.equal(teacher, teachers[step_number // 3 * 3][1])
    assert not torch.equal(teachers[2][0], teachers[3][0])


def test_alternating_every_step_with_two_views_is_simsiam_without_symmetry(small):
    fields = {"predictor": "linear", "objective": "squared", "symmetric": False}
    (one, _, first), (two, _, second) = (
        step(small(**{**fields, **more})) for more in ({}, {"objective": "alternating"})
    )
    assert torch.equal(first, second)
    for run in (one, two):
        for _ in range(5):
            run.advance()
    torch.testing.assert_close(one.weights.encoder, two.weights.encoder, rtol=1e-12, atol=1e-14)


def test_optimal_predictor_is_the_least_squares_one(small):
    run, batch, losses = step(small(objective="squared", predictor="optimal", ridge=0.0, encoder="linear"))
    z = run.network.encode(run.weights.encoder, batch.views).detach()
    source, target = z.flatten(2).mT, z.flip(2).flatten(2).mT
    for seed in range(2):
        best = torch.linalg.lstsq(source[seed], target[seed]).solution
        wanted = (source[seed] @ best - target[seed]).square().sum(1).mean() / 2
        torch.testing.assert_close(losses[seed], wanted)


def test_a_fixed_predictor_stays_and_a_trained_one_moves(small):
    for predictor, moves in {"fixed": False, "linear": True}.items():
        e = small(predictor=predictor)
        run = Run(e, load_images(e), [0, 1], CPU)
        before = run.weights.predictor.detach().clone()
        for _ in range(3):
            run.advance()
        assert torch.equal(run.weights.predictor.detach(), before) != moves


def test_minus_identity_is_a_scale(small):
    e = small(predictor="linear", predictor_init="identity", predictor_scale=-1.0)
    run = Run(e, load_images(e), [0], CPU)
    p = run.network.predictor_layout.split(run.weights.predictor)["P"]
    assert torch.equal(p[0].detach(), -torch.eye(4, dtype=torch.float64))


def test_teacher_is_a_moving_average(small):
    e = small(teacher=0.75)
    run = Run(e, load_images(e), [0, 2], CPU)
    expected = run.weights.encoder.detach().clone()
    for _ in range(4):
        run.advance()
        expected = 0.75 * expected + 0.25 * run.weights.encoder.detach()
        torch.testing.assert_close(run.weights.teacher, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("init", "equal", "zero"), [("copy", True, False), ("random", False, False), ("zero", False, True)]
)
def test_teacher_starts(small, init, equal, zero):
    e = small(teacher=1.0, teacher_init=init)
    run = Run(e, load_images(e), [0], CPU)
    start = run.weights.teacher.clone()
    assert torch.equal(start, run.weights.encoder.detach()) == equal
    assert bool((start == 0).all()) == zero
    run.advance()
    assert torch.equal(run.weights.teacher, start)


def test_a_tiny_teacher_coefficient_is_simsiam_one_step_late(small):
    """The teacher is updated after the step, so with m → 0 the targets are those of SimSiam."""
    runs = []
    for teacher in (0.0, 1e-300):
        e = small(teacher=teacher)
        run = Run(e, load_images(e), [0], CPU)
        for _ in range(5):
            run.advance()
        runs.append(run.weights.encoder.detach())
    torch.testing.assert_close(*runs, rtol=1e-12, atol=1e-14)
