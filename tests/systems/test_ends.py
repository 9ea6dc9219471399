"""The rules of where runs end, read as expressions, say what the rules say: wherever they say anything."""

import math

import numpy as np
import pytest
import sympy

import dynsim
from dynsim.symbolic.decisions import as_expressions
from dynsim.symbolic.exact import Limit
from dynsim.symbolic.numeric import evaluate
from dynsim.systems.catalogue import SYSTEMS

RULED = [
    ("toy", None, "stop"), ("toy", None, "full"), ("toy", None, "target"), ("scalar", None, "stop"),
    ("scalar", None, "full"), ("scalar", None, "target"), ("byol", None, "stop"), ("eigenmode", "byol", "stop"),
    ("eigenmode", "simsiam", "stop"), ("barlow", None, "stop"), ("spectral-contrastive", None, "stop"),
    ("jepa", None, "stop"), ("mae", None, "stop"), ("deep-linear", None, "stop"), ("euclidean", None, "full"),
    ("xbar", "predictor", "target"),
]  # fmt: skip


def settings_of(flow, rng, count):
    """Starts and parameters over their ranges, with zeros, equal decays and balanced starts among them."""
    for index in range(count):
        start = {name: float(rng.uniform(-1.6, 1.6)) for name in flow.states}
        values = {name: float(rng.uniform(0.02, 1.5)) for name in flow.parameters}
        for told, share in ((start, 0.15), (values, 0.3)):
            for name in told:
                if rng.random() < share:
                    told[name] = 0.0 if rng.random() < 0.7 else 1.0
        if index % 3 == 0 and {"eta_p", "eta_s"} <= set(values):
            values["eta_p"] = values["eta_s"] = float(rng.choice([0.05, 0.2, 0.5]))
            if "s" in start:
                start["s"] = start["p"] ** 2 / (values["alpha"] or 1.0)
            elif {"phi", "theta"} <= set(start):
                start["theta"] = start["phi"] / math.sqrt(values["alpha"] or 1.0)
            start |= {name: value for name, value in (("tau", 1.0), ("xi", start.get("theta"))) if name in start}
        yield start, values


def cases():
    quick = ("toy", "barlow", "jepa", "xbar")  # the trees of the others are large
    for case in RULED:
        yield pytest.param(*case, marks=[] if case[0] in quick else [pytest.mark.long])


@pytest.mark.parametrize(("name", "variant", "branch"), list(cases()))
def test_the_expressions_say_what_the_rule_says(name, variant, branch):
    flow = SYSTEMS[name].flow(branch=branch, variant=variant)
    ends = flow.exact.ends(flow.states, flow.parameters)
    arguments = [sympy.Symbol(f"{one}(0)") for one in flow.states] + [sympy.Symbol(one) for one in flow.parameters]
    wanted = [ends[one] for one in flow.states]
    said = 0
    for start, values in settings_of(flow, np.random.default_rng(7), 150):
        with np.errstate(all="ignore"):
            found = evaluate(wanted, dict(zip(arguments, [*start.values(), *values.values()], strict=True)))
        known = flow.exact.end(start, values)
        for state, value in zip(flow.states, found, strict=True):
            expected = math.nan if known is None else float(known.values.get(state, math.nan))
            assert value == pytest.approx(expected, rel=1e-12, abs=1e-14, nan_ok=True), (start, values)
            said += not math.isnan(expected)
    assert said > 20


def test_what_is_tied_or_fixed_is_put_in():
    flow = dynsim.system("scalar").fix({"eta_p": "eta", "eta_s": "eta", "alpha": 2})
    ends = flow.exact.ends(flow.states, flow.parameters)
    start, values = {"phi": 0.6, "theta": 0.1}, {"eta": 0.5, "sigma2": 0.1}
    table = {sympy.Symbol("phi(0)"): 0.6, sympy.Symbol("theta(0)"): 0.1, **values}
    assert [float(ends[name].subs(table)) for name in flow.states] == [0.0, 0.0]
    assert flow.exact.end(start, values).collapsed


def test_no_parameter_is_taken_for_a_start():
    flow = dynsim.system("toy").fix({"alpha": "phi_0"})
    end = flow.exact.ends(flow.states, flow.parameters)["theta"]
    values = {sympy.Symbol("phi(0)"): 0.6, sympy.Symbol("theta(0)"): 0.1, sympy.Symbol("phi_0"): 4.0}
    known = flow.exact.end({"phi": 0.6, "theta": 0.1}, {"phi_0": 4.0})
    assert float(end.subs(values)) == pytest.approx(known.values["theta"])


def test_a_rule_that_is_no_expression_gives_none():
    assert dynsim.system("cosine").exact.ends(("z1",), ()) == {}

    def rounds(initial, parameters):
        return Limit({"x": math.floor(initial["x"])}, None, "")

    def asks_for_ever(initial, parameters):
        return Limit({"x": sum(initial["x"] > index for index in range(12))}, None, "")

    for rule in (rounds, asks_for_ever):
        assert as_expressions(rule, {"x": sympy.Symbol("x")}, {}) == {}


def test_the_same_question_is_asked_once():
    def rule(initial, parameters):
        x = initial["x"]
        return Limit({"x": abs(x) if x > 0 else -x if not x > 0 else 1 / 0}, None, "")

    x = sympy.Symbol("x")
    assert as_expressions(rule, {"x": x}, {})["x"].args[0] == (sympy.Abs(x), x > 0)
