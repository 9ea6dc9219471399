import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim import Flow, Move, equilibria, gradient_flow, system
from dynsim.analysis.algebra import equilibria as module
from dynsim.analysis.algebra.algebraic_set import real_solutions
from dynsim.errors import DynsimError
from dynsim.symbolic.expressions import expression

phi, theta = sympy.symbols("phi theta")


@pytest.fixture(autouse=True)
def however_busy_the_machine_is(monkeypatch):
    monkeypatch.setattr(module, "_BUDGET", 100.0)


def values_of(changes, name):
    return [float(point[name]) for point in changes]


@pytest.mark.parametrize(
    ("branch", "transverse", "changes"),
    [("stop", phi * (1 - phi), [0, 1]), ("full", -((1 - phi) ** 2), []), ("target", phi - 1, [1])],
)
def test_the_two_lines_of_the_toy(branch, transverse, changes):
    found = equilibria(system("toy", branch=branch), {"alpha": 2})
    assert found.complete
    assert [item.kind for item in found] == ["line", "line"]
    collapsed = next(item for item in found if item.curve["theta"] == 0)
    alive = next(item for item in found if item.curve["phi"] == 1)
    assert alive.eigenvalues == (-2 * theta**2, 0)
    assert alive.changes == ()
    assert sympy.expand(collapsed.eigenvalues[0] - transverse) == 0
    assert values_of(collapsed.changes, "phi") == changes
    assert collapsed.along([0.5])["theta"] == 0


def test_the_decaying_scalar_system_has_a_fold():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    sigma2 = sympy.Rational(1, 10)
    critical = 1 / (4 * (1 + sigma2))
    below = equilibria(flow, {"eta": critical - sympy.Rational(1, 100), "sigma2": sigma2})
    at = equilibria(flow, {"eta": critical, "sigma2": sigma2})
    above = equilibria(flow, {"eta": critical + sympy.Rational(1, 100), "sigma2": sigma2})
    assert [len(below), len(at), len(above)] == [5, 3, 1]
    assert [item.kind for item in at if item.point["phi"] != 0] == ["non-hyperbolic"] * 2
    assert sorted(item.kind for item in below) == ["saddle"] * 2 + ["stable node"] * 3
    eta = critical - sympy.Rational(1, 100)
    root = sympy.sqrt(1 - 4 * eta * (1 + sigma2))
    exact = {(1 - root) / (2 * (1 + sigma2)), (1 + root) / (2 * (1 + sigma2)), 0}
    assert all(any(sympy.simplify(item.point["phi"] - value) == 0 for value in exact) for item in below)


def test_stability_is_that_of_the_field_and_not_of_the_loss():
    flow = gradient_flow("(p*w - sg(w))^2/2 + eta*(w^2 + p^2)/2", ["p", "w"])
    found = equilibria(flow, {"eta": 0.1}, box={"p": (0.05, 0.2), "w": (0.05, 0.2)})
    (lower,) = found
    assert lower.kind == "saddle"
    assert lower.point["p"] == pytest.approx(0.112702, abs=1e-6)
    assert lower.eigenvalues == pytest.approx((0.08730, -0.2), abs=1e-5)


@pytest.mark.parametrize(
    ("velocity", "kind"),
    [
        ((lambda x, y: -x, lambda x, y: -2 * y), "stable node"),
        ((lambda x, y: x, lambda x, y: 2 * y), "unstable node"),
        ((lambda x, y: -x - 3 * y, lambda x, y: 3 * x - y), "stable focus"),
        ((lambda x, y: x - 3 * y, lambda x, y: 3 * x + y), "unstable focus"),
        ((lambda x, y: x, lambda x, y: -y), "saddle"),
        ((lambda x, y: -y, lambda x, y: x), "centre"),
        ((lambda x, y: y, lambda x, y: x**2), "non-hyperbolic"),
        ((lambda x, y: -(x**3), lambda x, y: -y), "non-hyperbolic"),
    ],
)
def test_every_kind(velocity, kind):
    x, y = symbols = sympy.symbols("x y")
    flow = Flow(("x", "y"), sympy.Matrix([f(x, y) for f in velocity]), {s.name: s for s in symbols})
    (found,) = equilibria(flow)
    assert found.kind == kind
    assert found.point == {"x": 0, "y": 0}


@pytest.mark.parametrize("eta", [0.05, 0.15])
def test_classification_agrees_with_short_runs(eta):
    """Near a stable point runs come closer in every direction, near a saddle along one they leave."""
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    for item in equilibria(flow, {"eta": eta}):
        centre = np.array([item.point[name] for name in flow.states])
        grows = []
        for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
            start = centre + 1e-5 * np.array([np.cos(angle), np.sin(angle)])
            run = dynsim.solve(flow, dict(zip(flow.states, start, strict=True)), 40.0, parameters={"eta": eta})
            end = np.array([float(run[name][-1]) for name in flow.states])
            grows.append(np.linalg.norm(end - centre) > 1e-5)
        assert any(grows) == (item.kind == "saddle")
        assert not all(grows) or item.kind == "saddle"


def test_curves_that_are_not_straight_and_points_beside_them():
    flow = Flow(
        ("x", "y"),
        sympy.Matrix([sympy.sympify("(x**2 + y**2 - 1)*(x - 2)"), sympy.sympify("(x**2 + y**2 - 1)*(y + x)")]),
        {name: sympy.Symbol(name) for name in "xy"},
    )
    found = equilibria(flow)
    curves = [item for item in found if item.kind == "line"]
    points = [item for item in found if item.kind != "line"]
    assert [item.point for item in points] == [{"x": 2, "y": -2}]
    assert len(curves) == 2  # upper and lower half of the circle
    for item in curves:
        at = item.along([-0.5, 0.3])
        assert at["x"] ** 2 + at["y"] ** 2 == pytest.approx(np.ones(2))
        assert np.isnan(item.along([2.0])["y"]).all()


def test_three_states_and_a_teacher():
    found = equilibria(system("byol"), {"eta_p": 0.1, "eta_s": 0.15})
    assert found.complete
    assert [item.kind.split()[0] for item in found] == ["stable", "saddle", "saddle", "stable", "stable"]
    for item in found:
        assert system("byol").field({"eta_p": 0.1, "eta_s": 0.15}).f(0, np.array(list(item.point.values()))) == (
            pytest.approx(np.zeros(3), abs=1e-14)
        )


def test_functions_that_never_vanish_do_not_stand_in_the_way():
    psi, slope = sympy.Symbol("psi"), sympy.sympify("1/(1 + exp(theta*psi))")
    gamma = sympy.Symbol("gamma")
    flow = Flow(
        ("theta", "psi"),
        sympy.Matrix([-psi * slope, theta * slope - gamma * psi]),
        {"theta": theta, "psi": psi, "gamma": gamma},
    )
    for value, kind in ((0, "centre"), (sympy.Rational(1, 2), "stable focus"), (2, "stable node")):
        found = equilibria(flow, {"gamma": value})
        assert found.complete
        assert [item.kind for item in found] == [kind]


def test_the_numeric_search_admits_that_it_proves_nothing():
    flow = gradient_flow("(exp(p*w) - 1 - sg(w))^2/2 + p^2 + w^2/10", ["p", "w"])
    found = equilibria(flow, box={"p": (-2, 2), "w": (-2, 2)})
    assert not found.complete
    assert "not proven complete" in str(found)
    assert "not polynomial" in found.note
    assert [item.kind for item in found] == ["stable node", "saddle", "stable node"]
    assert [item.point for item in equilibria(flow)] == [item.point for item in equilibria(flow)]


def test_the_numeric_search_finds_curves():
    found = equilibria(gradient_flow("(tanh(p*w) - sg(w))^2/2", ["p", "w"]))
    assert [item.kind for item in found] == ["line", "line"]
    for item in found:
        at = item.trace
        assert np.tanh(at["p"] * at["w"]) == pytest.approx(at["w"], abs=1e-7)


def test_exact_and_numeric_search_agree(monkeypatch):
    flow, box = system("scalar").fix(eta_p="eta", eta_s="eta"), {"phi": (-2, 2), "theta": (-2, 2)}
    exact = equilibria(flow, {"eta": 0.1}, box=box)
    monkeypatch.setattr(module, "_BUDGET", -1.0)
    numeric = equilibria(flow, {"eta": 0.1}, box=box)
    assert exact.complete
    assert not numeric.complete
    assert "out of time" in numeric.note
    assert [item.kind for item in exact] == [item.kind for item in numeric]
    for one, other in zip(exact, numeric, strict=True):
        assert one.point == pytest.approx(other.point, abs=1e-7)


def test_the_box_selects():
    flow = system("toy")
    assert len(equilibria(flow, box={"theta": (0.5, 1), "phi": (0, 2)})) == 1
    assert len(equilibria(flow, box={"theta": (0.5, 1), "phi": (0, 0.5)})) == 0
    inside = equilibria(flow, box={"phi": (0.5, 2)})
    assert [values_of(item.changes, "phi") for item in inside] == [[1.0], []]


def test_number_types_follow_the_input():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta", sigma2=0)
    exact = equilibria(flow, {"eta": sympy.Rational(1, 10)})
    assert all(isinstance(value, sympy.Basic) for item in exact for value in item.point.values())
    floats = equilibria(flow, {"eta": 0.1})
    assert all(isinstance(value, float) for item in floats for value in item.point.values())
    assert [{n: float(v) for n, v in item.point.items()} for item in exact] == [item.point for item in floats]


def test_it_reads_well():
    found = equilibria(system("toy"))
    assert "phi = 1, theta free" in str(found)
    assert "complete" in str(found)
    assert "<table>" in found._repr_html_()
    assert found[0] is next(iter(found))
    assert len(found[:1]) == 1


@pytest.mark.parametrize(
    ("parameters", "box"),
    [
        ({"gamma": 1}, None),
        ({"alpha": float("nan")}, None),
        ({"alpha": "many"}, None),
        (None, {"phi": (1, 1)}),
        (None, {"phi": (2, 1)}),
        (None, {"rho": (0, 1)}),
        (None, {"phi": 3}),
        (None, [0, 1]),
    ],
)
def test_bad_input(parameters, box):
    with pytest.raises(DynsimError):
        equilibria(system("toy"), parameters, box=box)


def test_a_value_at_which_the_field_is_infinite():
    with pytest.raises(DynsimError, match="finite"):
        equilibria(gradient_flow("x^2/sigma2", ["x"]), {"sigma2": 0})


def test_limits_of_sympy_lead_to_the_numeric_search():
    found = equilibria(system("cosine", variant="isoloss"))
    assert len(found) > 0
    assert not found.complete


def test_rounding_leaves_no_trace():
    """Real eigenvalues have no imaginary dust, and a searched equilibrium at the origin is at zero."""
    move = dynsim.Move
    lorenz = Flow.of({"x": move("10*(y - x)"), "y": move("x*(28 - z) - y"), "z": move("x*y - 8*z/3")})
    away = equilibria(lorenz, box={"x": (1, 20)})[0]
    assert [isinstance(value, float) for value in away.eigenvalues] == [False, False, True]
    searched = equilibria(dynsim.gradient_flow("tanh(x)*x - x*y + y^2", "x, y"))
    assert {"x": 0.0, "y": 0.0} in [item.point for item in searched]


def moves(**velocities):
    return Flow.of({name: dynsim.Move(velocity) for name, velocity in velocities.items()})


def test_real_points_of_complex_curves_and_rings_off_every_grid():
    ring = equilibria(gradient_flow("((x-0.3)^2+(y-0.3)^2-0.0025)^2/4", "x,y"))
    assert ring.complete
    assert [item.kind for item in ring] == ["line", "line", "unstable node"]
    for item in ring[:2]:
        at = item.along([0.27])
        assert (at["x"] - 0.3) ** 2 + (at["y"] - 0.3) ** 2 == pytest.approx(0.0025)
    third = equilibria(moves(x="(x-1/3)^2+(y-1/3)^2", y="((x-1/3)^2+(y-1/3)^2)*x"))
    assert [item.point for item in third] == [{"x": sympy.Rational(1, 3), "y": sympy.Rational(1, 3)}]
    assert len(third) == 1
    assert third.complete
    (origin,) = equilibria(moves(x="x^2+y^2", y="(x^2+y^2)*x"))
    assert (origin.kind, origin.point) == ("non-hyperbolic", {"x": 0, "y": 0})
    cusp = equilibria(moves(x="y^2-x^2*(x-1)", y="(y^2-x^2*(x-1))*y"))
    assert [item.point for item in cusp if item.dimension == 0] == [{"x": 0, "y": 0}]
    assert len([item for item in cusp if item.dimension == 1]) == 2


@pytest.mark.parametrize("powers", [(2, 4), (4, 2), (2, 6), (4, 4), (6, 4)])
def test_the_real_point_of_a_complex_curve_is_found_however_flat_the_field_is_there(powers):
    sides = "(x-1/7)^{}+(y+2/7)^{}".format(*powers)
    found = equilibria(moves(x=sides, y=f"({sides})*x"))
    assert [item.point for item in found] == [{"x": sympy.Rational(1, 7), "y": sympy.Rational(-2, 7)}]
    assert found.complete == (2 in powers)  # else a root of fourth order is met, which no square root expresses


def test_what_is_exact_is_kept_beside_a_curve_that_no_square_root_expresses():
    oval = equilibria(moves(x="(x^4+y^4-1/1000)*x", y="(x^4+y^4-1/1000)*y"))
    assert not oval.complete
    assert sorted(item.kind for item in oval) == ["line", "stable node"]
    touching = equilibria(moves(x="x^4+y^2*(y-1)^2", y="(x^4+y^2*(y-1)^2)*(x+1)"))
    assert [item.point for item in touching] == [{"x": 0, "y": 0}, {"x": 0, "y": 1}]  # no numeric copies beside them
    node = equilibria(moves(x="(x^5+y^5-x*y)", y="(x^5+y^5-x*y)*x"))
    assert {item.dimension for item in node} == {1}  # its double point lies on the curve


def test_stability_changes_where_a_curve_is_real():
    ring = equilibria(gradient_flow("((x-0.2)^2+4*(y+0.1)^2-0.0009)^2/4", "x,y"))
    assert [item.changes for item in ring if item.dimension] == [(), ()]
    # On the circle the eigenvalue is 4xy: its sign changes at all four axes, two of them where the graphs over x meet.
    for item in equilibria(moves(x="(x^2+y^2-1)*y", y="(x^2+y^2-1)*x")):
        if item.dimension:
            assert sorted(float(change["x"]) for change in item.changes) == [-1, 0, 1]
            assert all(float(change["x"] ** 2 + change["y"] ** 2) == pytest.approx(1) for change in item.changes)


def test_lines_and_surfaces_end_at_kinks():
    """Of x' = max(x, 0) nothing moves where x ≤ 0, and everything beyond."""
    (half,) = equilibria(moves(x="max(x,0)", y="-y"))
    assert str(half.row()["where"]) == "x free, y = 0, x ≤ 0"
    assert half.eigenvalues == (-1, 0)
    assert np.isnan(half.along([1.0])["x"]).all()
    assert half.along([-1.0])["y"] == 0
    (between,) = equilibria(gradient_flow("max(0,1-w)^2+max(0,w-2)^2", "w"))
    assert between.row()["where"] == "w free, w ≥ 1, w ≤ 2"
    assert len(equilibria(gradient_flow("max(0,1-w)^2+max(0,w-2)^2", "w"), box={"w": (2.5, 3)})) == 0
    dead, alive = equilibria(gradient_flow("(v*max(u,0)-1)^2/2", "u,v"))
    assert dead.row()["where"] == "u free, v free, u ≤ 0"
    assert alive.row()["where"] == "u free, v = 1/u, u ≥ 0"
    both = [item for item in equilibria(gradient_flow("(abs(u)*abs(v)-1)^2/2", "u,v")) if item.dimension]
    assert sorted(item.row()["where"] for item in both) == ["u free, v = -1/u", "u free, v = 1/u"]


KINKED = ["max({0}-1/2,0)", "max(-{0},0)", "abs({0}-1/3)", "{0}*max({0},0)", "min({0},1)"]


@given(st.lists(st.sampled_from(KINKED), min_size=2, max_size=2), st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_of_piecewise_fields_exactly_the_zeros_are_said_to_rest(terms, seed):
    flow = moves(x=terms[0].format("x"), y=f"-y*({terms[1].format('x')})")
    found = equilibria(flow)
    assert found.complete
    field = flow.field()
    for x in [*np.random.default_rng(seed).uniform(-2, 2, 12), 0.0, 1 / 3, 0.5, 1.0]:
        for y in (0.0, 0.7):
            point = np.array([x, y])
            rests = np.abs(field.f(0.0, point)).max() == 0
            assert rests == any(_holds(item, point) for item in found), (flow.rhs, point)


def _holds(item, point):
    symbols = dict(zip(("x", "y"), point, strict=True))
    there = {name: float(sympy.sympify(value).subs(symbols)) for name, value in (item.curve or item.point).items()}
    on_it = all(abs(value - symbols[name]) < 1e-12 for name, value in there.items())
    return on_it and all(float(condition.subs(symbols)) >= 0 for condition in item.conditions)


@pytest.mark.parametrize(
    ("velocity", "kind", "eigenvalue"),
    [("-2*x+abs(x)", "stable node", -1), ("2*x+abs(x)", "unstable node", 1), ("-abs(x)", "non-hyperbolic", None)],
)
def test_a_kink_is_as_stable_as_its_slowest_side(velocity, kind, eigenvalue):
    (found,) = equilibria(moves(x=velocity))
    assert found.kind == kind
    assert found.eigenvalues == (eigenvalue,) if eigenvalue else np.isnan(found.eigenvalues[0])


def test_a_line_along_a_kink_has_no_eigenvalue():
    """x' = −2x + |x| falls at rate 1 on one side of the line and 3 on the other."""
    (line,) = equilibria(moves(x="-2*x+abs(x)", y="0*y"))
    assert line.row()["where"] == "x = 0, y free"
    assert np.isnan(float(line.eigenvalues[0]))
    _, strip = equilibria(moves(x="max(x-1/2,0)", y="-y*max(-x,0)"))
    assert strip.row()["where"] == "x free, y free, x ≤ 1/2, x ≥ 0"  # both its edges lie on it


def test_a_region_between_kinks_is_found_or_said_to_be_sought_in_vain():
    wide = equilibria(moves(x="max(x-1001,0)-max(1000-x,0)", y="0*y"))
    assert [item.row()["where"] for item in wide] == ["x free, y free, x ≥ 1000, x ≤ 1001"]
    curved = equilibria(moves(x="max(x^2+y^2-1/10^20,0)", y="0*y"))
    assert not curved.complete
    assert "no room" in curved.note


def test_sides_that_rotate_do_not_decide_a_kink():
    """Two stable linear fields side by side may be unstable together: no average is taken."""
    (found,) = equilibria(moves(x="-x/10+y*(1+9*max(sign(x*y),0))", y="-x*(10-9*max(sign(x*y),0))-y/10"))
    assert found.kind == "non-hyperbolic"
    assert np.isnan(found.eigenvalues[0])


@pytest.mark.parametrize("slope", [2, 1000, 10**6])
def test_a_line_that_crosses_a_corner_of_the_box_is_found(slope):
    flow = moves(x=f"(y-{slope}*x)*x", y=f"{slope}*x-y")
    (line,) = equilibria(flow, box={"x": (-1, 1), "y": (0.1, 0.2)})
    assert line.kind == "line"
    assert 0.1 <= line.point["y"] <= 0.2
    assert len(equilibria(flow, box={"x": (0.9, 1), "y": (0.1, 0.2)})) == 0


@pytest.mark.parametrize(
    ("flow", "count", "dimension"),
    [
        (moves(S="-b*S*I", I="b*S*I-g*I", R="g*I"), 1, 2),
        (gradient_flow("(p*w-sg(w))^2/2+(q*v-sg(v))^2/2", "p,w,q,v"), 4, 2),
        (system("modes"), 8, 3),
    ],
)
def test_surfaces_of_equilibria_are_named_with_what_is_free(flow, count, dimension):
    values = {"b": 2, "g": 1} if "b" in flow.parameters else None
    found = equilibria(flow, values)
    assert found.complete
    assert [item.kind for item in found] == [f"surface of dimension {dimension}"] * count
    assert all(len(item.free_states) == item.dimension == dimension for item in found)
    assert all("free" in row["where"] for row in found.table)
    assert str(equilibria(flow, values)) == str(found)
    point = np.array([float(value) for value in found[0].point.values()])
    assert np.abs(flow.field(values).f(0.0, point)).max() < 1e-14


def test_surfaces_that_no_algebra_reaches_are_one_row_and_the_same_every_time():
    flow = moves(p="tanh(w)*exp(p)", w="-tanh(w) - w*exp(z)", z="tanh(w)*w")
    first, second = equilibria(flow), equilibria(flow)
    assert not first.complete
    assert [item.kind for item in first] == ["surface of dimension 2"]
    assert str(first) == str(second)


def test_zeros_of_roots_and_kinks():
    for depth in (1, 2, 3):
        found = equilibria(system("jepa", L=depth))
        assert found.complete
        assert [float(item.point["w"]) for item in found] == pytest.approx([0.0, 0.8**depth])
    hinge = equilibria(gradient_flow("sigma2*theta^2+mu*max(0,1-abs(theta))^2", "theta"), {"sigma2": 0.1, "mu": 1.0})
    assert hinge.complete
    assert [item.point["theta"] for item in hinge] == [pytest.approx(-1 / 1.1), pytest.approx(1 / 1.1)]
    (rest,) = equilibria(moves(x="-x*abs(x)"))
    assert rest.point == {"x": 0}


def test_the_exact_search_ends_in_time_and_keeps_what_it_found(monkeypatch):
    monkeypatch.setattr(module, "_BUDGET", 0.0)
    found = equilibria(system("scalar").fix(eta_p="eta", eta_s="eta"), {"eta": 0.1})
    assert not found.complete
    assert "out of time" in found.note
    assert len(found) == 5


def test_equilibria_can_be_drawn_and_one_of_them_prints_in_two_lines():
    found = equilibria(system("scalar"), {"eta_p": 0.1, "eta_s": 0.1})
    data = found.dataset
    assert data.attrs["kind"] == "equilibria"
    assert list(data.kind.values) == [item.kind for item in found]
    np.testing.assert_allclose(data.growth, [complex(item.eigenvalues[0]).real for item in found])
    assert dynsim.draw(found).axes[0].get_xlabel()
    assert str(found[0]) == "stable node: phi = 0, theta = 0\neigenvalues -0.1, -0.1"
    lines = equilibria(system("toy")).dataset
    np.testing.assert_allclose(lines.growth, [lines.phi[0] * (1 - lines.phi[0]), -(lines.theta[1] ** 2)])
    assert all(len(repr(item).splitlines()) == 2 for item in equilibria(system("toy")))


def test_a_surface_is_found_where_few_of_its_points_lie_in_the_box():
    gap = "z - x - y"
    flow = Flow.of({"x": Move(gap), "y": Move(gap), "z": Move(f"2*({gap})")})
    found = dynsim.equilibria(flow, box={"x": (3, 5), "y": (6, 8), "z": (11.95, 12.05)})
    assert [item.kind for item in found] == ["surface of dimension 2"]
    assert 11.95 <= float(found[0].point["z"]) <= 12.05
    assert len(dynsim.equilibria(flow, box={"x": (3, 5), "y": (6, 8), "z": (14, 15)})) == 0


def test_a_zero_on_one_side_of_a_jump_is_no_rest():
    """Left of 0 the field goes to zero, at 0 and beyond it is 1 and more: a run arrives there and is carried on."""
    flow = Flow.of({"x": Move("heaviside(x)*(1 + exp(x)) + x*exp(x)")})
    assert len(equilibria(flow, box={"x": (-1, 1)})) == 0
    smooth = Flow.of({"x": Move("x*(1 + exp(x)) + x*exp(x)")})
    assert len(equilibria(smooth, box={"x": (-1, 1)})) == 1


BLOCKS = [
    ("x*(y - 1)", "x*(x - 2)*y"),
    ("u^2 - 2", "(v - u)*(v + 3)"),
    ("p*q", "p^2 + q^2 - q"),
    ("a^2 + b^2", "a*b"),
]


@pytest.mark.parametrize("second", range(1, len(BLOCKS)))
def test_groups_of_unknowns_that_share_no_equation_are_solved_apart_with_the_same_result(second):
    """Sums and differences of the equations link the groups, and have the same solutions."""
    both = [expression("equation", text) for block in (BLOCKS[0], BLOCKS[second]) for text in block]
    unknowns = sorted({symbol for entry in both for symbol in entry.free_symbols}, key=str)
    (a, b, c, d), spare = both, sympy.Symbol("z")
    apart = real_solutions(both, [*unknowns, spare], 100.0)
    linked = real_solutions([a + c, a - c, b + d, b - d], unknowns, 100.0)
    assert {str(piece) for piece in apart} == {str(piece | {spare: spare}) for piece in linked}
    assert real_solutions([*both, spare**2 + 1], [*unknowns, spare], 100.0) == []
    assert real_solutions([*both, sympy.Integer(1)], unknowns, 100.0) == []


def test_modes_that_do_not_meet_are_solved_one_by_one():
    """Searched together, five of them take more time than the exact search has."""
    found = dynsim.equilibria(dynsim.system("modes", k=5))
    assert found.complete
    assert len(found) == 2**5
