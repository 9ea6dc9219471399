"""Branches of equilibria against exact thresholds."""

import numpy as np
import pytest
import sympy

from dynsim import DynsimError, Flow, continuation, fold_curve, gradient_flow, system
from dynsim.symbolic.rules import Descend, Move


@pytest.mark.parametrize("sigma2", [0.0, 0.25])
def test_the_fold_of_weight_decay(sigma2):
    """Equal decays on c = 0: a saddle-node at η_c = 1/(4(1+σ²)), at p = 1/(2(1+σ²)) (Tian et al. 2021)."""
    flow = system("scalar").fix(eta_p="eta", eta_s="eta", sigma2=sigma2)
    found = continuation(flow, "eta", (0.01, 0.4))
    folds = {round(point["eta"], 10) for point in found.folds}
    assert folds == {round(1 / (4 * (1 + sigma2)), 10)}
    for point in found.folds:
        assert point["phi"] == pytest.approx(1 / (2 * (1 + sigma2)), abs=1e-8)
        assert abs(point["theta"]) == pytest.approx(point["phi"], abs=1e-8)  # α = 1, c = 0


def test_every_point_is_an_equilibrium_with_its_stability():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    found = continuation(flow, "eta", (0.01, 0.4), parameters={"sigma2": 0.1})
    data = found.branches
    assert data.sizes["branch"] >= 3  # two mirror images and the origin
    checked = 0
    for b in range(data.sizes["branch"]):
        one = data.isel(branch=b).dropna("along")
        for i in range(0, one.sizes["along"], 7):
            eta = float(one.eta[i])
            field = flow.field({"eta": eta, "sigma2": 0.1})
            y = np.array([float(one.phi[i]), float(one.theta[i])])
            assert np.abs(field.f(0, y)).max() < 1e-10
            growth = np.linalg.eigvals(field.jacobian(0, y)).real.max()
            assert growth == pytest.approx(float(one.growth[i]), abs=1e-9)
            assert int(one.stable[i]) == int(growth < 1e-9)
            checked += 1
    assert checked > 20


def test_a_pitchfork_is_a_branch_point_and_its_branches_are_followed():
    flow = gradient_flow("w^4/4 - mu*w^2/2", ["w"])  # w' = mu w − w³
    found = continuation(flow, "mu", (-1, 1), initial={"w": 0.0})
    assert len(found.branch_points) == 1
    assert abs(found.branch_points[0]["mu"]) < 1e-8
    ends = found.branches.where(found.branches.mu > 0.9).w
    assert float(ends.max()) == pytest.approx(1.0, abs=0.06)
    assert float(ends.min()) == pytest.approx(-1.0, abs=0.06)


def test_hopf():
    """x' = μx − y − x(x²+y²), y' = x + μy − y(x²+y²): Hopf at μ = 0."""
    flow = Flow.of({"x": Move("mu*x - y - x*(x^2+y^2)"), "y": Move("x + mu*y - y*(x^2+y^2)")})
    found = continuation(flow, "mu", (-0.53, 0.5), initial={"x": 0, "y": 0})
    assert len(found.hopf) == 1
    assert abs(found.hopf[0]["mu"]) < 1e-8
    assert not found.folds


def test_a_neutral_saddle_is_no_hopf_point():
    flow = Flow.of({"x": Move("mu*x + x"), "y": Move("-y")})
    found = continuation(flow, "mu", (-0.53, 0.5), initial={"x": 0, "y": 0})
    assert found.hopf == []


def test_fold_curve_of_decay_against_noise():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    fold = continuation(flow, "eta", (0.05, 0.4), parameters={"sigma2": 0.1}).folds[0]
    curve = fold_curve(flow, ("eta", "sigma2"), {**fold, "sigma2": 0.1}, span={"eta": (0.05, 0.4), "sigma2": (0, 1)})
    assert curve.sizes["along"] > 20
    assert float(curve.sigma2.max()) > 0.9
    assert np.allclose(curve.eta, 1 / (4 * (1 + curve.sigma2)), atol=1e-9)


def test_games_have_centres_not_folds():
    game = Flow.of({"x": Descend("x*y - gamma*x^2/2"), "y": Descend("-x*y - gamma*y^2/2")})
    found = continuation(game, "gamma", (-0.53, 0.5), initial={"x": 0, "y": 0})
    assert len(found.hopf) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: continuation(f, "beta", (0, 1)), "'beta'"),
        (lambda f: continuation(f, "sigma2", (1, 0)), "smaller"),
        (lambda f: continuation(f, "sigma2", 3), "pair"),
        (lambda f: continuation(f, "sigma2", (0, 1), parameters={"sigma2": 2}), "varies"),
        (lambda f: continuation(f, "sigma2", (0, 1), initial={"phi": 1}), "missing: theta"),
        (lambda f: continuation(3, "sigma2", (0, 1)), "flow"),
        (lambda f: fold_curve(f, ("eta_p", "eta_p"), {"phi": 1, "theta": 1, "eta_p": 1}), "different"),
        (lambda f: fold_curve(f, ("eta_p", "eta_s"), {"phi": 1, "theta": 1}), "eta_p"),
        (lambda f: fold_curve(f, ("eta_p", "eta_s"), {"phi": 1.2, "theta": 3, "eta_p": 0.4, "eta_s": 0.4}), "fold"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DynsimError, match=words):
        call(system("scalar"))


def test_a_subcritical_pitchfork_has_two_folds_and_the_branch_point_is_none():
    """w' = μw + w³ − w⁵: the branch that turns round in the pitchfork at μ = 0 folds at μ = −1/4, w = ±1/√2 only."""
    found = continuation(Flow.of({"w": Move("mu*w + w^3 - w^5")}), "mu", (-1, 1))
    assert sorted(round(fold["w"], 8) for fold in found.folds) == [-0.70710678, 0.70710678]
    assert all(abs(fold["mu"] + 0.25) < 1e-10 for fold in found.folds)
    assert len(found.branch_points) == 1
    assert abs(found.branch_points[0]["mu"]) < 1e-10


def test_a_fold_tells_all_that_its_curve_needs():
    """27a² = 4b³ for the cusp w' = a + bw − w³, whose parameters have no defaults."""
    cusp = Flow.of({"w": Move("a + b*w - w^3")})
    fold = continuation(cusp, "a", (-1, 1), parameters={"b": 1.0}).folds[0]
    curve = fold_curve(cusp, ("a", "b"), fold)
    assert float(np.abs(27 * curve.a**2 - 4 * curve.b**3).max()) < 1e-9
    assert float(curve.b.max()) > 4


@pytest.mark.parametrize("start", [3, {"w": "x"}, {"w": float("nan")}, {"v": 1.0}, {}])
def test_a_start_that_is_none(start):
    with pytest.raises(DynsimError, match="initial"):
        continuation(Flow.of({"w": Move("mu - w^2")}), "mu", (-1, 1), initial=start)


@pytest.mark.parametrize("fold", [3, {"w": "x", "mu": 0}, {"w": 0.0}, {"w": 0.0, "mu": 0.0, "v": 1.0}])
def test_a_fold_that_is_none(fold):
    with pytest.raises(DynsimError, match="fold"):
        fold_curve(Flow.of({"w": Move("mu - nu - w^2")}), ("mu", "nu"), fold, parameters={"nu": 0.0})


def flow_of(**velocities):
    return Flow.of({name: Move(text) for name, text in velocities.items()})


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_scales_come_from_the_data(size):
    """x = size·u turns u' = p − u + u²/4 (fold at u = 2, p = 1) into a flow of any size."""
    flow = flow_of(x="p*s - x + x^2/(4*s)").fix(s=sympy.Float(size))
    (fold,) = continuation(flow, "p", (0, 3)).folds
    assert fold["p"] == pytest.approx(1.0, abs=1e-12)
    assert fold["x"] == pytest.approx(2 * size, rel=1e-7)


def test_a_branch_far_from_everything_else_is_found():
    """x' = p − x + x²/1000 folds at x = 500, p = 250; the Hill function's attractor lies near v."""
    (fold,) = continuation(flow_of(x="p - x + x^2/1000"), "p", (0, 260)).folds
    assert (fold["x"], fold["p"]) == pytest.approx((500, 250), rel=1e-9)
    found = continuation(flow_of(x="v*x^2.2/(1+x^2.2) + 1/20 - x"), "v", (5, 20))
    data = found.branches
    high = data.x.where((data.stable == 1) & (data.v > 10) & (data.v < 20))
    assert float(high.count()) > 10
    assert float((high / data.v).min()) > 0.9
    assert "0.001 and 10000" in found.searched


def test_no_branch_is_said_to_be_none_and_why():
    found = continuation(flow_of(a="l*b - k*a", b="k*a - l*b"), "k", (1, 2), parameters={"l": 1})
    assert found.branches.sizes["branch"] == 0
    assert "not isolated" in " ".join(found.notes)
    assert "no branch" in str(found)


@pytest.mark.parametrize(
    ("flow", "name", "span"),
    [
        (flow_of(x="r*(x-x^3)"), "r", (-1, 1)),
        (system("scalar").fix(eta_p="eta", eta_s="eta", sigma2=0.0), "eta", (-0.1, 0.2)),
    ],
)
def test_where_a_line_of_equilibria_hangs_there_is_no_fold(flow, name, span):
    found = continuation(flow, name, span)
    assert found.folds == []
    assert any("line of equilibria" in note for note in found.notes)
    assert all(
        np.ptp(found.branches[name][b].dropna("along").values) > 0.01 for b in range(found.branches.sizes["branch"])
    )


def test_a_fold_where_the_corrector_is_blind():
    """r = x + e^{−x} has its minimum at x = 0, r = 1."""
    (fold,) = continuation(flow_of(x="r - x - exp(-x)"), "r", (0, 2)).folds
    assert fold["r"] == pytest.approx(1.0, abs=1e-12)
    assert fold["x"] == pytest.approx(0.0, abs=1e-7)


def test_a_fold_of_high_order_is_reported_with_its_accuracy():
    """x' = p − x⁴: the Jacobian of the fold's equations is singular, Newton's method only creeps."""
    found = continuation(flow_of(x="p - x^4"), "p", (-1, 1))
    assert len(found.folds) == 1
    assert abs(found.folds[0]["x"]) < 1e-4
    assert any("accurate to" in note for note in found.notes)


@pytest.mark.parametrize(
    ("x", "y", "branches"), [("l*x-x^3", "l*y-y^3", 9), ("l*x-x*(x^2+y^2)", "l*y-y*(x^2+y^2)", 1)]
)
def test_two_eigenvalues_that_cross_together_make_one_branch_point(x, y, branches):
    """The axes and diagonals of two equal modes are eight halves of curves; the rotation's are a continuum."""
    found = continuation(flow_of(x=x, y=y), "l", (-1.03, 1), initial={"x": 0, "y": 0})
    (point,) = found.branch_points
    assert abs(point["l"]) < 1e-10
    assert found.branches.sizes["branch"] == branches
    assert found.hopf == []
    assert found.folds == []
    assert bool(branches == 1) == any("surface" in note for note in found.notes)


def test_hamiltonian_rounding_is_no_hopf_point():
    assert continuation(flow_of(x="g*y", y="-g*x"), "g", (0.5, 1), initial={"x": 0, "y": 0}).hopf == []


def test_a_kink_ends_a_branch_and_says_so():
    found = continuation(gradient_flow("(x-sign(x-p))^2/2", ["x"]), "p", (-1.5, 1.5))
    ends = {end for pair in found.ended for end in pair}
    assert any("jump" in end for end in ends)
    assert any("leaves the span" in end for end in ends)


def test_transcendental_fields_are_quick_and_right():
    found = continuation(flow_of(x="-x+tanh(r*x)"), "r", (0, 3))
    assert [round(point["r"], 10) for point in found.branch_points] == [1.0]
    dino = gradient_flow(
        "-(sg((1+r*tanh(b/(2*tau_t)))/2)*log(1/(1+exp(-b/tau_s)))"
        "+sg((1-r*tanh(b/(2*tau_t)))/2)*log(1/(1+exp(b/tau_s))))",
        ["b"],
    )
    found = continuation(dino, "tau_t", (0.03, 0.1), parameters={"r": 0.7, "tau_s": 0.1})
    assert [round(point["tau_t"], 10) for point in found.branch_points] == [0.07]  # τ_t = rτ_s


def test_the_lyapunov_coefficient_of_dino():
    """Constant mode and centre of two prototypes, instant teacher: m_H = 37.5, ω = 30.6186, ℓ₁ = −410.15625.

    ℓ₁ = −(τ_s²−τ_t²)/(128τ_s⁴τ_t²) is Re c₁ for an eigenvector whose a-component is ½.
    """
    flow = flow_of(a="-(tanh(a/(2*s)) - tanh((a-c)/(2*t_t)))/(2*s)", c="m*(a-c)")
    (point,) = continuation(flow, "m", (30, 45), parameters={"s": 0.1, "t_t": 0.04}, initial={"a": 0, "c": 0}).hopf
    assert point["m"] == pytest.approx(37.5, rel=1e-11)
    matrix = flow.field({"m": point["m"], "s": 0.1, "t_t": 0.04}).jacobian(0, np.zeros(2))
    values, vectors = np.linalg.eig(matrix)
    assert abs(values[0].imag) == pytest.approx(30.61862178, rel=1e-8)
    share = abs(vectors[0, 0]) / np.linalg.norm(vectors[:, 0])
    assert point["lyapunov"] * abs(values[0].imag) / (4 * share**2) == pytest.approx(-410.15625, rel=1e-6)


def test_a_subcritical_hopf_point_has_a_positive_coefficient():
    flow = flow_of(x="mu*x - y + x*(x^2+y^2)", y="x + mu*y + y*(x^2+y^2)")
    (point,) = continuation(flow, "mu", (-0.53, 0.5), initial={"x": 0, "y": 0}).hopf
    assert point["lyapunov"] > 0


@pytest.mark.parametrize("name", ["growth", "stable", "branch", "lyapunov"])
def test_names_of_results_are_refused(name):
    with pytest.raises(DynsimError, match=name):
        continuation(flow_of(x=f"{name} - x^2"), name, (-1, 1))


def test_a_spent_budget_keeps_what_was_found():
    found = continuation(flow_of(w="mu*w - w^3"), "mu", (-1.1, 1), initial={"w": 0}, budget=1e-9)
    assert any("limit" in note for note in found.notes)


def test_it_reads_and_is_saved(tmp_path):
    found = continuation(flow_of(w="mu*w - w^3"), "mu", (-1.1, 1))
    assert "branch point" in str(found)
    assert "<table" in found._repr_html_()
    found.dataset.to_netcdf(tmp_path / "branches.nc")
    assert found.dataset.attrs["kind"] == "branches"


@pytest.mark.parametrize(
    ("height", "span", "extrema"),
    [
        ("x/(1 + x^2)", (-1, 1), {-0.5: -1.0, 0.5: 1.0}),
        ("x*exp(-x)", (-1, 1), {np.exp(-1): 1.0}),
        ("exp(-x^2)", (-1, 2), {1.0: 0.0}),
        ("x^2*(x - 1000)/1000", (-0.1, 0.1), {0.0: 0.0}),
    ],
)
def test_a_branch_that_goes_far_keeps_the_folds_near_its_start(height, span, extrema):
    """x' = r − g(x) has a fold at every extremum of g; the branch itself goes on to x = 10⁴."""
    found = continuation(Flow.of({"x": Move(f"r - {height}")}), "r", span)
    folds = {round(point["r"], 9): point["x"] for point in found.folds}
    assert folds == pytest.approx({round(r, 9): x for r, x in extrema.items()}, abs=1e-7)
    assert not [note for note in found.notes if "which no fold" in note]


def test_a_far_branch_does_not_blind_one_near_by():
    """Scales are those of each branch: equilibria at 1000 say nothing of a fold at 0."""
    found = continuation(Flow.of({"x": Move("(r - x^2)*(x - 1000)")}), "r", (-1, 1))
    assert [(point["r"], point["x"]) for point in found.folds] == [pytest.approx((0.0, 0.0), abs=1e-9)]
    assert "closed" not in [why for pair in found.ended for why in pair]


@pytest.mark.long
def test_a_wave_turns_in_every_one_of_its_extrema():
    found = continuation(Flow.of({"x": Move("r - sin(x)")}), "r", (-2, 2))
    places = np.sort([point["x"] for point in found.folds])
    assert len(places) > 20
    np.testing.assert_allclose(np.abs(np.sin(places)), 1, rtol=1e-12)
    near = places[np.abs(places) < 20]
    np.testing.assert_allclose(np.diff(near), np.pi, rtol=1e-9)  # none is left out
