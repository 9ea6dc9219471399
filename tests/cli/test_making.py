"""What a typed loss needs beside its text can be said on the command line."""

import json

import pytest

from dynsim.cli import main
from dynsim.cli.arguments import assignments, pieces
from dynsim.errors import DynsimError

LOSS = "E((phi*theta*(x+n1) - sg(theta*(x+n2)))^2)/2"
RANDOM = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"


def out_of(capsys, *argv):
    assert main(list(argv)) == 0
    return capsys.readouterr().out


def test_the_scalar_system_from_its_samples(capsys):
    typed = out_of(capsys, "derive", LOSS, "--random", RANDOM, "--rates", "phi=alpha", "--decay",
                   "phi=eta_p,theta=eta_s", "--json")  # fmt: skip
    named = out_of(capsys, "derive", "scalar", "--json")
    from dynsim.symbolic.parser import parse

    one, other = json.loads(typed)["rhs"], json.loads(named)["rhs"]
    assert one.keys() == other.keys()
    assert all((parse(one[name]) - parse(other[name])).expand() == 0 for name in one)


def rows_of(capsys, *argv):
    return json.loads(out_of(capsys, "simulate", *argv, "--json"))["rows"]


def test_equations_instead_of_a_loss(capsys):
    rows = rows_of(capsys, "--field", "x' = y; y' = -x", "--initial", "x=1,y=0", "--t-end", "3.141592653589793")
    assert rows[-1]["x"] == pytest.approx(-1.0, abs=1e-8)


def test_structure_and_schedules(capsys):
    assert "λ_d3" not in out_of(capsys, "derive", "modes", "--structure", "k=2")
    moving = ("--states", "w", "--initial", "w=1", "--set", "a=max(t, 0)", "--t-end", "2")
    assert rows_of(capsys, "w^2*a/2", *moving)[-1]["w"] == pytest.approx(2.718281828**-2, rel=1e-6)


@pytest.mark.parametrize(
    "argv",
    [
        ("simulate",),
        ("simulate", "toy", "--field", "x' = -x"),
        ("derive", "w^2", "--states", "w", "--track", "w"),
        ("derive", "w^2", "--states", "w", "--rates", "w"),
        ("derive", "modes", "--structure", "k=1e9"),
        ("derive", "modes", "--structure", "k=two"),
        ("derive", "w*x", "--states", "w", "--random", "x ~ normal(0, -1)"),
        ("simulate", "toy", "--set", "alpha=10^400"),
        ("simulate", "toy", "--set", "alpha=t*b"),
        ("simulate", "toy", "--field", "x' ="),
    ],
)
def test_mistakes_are_one_line(argv, capsys):
    assert main(list(argv)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_commas_inside_parentheses_belong_to_the_value():
    assert pieces(["a=max(t, 1),b=[1, 2]", " c=3 ", ""]) == ["a=max(t, 1)", "b=[1, 2]", " c=3 "]
    assert assignments("--set", ["α=2,θ=1/4"]) == {"alpha": 2.0, "theta": 0.25}
    with pytest.raises(DynsimError, match="expression in t"):
        assignments("--set", ["a=b"], timed=True)
