"""One page on a flow."""

import json

from dynsim import gradient_flow, system
from dynsim.analysis.report import report


def test_what_holds_at_these_parameters_only_is_told_too():
    told = report(system("scalar"), parameters={"eta_p": 0.1, "eta_s": 0.1})
    assert told["first_integrals"] == []
    assert len(told["first_integrals_here"]) == 1
    assert told["complete"] is True
    assert any("critical manifold" in limit for limit in told["limits"])
    json.dumps(told)


def test_what_was_cut_off_or_searched_says_so():
    game = gradient_flow("a*x^2/2 + b*x*y + d*y^2/2 + c*sg(x)*y", ["x", "y"])
    told = report(game, parameters={"a": 1, "b": 1, "c": 1, "d": 1})
    assert "up to degree" in told["first_integrals_note"]
    loss = gradient_flow("(exp(p*w) - 1 - sg(w))^2/2 + p^2 + w^2/10", ["p", "w"])
    told = report(loss)
    assert told["complete"] is False
    assert "numeric" in told["note"]
    assert "outcome" not in told
