"""Integrals that papers state, confirmed symbolically: dI/dt + rate·I vanishes identically."""

import pytest
import sympy

import dynsim

BALANCE = ("w1^2 - p1^2/alpha", "2*eta")
CASES = [
    ("modes", {"k": 1}, {"eta_p": "eta", "eta_s": "eta"}, *BALANCE),
    ("modes", {"k": 1, "variant": "byol"}, {"eta_p": "eta", "eta_s": "eta"}, *BALANCE),
    (
        "modes",
        {"k": 1, "branch": "full"},
        {"eta_p": 0, "eta_s": 0, "lambda_s1": "lambda_d1"},
        "w1^2 - (1 - p1)^2/alpha",
        "0",
    ),
    (
        "modes",
        {"k": 1, "branch": "target"},
        {"eta_p": 0, "eta_s": 0, "lambda_s1": "lambda_d1"},
        "(1 - p1) - alpha*w1^2/2",
        "0",
    ),
    ("xbar", {"variant": "predictor"}, {"eta_p": "eta", "eta_s": "eta"}, "w^2 - p^2/alpha", "2*eta"),
    ("optimal-predictor", {"k": 3}, {}, "w1^2 + w2^2 + w3^2", "2*eta_s"),
    *(("cosine", {"k": 3, "branch": branch}, {}, "z1^2 + z2^2 + z3^2", "0") for branch in ("stop", "full", "target")),
    ("cosine", {"k": 2, "spectrum": "frozen"}, {}, "z1^2 + z2^2", "0"),
    ("dirac-gan", {"variant": "unregularised"}, {}, "theta^2 + psi^2", "0"),
    ("dirac-gan", {"variant": "wgan"}, {}, "theta^2 + psi^2", "0"),
]


def drift(flow, integral, rate):
    integral, rate = dynsim.parse(integral), dynsim.parse(rate)
    change = sum(integral.diff(flow.symbols[name]) * entry for name, entry in zip(flow.states, flow.rhs, strict=True))
    return sympy.simplify(change + rate * integral)


@pytest.mark.parametrize(("name", "which", "tied", "integral", "rate"), CASES)
def test_the_integral_is_conserved_or_decays_as_stated(name, which, tied, integral, rate):
    assert drift(dynsim.system(name, **which).fix(tied), integral, rate) == 0


@pytest.mark.parametrize(
    ("name", "which", "integral"),
    [
        ("cosine", {"variant": "isoloss"}, "z1^2 + z2^2"),
        ("dirac-gan", {"variant": "r1"}, "theta^2 + psi^2"),
        ("dirac-gan", {"variant": "non-saturating"}, "theta^2 + psi^2"),
        ("optimal-predictor", {"branch": "full"}, "w1^2 + w2^2"),
    ],
)
def test_what_is_not_conserved_is_seen_not_to_be(name, which, integral):
    assert drift(dynsim.system(name, **which), integral, "0") != 0


def test_the_non_saturating_game_contracts_like_x_tanh():
    flow = dynsim.system("dirac-gan", variant="non-saturating")
    x = dynsim.parse("theta*psi")
    law = drift(flow, "theta^2 + psi^2", "0") + 2 * x * sympy.tanh(x / 2)
    assert sympy.simplify(law.rewrite(sympy.exp)) == 0
