"""Averages in machine code: loops over nodes, compared with NumPy's."""

import numpy as np
import pytest

from dynsim import ensemble, gradient_flow

pytest.importorskip("llvmlite")

from dynsim.integrate.engine.choice import chosen
from dynsim.integrate.engine.kernel import build
from dynsim.integrate.engine.program import obstacle

LOSSES = {
    "one average": ("E((tanh(w*x) - 1/2)^2)/2", "w", "x ~ normal(0, s)"),
    "a function of an average": ("log(E(exp(w*x/2))) + w^2*v^2/4 + v^2", "w,v", "x ~ normal(0, s)"),
    "an average inside an average": ("E(log(1 + E(exp(w*x*n), n)))", "w", "x ~ normal(0, s), n ~ uniform(-1, 1)"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_averages_in_machine_code_are_those_of_numpy(name):
    loss, states, random = LOSSES[name]
    flow = gradient_flow(loss, states, random=random)
    assert obstacle(flow) == ""
    start = {state: [0.4, -0.7] if state == "w" else 0.3 for state in flow.states}
    options = {"times": [0.5, 2.0], "parameters": {"s": 0.8}, "rtol": 1e-9}
    compiled, scipy = (ensemble(flow, start, method=method, **options) for method in ("compiled", "scipy"))
    assert compiled.attrs["method"] == "compiled"
    for state in flow.states:
        np.testing.assert_allclose(compiled[state], scipy[state], rtol=1e-7)


def test_the_code_does_not_grow_with_the_nodes(monkeypatch):
    import sympy

    from dynsim.symbolic.expectation import Expectation, NormalNode

    x, w, t = NormalNode("x"), sympy.Symbol("w"), sympy.Symbol("t")
    y = NormalNode("y")
    few = Expectation(sympy.tanh(w * x), x, sympy.S.One)
    many = Expectation(sympy.tanh(w * x + y), x, sympy.S.One, y, sympy.S.One)
    velocities = [-w + item for item in (few, many)]
    methods = [chosen([velocity], [w, t], 0, 8)[0] for velocity in velocities]
    sizes = [
        str(build([velocity], [w, t], method, 8, False)).count("\n")
        for velocity, method in zip(velocities, methods, strict=True)
    ]
    assert sizes[1] < 1.5 * sizes[0]
