"""Random losses with stop-gradients: SymPy's field and torch's agree in every branch."""

import numpy as np
import pytest

import dynsim

STATES = ("x", "y", "v")


def random_loss(generator):
    """Sum of products of states, of a parameter, of functions and of stop-gradients of them, nested too."""

    def factor(depth):
        kind = generator.integers(0, 7 if depth else 3)
        name = ("x", "y", "v", "a")[generator.integers(4)]
        if kind == 0:
            return f"{name}^{generator.integers(1, 4)}"
        if kind <= 2:
            return name
        inner = " + ".join(term(depth - 1) for _ in range(generator.integers(1, 3)))
        return {3: f"sg({inner})", 4: f"exp(-({inner})^2)", 5: f"({inner})", 6: f"sg({inner})*{name}"}[int(kind)]

    def term(depth):
        number = f"{generator.uniform(-1, 1):.3f}"
        return "*".join([f"({number})", *(factor(depth) for _ in range(generator.integers(1, 4)))])

    terms = " + ".join(term(2) for _ in range(generator.integers(2, 5)))
    return f"({terms}) + sg(x*y)*x*v*y + x^2"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_two_roads_agree(seed, branch, autograd):
    generator = np.random.default_rng(seed)
    flow = dynsim.gradient_flow(
        random_loss(generator),
        STATES,
        branch=branch,
        rates={"x": "alpha"},
        decay={"y": "eta"},
    )
    states = {name: generator.uniform(-1, 1, 100) for name in STATES}
    parameters = {name: generator.uniform(0.1, 2, 100) for name in flow.parameters}
    told = autograd(flow, states, parameters)
    derived = flow.compiled.field(parameters).f(0.0, np.array([states[name] for name in STATES]))
    for index, name in enumerate(STATES):
        scale = 1 + np.abs(derived).max(axis=0)
        assert (np.abs(told[name] - derived[index]) <= 1e-12 * scale).all()


def test_the_check_can_fail(autograd):
    right = dynsim.gradient_flow("(x*y - sg(y))^2/2", "x, y")
    wrong = dynsim.gradient_flow("(x*y - y)^2/2", "x, y")
    point = {"x": np.array([0.6]), "y": np.array([0.1])}
    told = autograd(right, point, {})
    assert abs(told["y"] - wrong.field().f(0.0, np.array([[0.6], [0.1]]))[1]) > 1e-2
