"""Noisy paths by machine code against the same paths by NumPy: the same random numbers, so the same paths."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import dynsim
from dynsim.integrate.noise import compiled, paths
from dynsim.status import Status

LOSS = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
SCALAR = {"loss": LOSS, "states": "phi, theta", "random": VIEWS, "decay": {"phi": "eta", "theta": "eta"}}
PAIR = "(x, y) ~ discrete([(1, 2), (2, 0), (0, 1)], [1/2, 1/4, 1/4])"
AT = {"sigma2": 0.1, "eta": 0.1, "h": 0.1, "B": 3}
START = {"phi": 0.7, "theta": [0.5, 0.8]}


def by_numpy(run):
    """The same by the slow way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "compiled_paths", lambda *_: (None, "not wanted"))
        found = run()
    assert found.attrs["engine"] == "numpy"
    return found


def assert_alike(run, rtol=1e-9):
    found, expected = run(), by_numpy(run)
    assert found.attrs["engine"] == "compiled"
    for name in expected.data_vars:
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-12, err_msg=name)
    return found


@pytest.mark.parametrize(
    ("method", "increments", "seeds"),
    [
        ("euler-maruyama", "two-point", 5),
        ("euler-maruyama", "normal", 300),
        ("weak-2", "three-point", 300),
        ("weak-2", "normal", 5),
        ("minibatch", None, 5),
        ("minibatch", None, 300),
    ],
)
def test_one_process(method, increments, seeds):
    noisy = dynsim.noisy_flow(**SCALAR)
    options = {"times": [0.0, 0.35, 0.5, 13.5], "parameters": AT, "seeds": seeds, "method": method}
    found = assert_alike(lambda: dynsim.ensemble(noisy, START, increments=increments, **options))
    assert (found.status == Status.OK).all()
    assert np.isfinite(found.phi).all()
    assert float(found.phi.std("seed").min("theta0")[-1]) > 0.01


HINGES = {"loss": "(w*x - 1)^2 + (v*y - 1)^2", "states": "v, w", "random": PAIR}
SQUASHED = {"loss": "(tanh(w*x) - v*x)^2", "states": "v, w", "random": "x ~ normal(0, s)"}
THREE = {"loss": "(tanh(w*x) - v*x*y)^2 + u*y", "states": "u, v, w", "random": "x ~ normal(0, 1), y ~ uniform(0, 2)"}
UNIFORM = {"loss": "(w*x - 1)^2", "states": "w", "random": "x ~ uniform(a, 2)"}
NORMAL = {"loss": "(w - x)^2/2", "states": "w", "random": "x ~ normal(0, v)"}


@pytest.mark.parametrize(
    ("given", "values", "method", "increments"),
    [
        ({**SCALAR, "branch": "full"}, AT, "weak-2", "three-point"),  # six processes with a constant root
        ({**SCALAR, "branch": "target"}, AT, "euler-maruyama", "two-point"),
        (THREE, {"h": 0.05, "B": 2}, "euler-maruyama", "normal"),  # a root that moves with the states: quadratures
        (SQUASHED, {"s": "1 + 0.1*t", "h": 0.05, "B": 2}, "weak-2", "normal"),
        (HINGES, {"h": 0.05, "B": 2}, "weak-2", None),
        (HINGES, {"h": 0.05, "B": [1, 7]}, "minibatch", None),
        (UNIFORM, {"a": "t/9", "h": 0.05, "B": 70}, "minibatch", None),
        (NORMAL, {"v": [0.0, 2.0], "h": 0.1, "B": 1}, "weak-2", "normal"),
    ],
)
def test_many_processes_laws_and_schedules(given, values, method, increments):
    noisy = dynsim.noisy_flow(**given)
    start = dict.fromkeys(noisy.states, 0.4)
    options = {"parameters": values, "seeds": 20, "method": method, "increments": increments}
    found = assert_alike(lambda: dynsim.ensemble(noisy, start, 0.4, **options), rtol=1e-7)
    assert float(found[noisy.states[-1]].std()) > 1e-3


def test_seeds_far_apart_and_starts_in_blocks_of_their_own():
    noisy = dynsim.noisy_flow(**SCALAR)
    seeds = np.concatenate([np.arange(300), [2**32 - 1, 2**32, 2**40 + 7]])
    start = {"phi": [0.3, 0.7], "theta": [0.5, 0.6, 0.7]}
    found = assert_alike(lambda: dynsim.ensemble(noisy, start, 1.0, parameters=AT, seeds=seeds, workers=2))
    one = dynsim.ensemble(noisy, {"phi": 0.7, "theta": 0.6}, 1.0, parameters=AT, seeds=[2**40 + 7])
    np.testing.assert_allclose(found.phi.sel(phi0=0.7, theta0=0.6)[-1], one.phi[0], rtol=1e-12)
    assert len(np.unique(found.phi.sel(phi0=0.7, theta0=0.6))) == len(seeds)


@pytest.mark.parametrize("seeds", [4, 260])
def test_what_is_lost_is_lost_alike(seeds):
    noisy = dynsim.noisy_flow("w^4/4 + w*x", "w", random="x ~ normal(0, v)", lr=0.1, batch=1)
    run = {"initial": {"w": [0.1, 9.0, np.nan]}, "times": [0.0, 0.3, 5.0], "parameters": {"v": 0.01}, "seeds": seeds}
    found = assert_alike(lambda: dynsim.ensemble(noisy, **run))
    assert found.status[:, 0].values.tolist() == [Status.OK, Status.BLOW_UP, Status.INVALID_START]
    edge = dynsim.noisy_flow("w*(1 + x) + 0*v + w^(3/2)", "w", random="x ~ normal(0, 1)", lr=0.1, batch=1)
    found = assert_alike(lambda: dynsim.ensemble(edge, {"w": [0.05, 3.0]}, 0.5, seeds=seeds))
    assert {Status.OK, Status.NOT_FINITE} == set(np.unique(found.status))


@pytest.mark.parametrize("method", ["weak-2", "minibatch"])
@pytest.mark.parametrize("seeds", [30, 400])
def test_times_of_leaving(method, seeds):
    noisy = dynsim.noisy_flow("(w - x)^2/2 - w^4/40", "w", random="x ~ normal(m, 1)", batch=1, lr=0.3)
    options = {"parameters": {"m": [0.0, 0.6, 4.0]}, "seeds": seeds, "t_max": 9.0, "method": method}
    found = assert_alike(lambda: dynsim.escape_time(noisy, {"w": [-9.0, 0.0, 0.2]}, "w >= 1.2", **options))
    assert {Status.OK, Status.EVENT, Status.BLOW_UP} <= set(np.unique(found.status))
    assert (found.escaped.sel(w0=0.0, m=0.6) > 0).all()
    sooner = dynsim.escape_time(noisy, {"w": 2.0}, "w > 1 + t", **{**options, "seeds": 3})
    assert (sooner.escape_time == 0).all()


def test_a_variance_that_rounding_makes_negative_is_none():
    """At σ = 0 and φ = 1 the variance 2φ² − 4φ + 2 vanishes, but not every sum of its terms does."""
    noisy = dynsim.noisy_flow(**SCALAR)
    start = {"phi": 1 + np.linspace(-1e-8, 1e-8, 41), "theta": 0.8}
    values = {"sigma2": 0.0, "eta": 0.0, "h": 0.1, "B": 1}
    found = assert_alike(lambda: dynsim.ensemble(noisy, start, 1.0, parameters=values, seeds=8), rtol=1e-6)
    assert (found.status == Status.OK).all()


def test_what_has_no_machine_code_runs_without_and_says_why(monkeypatch):
    noisy = dynsim.noisy_flow("(w*x - 1)^2", "w", random="x ~ normal(0, 1)", batch=1, lr=0.1)
    run = lambda: dynsim.ensemble(noisy, {"w": 0.5}, 0.5, seeds=3)  # noqa: E731
    usual = run()
    for name, value, reason in (
        ("MOST_STATES", 0, "1 states are more than 0"),
        ("MOST_PROCESSES", 0, "more than 0"),
        ("find_spec", lambda _: None, "llvmlite is not installed"),
    ):
        with monkeypatch.context() as patch:
            compiled._program.cache_clear()
            patch.setattr(compiled, name, value)
            found = run()
        assert found.attrs["engine"] == "numpy"
        assert reason in found.attrs["engine_reason"]
        np.testing.assert_allclose(found.w, usual.w, rtol=1e-12)
    compiled._program.cache_clear()
