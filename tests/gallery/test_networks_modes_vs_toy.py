"""A small run of modes-vs-toy: aligned modes are the scalar equation, a network that is not aligned is not."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import modes_vs_toy


@pytest.fixture(scope="module")
def data():
    return modes_vs_toy.compute(**modes_vs_toy.FIGURE.small)


@pytest.mark.long
def test_every_aligned_mode_follows_its_scalar_equation_in_every_branch(data):
    error = modes_vs_toy.aligned_error(data)
    assert set(error.branch.values) == {"stop", "full", "target"}
    assert float(error.max()) < 1e-7
    assert float(data["leak"].max()) < 1e-7


@pytest.mark.long
def test_the_scalar_equation_of_another_branch_is_noticed(data):
    network, other = data["w_network"].sel(branch="full"), data["w_toy"].sel(branch="stop")
    assert float(abs(network - other).max()) > 0.1


@pytest.mark.long
def test_modes_below_their_threshold_survive_under_stop_gradient(data):
    survives = data["threshold"] > modes_vs_toy.DECAY
    end, start = (data["w_network"].sel(branch="stop").isel(aligned_time=i) for i in (-1, 0))
    assert bool(survives.all())  # of three modes; the fourth of the digits is the first that does not
    assert bool((end > start).all())
    assert bool((data["w_network"].sel(branch="full").isel(aligned_time=-1) < start).all())


def test_an_aligned_start_is_predicted_and_a_random_one_is_not():
    from dynsim.integrate.solve import solve
    from dynsim.networks import flow

    experiment = modes_vs_toy.linear_experiment(dim=2)
    signal, _ = modes_vs_toy.image_moments()
    q = np.linalg.eigh(signal)[1][:, ::-1][:, :2]
    run = solve(flow(experiment), {"P": 0.6 * np.eye(2), "W": np.diag([0.6, 0.4]) @ q.T}, 10.0)
    w = np.linalg.norm(run["W"].values, axis=2)
    lambda_d, lambda_s = np.diag(q.T @ signal @ q), np.diag(q.T @ signal @ q) + modes_vs_toy.NOISE**2
    for mode in range(2):
        toy = modes_vs_toy._scalar("stop", 0.6, w[0, mode], lambda_d[mode], lambda_s[mode], 0.0, t_end=10.0)
        assert float(toy["w1"]) == pytest.approx(w[-1, mode], abs=1e-8)


@pytest.mark.long
def test_torchs_start_aligns_with_time_and_is_predicted_worse_from_the_beginning(data):
    aligned = data["weighted_alignment"].sel(decay=0.0)
    assert bool((aligned.isel(time=-1) > aligned.isel(time=0)).all())
    error = data["mode_error"].sel(decay=0.0).median(["seed", "mode"])
    assert float(error.isel(started=1)) < float(error.isel(started=0))
    assert "every mode follows its scalar equation" in str(modes_vs_toy.verdict(data).facts)
