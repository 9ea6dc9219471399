"""The world model in miniature: its chains, and a verdict that depends on what was trained."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import world_model


@pytest.mark.parametrize("chain", ["ring", "grid"])
def test_chains_are_normal_and_leave_the_uniform_distribution(chain):
    matrix = np.zeros((9, 9))
    pairs = world_model.transitions(chain)
    np.add.at(matrix, tuple(zip(*pairs, strict=True)), 9 / len(pairs))
    assert matrix.sum(0) == pytest.approx(np.ones(9))
    assert matrix.sum(1) == pytest.approx(np.ones(9))
    assert matrix @ matrix.T == pytest.approx(matrix.T @ matrix)
    assert (np.abs(np.linalg.eigvals(matrix).imag).max() > 0.5) == (chain == "ring")


def test_the_verdict_follows_the_networks():
    data = world_model.compute(decays=(0.006, 0.02), steps=900)
    lives = data["predicted"] > 0
    assert 0 < int(lives.sum()) < lives.size
    assert world_model.verdict(data).word == "holds"
    assert float(abs(data["measured"] / data["predicted"] - 1).where(lives).max()) < 0.01
    dead = data.assign(measured=(~lives).astype(float))
    assert world_model.verdict(dead).word == "does not hold"
    late = data.assign(time=-data["time"])
    assert world_model.verdict(late).word == "holds under conditions"
