"""Fixing and tying parameters, also inside closed forms."""

import pytest
import sympy

from dynsim import DynsimError, outcome, solve, system


def test_fix_and_tie():
    flow = system("scalar").fix(sigma2=0.1, eta_p="eta", eta_s="eta")
    assert flow.parameters == ("alpha", "eta")
    assert "eta" in flow.defaults
    assert "sigma2" not in flow.defaults
    whole = system("scalar").field({"sigma2": 0.1, "eta_p": 0.3, "eta_s": 0.3})
    assert flow.field({"eta": 0.3}).f(0, [0.4, 0.7]) == pytest.approx(whole.f(0, [0.4, 0.7]))


def test_fixed_parameters_reach_the_closed_forms():
    start = {"phi": 0.6, "theta": 0.1}
    fixed = system("toy").fix(alpha=4)
    assert fixed.parameters == ()
    assert outcome(fixed, start).limit == outcome(system("toy"), start, {"alpha": 4}).limit
    tied = system("toy").fix(alpha="rate").fix(rate=4)
    assert outcome(tied, start).limit["theta"] == pytest.approx((0.01 + 0.64 / 4) ** 0.5)
    silent = system("scalar").fix(sigma2=0, eta_p=0, eta_s=0)
    exact = {name: sympy.Rational(str(value)) for name, value in start.items()}
    assert outcome(silent, exact).limit == outcome(system("toy"), exact).limit


def test_an_expression_may_be_tied():
    flow = system("toy").fix(alpha="1/epsilon")
    assert flow.parameters == ("epsilon",)
    run = solve(flow, {"phi": 0.6, "theta": 0.1}, 5.0, parameters={"epsilon": 0.5})
    same = solve(system("toy"), {"phi": 0.6, "theta": 0.1}, 5.0, parameters={"alpha": 2.0})
    assert float(abs(run.theta - same.theta).max()) < 1e-12


def test_names_that_are_keywords():
    from dynsim import gradient_flow

    assert gradient_flow("lambda*w^2", ["w"]).fix({"lambda": 2}).parameters == ()


@pytest.mark.parametrize(
    ("values", "words"), [({"beta": 1}, "'beta'"), ({"alpha": "phi"}, "state"), ({"alpha": "sg(x)"}, "unresolved")]
)
def test_bad_input(values, words):
    with pytest.raises(DynsimError, match=words.replace("(", r"\(")):
        system("toy").fix(values)
