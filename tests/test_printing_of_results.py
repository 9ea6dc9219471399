"""What a result prints at a prompt is two lines, and a notebook shows it as what it is."""

import pytest

import dynsim

DECAYED = dynsim.system("scalar").fix(eta_p="eta", eta_s="eta")
RESULTS = {
    "flow": lambda: dynsim.system("toy"),
    "field": lambda: dynsim.Field(("x",), lambda t, y: -y),
    "method": lambda: dynsim.method("vicreg"),
    "outcome": lambda: dynsim.outcome("toy", {"phi": 0.6, "theta": 0.1}),
    "equilibrium": lambda: dynsim.equilibria(dynsim.system("toy"))[0],
    "continuation": lambda: dynsim.continuation(DECAYED, "eta", (0.1, 0.3), initial={"phi": 0.9, "theta": 0.9}),
}


@pytest.mark.parametrize("name", RESULTS)
def test_two_lines_at_a_prompt_and_html_in_a_notebook(name):
    result = RESULTS[name]()
    written = repr(result)
    assert len(written.splitlines()) == 2
    assert "object at 0x" not in written
    assert "<" in result._repr_html_()


def test_a_continuation_names_its_special_points():
    found = RESULTS["continuation"]()
    assert f"fold at eta = {found.folds[0]['eta']:.6g}" in repr(found)
    nothing = dynsim.continuation(dynsim.gradient_flow("(w-p)^2/2", "w"), "p", (0, 1))
    assert repr(nothing) == "Continuation over p: 1 branch\n  no fold, branch point or Hopf point"
