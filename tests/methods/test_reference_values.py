"""Numbers that were computed by other means (symbolic algebra, autograd, quadrature of the codes' losses)."""

import numpy as np
import pytest

import dynsim
from dynsim.methods.barlow import collapse_threshold, shares
from dynsim.methods.lejepa import CONVEX_BELOW
from dynsim.methods.order_statistics import quantile_defect
from dynsim.methods.prototype_bifurcations import branches, fold, hopf, hopf_lyapunov, pitchfork_hopf
from dynsim.methods.slice_statistics import slice_functions, slice_gradient


def test_slopes_of_the_statistic_at_a_collapsed_slice():
    outward, inward = slice_functions(0.0, "continuum", 1)
    assert outward == pytest.approx(-1.62040134918, abs=1e-11)
    assert inward == pytest.approx(np.sqrt(2 * np.pi), rel=1e-14)
    assert slice_functions(1.0, "continuum", 1)[0] == pytest.approx(0, abs=1e-15)
    assert slice_functions(1.0, "continuum", 2)[0] == pytest.approx(0.241200418186, abs=1e-12)
    assert slice_functions(0.0, "code", 1) == pytest.approx((-1.5460385201, 2.4318413681), abs=1e-10)
    assert slice_functions(1.0, "code", 2)[0] == pytest.approx(0.2411842, abs=1e-7)


@pytest.mark.parametrize(("knots", "critical"), [("continuum", 0.10816264), ("code", 0.10210375)])
@pytest.mark.parametrize("dim", [1, 2, 7])
def test_lejepa_lone_mode_dies_beyond_its_noise(knots, critical, dim):
    method = dynsim.method("lejepa", knots=knots, lam=0.02)
    sides = [method.survives(nu=critical + shift, batch=4, views=4, dim=dim).value for shift in (-1e-7, 1e-7)]
    assert sides == [True, False]


@pytest.mark.parametrize(("knots", "end"), [("continuum", 0.9700239054), ("code", 0.9700216431)])
def test_lejepa_amplitude_of_one_coordinate_and_of_equal_ones(knots, end):
    method = dynsim.method("lejepa", knots=knots, lam=0.05)
    assert method.amplitude(nu=0.1, batch=256, views=4).value == pytest.approx(end, abs=2e-10)
    assert method.amplitude(nu=[0.1] * 3, batch=256, views=4).value == pytest.approx([end] * 3, abs=2e-9)


@pytest.mark.parametrize(("dim", "end"), [(2, 1.7178), (4, 3.4904)])
def test_lejepa_lone_mode_among_collapsed_coordinates_grows_larger(dim, end):
    method = dynsim.method("lejepa", knots="continuum", lam=0.05)
    assert method.amplitude(nu=0.1, batch=256, views=4, dim=dim).value == pytest.approx(end, abs=5e-5)


@pytest.mark.parametrize(("dim", "rate"), [(4, 0.0911870446), (256, 1.122561e-5)])
def test_lejepa_missing_feature_is_pulled_out(dim, rate):
    variances = np.append(0.0, np.ones(dim - 1))
    pull = slice_gradient(variances, 0.0, "continuum") - slice_gradient(variances, 1.0, "continuum")
    assert pull[0] == pytest.approx(rate, rel=1e-6)


def test_lejepa_convexity_ends_where_the_second_derivative_does():
    assert pytest.approx(2.4085743942, abs=1e-10) == CONVEX_BELOW
    assert slice_functions(CONVEX_BELOW, "continuum", 2)[0] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("batch", "dead_from"), [(128, 0.5), (32, 0.2), (8, 0.1)])
def test_lejepa_partial_collapse(batch, dead_from):
    noise = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.02, 0.02, 0.02])
    fact = dynsim.method("lejepa", knots="continuum").survives(nu=noise, batch=batch, views=2)
    assert np.array_equal(fact.value, noise < dead_from)


def test_visreg():
    method = dynsim.method("visreg", lam=0.9)
    assert method.amplitude(nu=0.4, views=2).value == pytest.approx(0.9782608696**2, abs=1e-9)
    assert [quantile_defect(n) for n in (16, 64, 256, 1024)] == pytest.approx(
        [0.176357, 0.064552, 0.021458, 0.006713], abs=5e-7
    )


def test_barlow():
    assert collapse_threshold(0.9, 0.7) == pytest.approx(0.0138888889, abs=1e-10)
    assert shares(np.array([0.9, 0.7]), 2, 0.01388)[0][1] == 0
    assert shares(np.array([0.9, 0.7]), 2, 0.01390)[0][1] > 0
    x = shares(np.array([0.9, 0.6]), 2, 0.05)[0]
    assert x[1] == pytest.approx(0.1851851852, abs=1e-10)
    r, c = np.array([0.9, 0.6]), 0.9 * x[0] + 0.6 * x[1]
    loss = 2 * ((1 - c) ** 2 - 0.05 * c**2 + 0.05 * 2 * np.sum(r**2 * x**2))
    assert loss == pytest.approx(0.0871111111, abs=1e-10)
    wide, level = shares(np.linspace(0.2, 0.99, 64), 8192, 0.0051)
    assert (wide > 0).all()
    assert level == pytest.approx(0.1247, abs=5e-5)


def test_kernel_infonce():
    assert dynsim.method("infonce", kernel="gaussian", tau=1).amplitude(nu=0.1).value == pytest.approx(4.8541019662)


def test_dino():
    assert fold(0.7, 0.1, 10) == pytest.approx((0.0779846734548, 0.1450216462), abs=1e-10)
    assert branches(0.7, 0.07, 0.1, 10)[1] == pytest.approx(0.2649829952, abs=1e-10)
    assert hopf(0.1, 0.04) == pytest.approx((37.5, 30.61862178), abs=1e-8)
    assert hopf(0.1, 0.04, beta=100) == pytest.approx((34.30703308, 23.20299841), abs=1e-8)
    assert hopf_lyapunov(0.1, 0.04) == pytest.approx(-410.15625, abs=1e-9)
    assert pitchfork_hopf(0.7, 0.1) == pytest.approx(10.7142857, abs=1e-7)


def test_next_latent_on_a_ring():
    ring = 0.2 * np.eye(5) + 0.8 * np.roll(np.eye(5), 1, axis=1)
    method = dynsim.method("next-latent", transition=ring)
    for threshold, alive in ((0.05, 1), (0.0389443, 3), (0.0210557, 5)):
        assert method.survives(eta=threshold * (1 - 1e-6)).value.sum() == alive
        assert method.survives(eta=threshold * (1 + 1e-5)).value.sum() == alive - (1 if alive == 1 else 2)


def test_normalised_target():
    fact = dynsim.method("data2vec").amplitude(alpha=2, lambda_d=0.6, lambda_s=1.1, eta=0.3)
    assert fact.value == pytest.approx(1.1 * 0.32722320 / np.sqrt(2), rel=1e-7)
    lives = [
        dynsim.method("data2vec")
        .survives(alpha=2, lambda_d=0.6, lambda_s=1.1, eta=0.3, initial={"p": p, "w": 0.5})
        .value
        for p in (-0.70, -0.72)
    ]
    assert lives == [True, False]
