"""Laws of families of flows, counted: against closed formulae, and against what is found."""

from itertools import pairwise

import pytest
import sympy

from dynsim import DynsimError, Flow, Move, count_integrals, first_integrals, gradient_flow, system


def matrix(name, rows, columns):
    return sympy.Matrix(rows, columns, lambda i, j: sympy.Symbol(f"{name}_{i}{j}"))


def linear(*widths):
    """Layers from the input's width to the output's, under a loss of their product: for all data, any such loss."""
    layers = [matrix(f"w{i}", above, below) for i, (below, above) in enumerate(pairwise(widths))]
    total = sympy.eye(widths[0])
    for layer in layers:
        total = layer * total
    data = matrix("c", *total.shape)
    loss = sum(c * m for c, m in zip(data, total, strict=True))
    return loss, [symbol.name for layer in layers for symbol in layer], [symbol.name for symbol in data]


@pytest.mark.parametrize(
    ("widths", "number"),
    [
        ((1, 1, 1), 1),
        ((2, 2, 2), 3),
        ((3, 2, 2), 3),
        ((3, 3, 2), 6),
        ((1, 2, 1), 3),
        ((1, 3, 1), 5),
        ((2, 4, 1), 9),
        ((1, 2, 2, 2), 6),
        ((1, 1, 1, 1), 2),
    ],
)
def test_linear_networks(widths, number):
    """Two layers, h ≤ n + m: h(h + 1)/2; h > n + m = r: r(2h + 1 − r)/2. Marcotte, Gribonval & Peyré (2023)."""
    loss, states, data = linear(*widths)
    found = count_integrals(gradient_flow(loss, states), data)
    assert (found.number, found.with_time, found.exact) == (number, number, True)
    if len(widths) == 3:
        inner, r = widths[1], widths[0] + widths[2]
        assert number == (inner * (inner + 1) // 2 if inner <= r else r * (2 * inner + 1 - r) // 2)


@pytest.mark.parametrize(("widths", "number"), [((2, 2, 2), 1), ((1, 2, 1), 2), ((1, 1, 1), 0)])
def test_momentum_keeps_what_rotations_give(widths, number):
    """Heavy ball, with the time: h(h − 1)/2 if h ≤ n + m, but 2 for (1, 2, 1)."""
    loss, states, data = linear(*widths)
    rules = {name: Move(sympy.Symbol(f"v_{name}")) for name in states}
    rules |= {f"v_{name}": Move(-sympy.Symbol(f"v_{name}") - loss.diff(sympy.Symbol(name))) for name in states}
    assert count_integrals(Flow.of(rules), data).with_time == number


def simsiam(branch, *, noise=True, decay=(), teacher=False):
    """P′ = α(−PWΣ_s + VΣ_d)Wᵀ − η_p P, W′ = Pᵀ(−PWΣ_s + VΣ_d) − η_s W [+ PWΣ_d − WΣ_s]; two features of two pixels."""
    p, w, v = matrix("P", 2, 2), matrix("W", 2, 2), matrix("V", 2, 2)
    alpha, beta = sympy.symbols("alpha beta")

    def moments(name):
        a, b, c = sympy.symbols(f"{name}1:4")
        return sympy.Matrix([[a, b], [b, c]])

    signal = moments("d")
    views = moments("s") if noise else signal
    force = -p * w * views + (v if teacher else w) * signal
    first, second = p.T * force, p * w * signal - w * views
    moves = [alpha * force * w.T, {"stop": first, "full": first + second, "target": second}[branch]]
    for i, rate in enumerate(decay):
        moves[i] = moves[i] - sympy.Symbol(rate) * (p, w)[i]
    rules = {s.name: Move(e) for m, change in zip((p, w), moves, strict=True) for s, e in zip(m, change, strict=True)}
    if teacher:
        rules |= {s.name: Move(beta * (x - s)) for s, x in zip(v, w, strict=True)}
    return Flow.of(rules), sorted(symbol.name for symbol in signal.free_symbols | views.free_symbols)


@pytest.mark.parametrize(
    ("options", "number", "with_time"),
    [
        ({"branch": "stop"}, 3, 3),
        ({"branch": "stop", "noise": False}, 3, 3),
        ({"branch": "full", "noise": False}, 3, 3),
        ({"branch": "target", "noise": False}, 3, 3),
        ({"branch": "full"}, 0, 0),
        ({"branch": "target"}, 0, 0),
        ({"branch": "stop", "decay": ("eta", "eta")}, 2, 3),
        ({"branch": "stop", "decay": ("eta_p", "eta_s")}, 0, 0),
        ({"branch": "stop", "teacher": True}, 3, 3),
    ],
)
def test_the_matrix_flow_for_all_data(options, number, with_time):
    """The balance law WWᵀ − PᵀP/α, k(k + 1)/2 entries, is all there is; without sg noise leaves none."""
    found = count_integrals(*simsiam(**options))
    assert (found.number, found.with_time, found.exact) == (number, with_time, True)


def test_one_law_per_hidden_unit_with_relu():
    flow = gradient_flow("(a*relu(u*x + v*z) + b*relu(w*x + q*z) - y)^2/2", "a, b, u, v, w, q")
    assert count_integrals(flow, "x, y, z").number == 2


def test_all_that_are_counted_are_found():
    flow = gradient_flow("s*(a*b)^2/2 - d*a*b", "a, b")
    laws = first_integrals(flow, over=["s", "d"])
    assert laws.complete
    assert "1 of 1" in repr(laws)
    assert sympy.simplify(laws[0].diff("a") * sympy.Symbol("b") + laws[0].diff("b") * sympy.Symbol("a")) == 0
    assert first_integrals(flow).counted is None


def test_a_law_that_needs_the_parameter_does_not_count_over_it():
    """θ² − φ²/α is a law of the toy, but no function is constant for every α."""
    toy = system("toy")
    assert count_integrals(toy, "alpha").number == 0
    laws = first_integrals(toy, over="alpha")
    assert list(laws) == []
    assert laws.complete
    # Decay as a rate counted over: nothing decays at a rate that is known.
    scalar = system("scalar").fix(eta_p="eta", eta_s="eta")
    assert count_integrals(scalar, "sigma2").with_time == 1
    assert count_integrals(scalar, "sigma2, eta").with_time == 0


def test_a_common_denominator_is_a_change_of_time():
    flow = Flow.of({"x": Move("c*y/(1+x^2)"), "y": Move("-c*x/(1+x^2)")})
    assert count_integrals(flow, "c").number == 1


@pytest.mark.parametrize("over", ["", (), None, []])
def test_a_single_field_is_no_family(over):
    with pytest.raises(DynsimError, match=r"over.*one autonomous field alone always has 1 local"):
        count_integrals(system("toy"), over)


@pytest.mark.parametrize(
    ("flow", "over", "words"),
    [
        ("toy", "theta", "'theta'"),
        ("toy", "gamma", "'gamma'"),
        (gradient_flow("(tanh(a*w) - v)^2", "v, w"), "a", "rational"),
        (gradient_flow("(exp(a)*w - v)^2", "v, w"), "a", "rational"),
        (3, "a", "flow"),
    ],
)
def test_bad_input_is_named(flow, over, words):
    with pytest.raises(DynsimError, match=words) as caught:
        count_integrals(flow, over)
    assert "\n" not in str(caught.value)


def test_what_takes_too_long_is_an_upper_bound(monkeypatch):
    from dynsim.analysis.algebra import counting

    monkeypatch.setattr(counting, "_BUDGET", 0.0)
    loss, states, data = linear(2, 2, 2)
    found = count_integrals(gradient_flow(loss, states), data)
    assert not found.exact
    assert found.number >= 3
    assert "at most" in repr(found)
