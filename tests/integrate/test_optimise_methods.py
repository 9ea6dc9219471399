"""Optimisers beyond the gradient: blocks in turn, teachers, Newton and Gauss–Newton."""

import numpy as np
import pytest

import dynsim
from dynsim.errors import DynsimError

START = {"phi": 0.6, "theta": 0.1}
STUDENT = {"phi": 0.6, "theta": 0.3, "xi": 0.3}
DECAYING = {"sigma2": 0.2, "eta_p": 0.02, "eta_s": 0.02}


class TestExactAlternatingMinimisation:
    def ends(self, branch, order, steps=3):
        flow = dynsim.system("toy", branch=branch)
        run = dynsim.optimise(flow, START, steps, lr=1.0, optimiser="alternating-minimisation", order=order)
        return float(run.phi[-1]), float(run.theta[-1])

    def test_stop_survives_in_either_order(self):
        assert self.ends("stop", ("phi", "theta")) == pytest.approx((1, 0.1), abs=1e-14)
        assert self.ends("stop", ("theta", "phi")) == pytest.approx((1, 1 / 6), abs=1e-14)

    def test_full_depends_on_the_order(self):
        assert self.ends("full", ("phi", "theta")) == pytest.approx((1, 0.1), abs=1e-14)
        assert self.ends("full", ("theta", "phi"))[1] == pytest.approx(0, abs=1e-14)

    def test_the_alternating_system_shrinks_by_the_share_of_the_signal(self):
        values = {"lambda_d": 1.0, "lambda_s": 1.6}
        flow = dynsim.system("alternating")
        run = dynsim.optimise(flow, {"w": 1.0}, 5, lr=0.1, parameters=values, optimiser="alternating-minimisation")
        np.testing.assert_allclose(run.w, (1 / 1.6) ** np.arange(6), rtol=1e-12)

    def test_it_minimises_a_loss_that_is_no_square(self):
        flow = dynsim.gradient_flow("exp(x) - x*y + (y - 3)^2", "x, y")
        run = dynsim.optimise(flow, {"x": 0.0, "y": 1.0}, 60, lr=1.0, optimiser="alternating-minimisation")
        x, y = float(run.x[-1]), float(run.y[-1])
        assert np.exp(x) == pytest.approx(y, rel=1e-12)
        assert y == pytest.approx(3 + x / 2, rel=1e-12)

    def test_a_block_without_a_minimum_ends_as_nan(self):
        run = dynsim.optimise(
            dynsim.system("dirac-gan", variant="wgan"), {"theta": 1.0, "psi": 1.0}, 2, lr=1.0,
            optimiser="alternating-minimisation",
        )  # fmt: skip
        assert int(run.status) == 2
        assert np.isnan(run.theta[-1])

    def test_the_second_branch_minimises_nothing(self):
        with pytest.raises(DynsimError, match=r"^optimiser: got 'alternating-minimisation'.*branch 'target'"):
            self.ends("target", None)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_k_steps_between_two_targets_are_the_derived_map(k):
    signal, view, h = 1.0, 1.5, 0.2
    share = signal / view
    factor = share + (1 - share) * (1 - h * view) ** k
    run = dynsim.optimise(
        dynsim.system("alternating"), {"w": 1.0}, 6, lr=h, parameters={"lambda_d": signal, "lambda_s": view},
        optimiser="alternating", k=k,
    )  # fmt: skip
    np.testing.assert_allclose(run.w, factor ** np.arange(7), rtol=1e-12)


def test_the_discriminator_may_take_more_steps():
    flow, start = dynsim.system("dirac-gan", variant="r1"), {"theta": 1.0, "psi": 0.3}
    run = dynsim.optimise(flow, start, 1, lr=0.1, optimiser="alternating", order=("psi", "theta"), k={"psi": 3})
    psi = start["psi"]
    for _ in range(3):
        psi += 0.1 * (start["theta"] / (1 + np.exp(psi * start["theta"])) - 0.5 * psi)
    assert float(run.psi[-1]) == pytest.approx(psi, rel=1e-14)
    theta = start["theta"] - 0.1 * psi / (1 + np.exp(psi * start["theta"]))
    assert float(run.theta[-1]) == pytest.approx(theta, rel=1e-14)


class TestTeacher:
    def run(self, **options):
        return dynsim.optimise(dynsim.system("byol"), STUDENT, 300, lr=0.1, parameters=DECAYING, **options)

    @pytest.mark.parametrize("optimiser", ["gd", "momentum", "adam", "alternating"])
    def test_coefficient_zero_is_simsiam(self, optimiser):
        simsiam = dynsim.optimise(
            dynsim.system("scalar"), {"phi": 0.6, "theta": 0.3}, 300, lr=0.1, parameters=DECAYING,
            optimiser=optimiser,
        )  # fmt: skip
        byol = self.run(teacher=0.0, optimiser=optimiser)
        np.testing.assert_allclose(byol.theta, simsiam.theta, rtol=1e-12)
        np.testing.assert_allclose(byol.xi, byol.theta, rtol=1e-15)

    def test_coefficient_one_is_a_frozen_teacher(self):
        np.testing.assert_array_equal(self.run(teacher=1.0).xi, 0.3)

    def test_the_average_follows_the_student_that_has_moved(self):
        run = self.run(teacher=0.9)
        np.testing.assert_allclose(run.xi[1:], 0.9 * run.xi.values[:-1] + 0.1 * run.theta[1:], rtol=1e-13)

    def test_without_a_coefficient_the_flow_s_own_rate_counts(self):
        run = self.run()
        np.testing.assert_allclose(run.xi[1:], run.xi.values[:-1] + 0.1 * (run.theta - run.xi).values[:-1], rtol=1e-13)

    def test_a_coefficient_is_the_rate_it_stands_for_in_the_limit(self):
        beta, end = 0.7, 3.0
        exact = dynsim.solve(dynsim.system("byol"), STUDENT, times=[end], parameters={**DECAYING, "beta": beta})
        errors = []
        for steps in (1000, 2000):
            h = end / steps
            run = dynsim.optimise(
                dynsim.system("byol"), STUDENT, steps, lr=h, parameters=DECAYING, teacher=1 - beta * h
            )
            errors.append(abs(float(run.xi[-1] - exact.xi[-1])))
        assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)

    def test_a_teacher_that_is_no_average_of_a_state_is_refused(self):
        start = {"p": 0.5, "s": 0.25, "tau": 0.5}  # τ = ξ/θ
        with pytest.raises(DynsimError, match=r"^teacher: got 0\.5, expected none: 'tau' is no average"):
            dynsim.optimise(dynsim.system("eigenmode"), start, 3, lr=0.1, teacher=0.5)
        with pytest.raises(DynsimError, match=r"^teacher: got 0\.9, expected none: this flow has no teacher"):
            dynsim.optimise(dynsim.system("toy"), START, 3, lr=0.1, teacher=0.9)

    def test_in_its_own_rate_it_is_the_same_run_in_other_coordinates(self):
        """Euler's method does not see coordinates to first order: the same run up to the step size."""
        values, h = {**DECAYING, "beta": 0.7}, 1e-4
        byol = dynsim.optimise(
            dynsim.system("byol"), {**STUDENT, "xi": 0.1}, 20000, lr=h, parameters=values, every=20000
        )
        start = {"p": 0.6, "s": 0.09, "tau": 1 / 3}
        turned = dynsim.optimise(dynsim.system("eigenmode"), start, 20000, lr=h, parameters=values, every=20000)
        assert float(turned.tau[-1]) == pytest.approx(float((byol.xi / byol.theta)[-1]), abs=20 * h)

    def test_several_coefficients_at_once(self):
        run = self.run(teacher=[0.0, 0.5, 1.0])
        assert run.xi.dims == ("teacher", "step")
        np.testing.assert_array_equal(run.xi.sel(teacher=1.0), 0.3)

    def test_matrix_teachers_too(self):
        field = dynsim.matrix_flow(np.eye(3), 1.2 * np.eye(3), 2, beta=1.0)
        generator = np.random.default_rng(0)
        W = generator.normal(size=(2, 3))
        run = dynsim.optimise(field, {"W": W, "P": np.eye(2) / 2, "V": W}, 20, lr=0.05, teacher=0.0)
        simsiam = dynsim.optimise(
            dynsim.matrix_flow(np.eye(3), 1.2 * np.eye(3), 2), {"W": W, "P": np.eye(2) / 2}, 20, lr=0.05
        )
        assert run.W.dims == ("step", "W_row", "W_column")
        np.testing.assert_allclose(run.W, simsiam.W, rtol=1e-12)


class TestNewton:
    def test_it_runs_to_the_origin_under_stop(self):
        run = dynsim.optimise(dynsim.system("toy"), START, 60, lr=1.0, optimiser="newton")
        assert abs(float(run.theta[-1])) < 1e-6
        assert abs(float(run.phi[-1])) < 1e-6

    def test_it_converges_quadratically_to_a_regular_root(self):
        flow = dynsim.gradient_flow("(x^2 - 2)^2/4", "x")
        run = dynsim.optimise(flow, {"x": 1.5}, 6, lr=1.0, optimiser="newton")
        assert float(run.x[-1]) == pytest.approx(np.sqrt(2), abs=1e-15)
        assert int(run.status) == 1

    def test_strong_damping_is_a_short_gradient_step(self):
        flow, big = dynsim.system("toy"), 1e6
        newton = dynsim.optimise(flow, START, 1, lr=1.0, optimiser="newton", damping=big)
        plain = dynsim.optimise(flow, START, 1, lr=1 / big)
        np.testing.assert_allclose(newton.theta - 0.1, plain.theta - 0.1, rtol=1e-5)

    def test_gauss_newton_solves_linear_least_squares_in_one_step(self):
        flow = dynsim.gradient_flow("(2*x + y - 1)^2 + 3*(x - y)^2 + (y - 2)^2/2", "x, y")
        run = dynsim.optimise(flow, {"x": 5.0, "y": -3.0}, 1, lr=1.0, optimiser="gauss-newton")
        np.testing.assert_allclose(flow.field().f(0, np.array([run.x[-1], run.y[-1]])), 0, atol=1e-13)

    def test_gauss_newton_counts_weight_decay_as_a_square(self):
        flow = dynsim.gradient_flow("(x - 1)^2/2", "x", decay={"x": "eta"})
        run = dynsim.optimise(flow, {"x": 4.0}, 1, lr=1.0, parameters={"eta": 0.5}, optimiser="gauss-newton")
        assert float(run.x[-1]) == pytest.approx(1 / 1.5)

    def test_gauss_newton_obeys_the_stop_gradient(self):
        stop = dynsim.optimise(dynsim.system("toy"), START, 200, lr=0.5, optimiser="gauss-newton")
        full = dynsim.optimise(dynsim.system("toy", branch="full"), START, 40, lr=0.5, optimiser="gauss-newton")
        assert float(stop.theta[-1]) > 0.1
        assert float(full.theta[-1]) < 0.1
        np.testing.assert_allclose(stop.loss[-1], 0, atol=1e-12)

    @pytest.mark.parametrize("name", ["toy", "dirac-gan", "barlow"])
    def test_gauss_newton_says_what_it_accepts(self, name):
        flow = dynsim.system(name, branch="target") if name == "toy" else dynsim.system(name)
        if name == "barlow":
            assert int(dynsim.optimise(flow, {"s": 0.5}, 30, lr=1.0, optimiser="gauss-newton").status) == 1
            return
        with pytest.raises(DynsimError, match=r"gauss-newton"):
            dynsim.optimise(flow, dict.fromkeys(flow.states, 0.5), 1, lr=1.0, optimiser="gauss-newton")

    def test_sums_of_squares_are_recognised_or_named(self):
        flow = dynsim.gradient_flow("x^4 + x*y", "x, y")
        with pytest.raises(DynsimError, match=r"^loss: got 'x\*y', expected a sum of squares"):
            dynsim.optimise(flow, {"x": 1.0, "y": 1.0}, 1, lr=1.0, optimiser="gauss-newton")


class TestFieldsWithResiduals:
    SIGNAL, VIEW = np.diag([1.0, 0.5]), np.diag([1.3, 0.8])

    def field(self, branch="stop", **rates):
        return dynsim.matrix_flow(self.SIGNAL, self.VIEW, 2, branch=branch, **rates)

    def start(self):
        return {"P": np.array([[0.6, 0.2], [-0.1, 0.4]]), "W": np.array([[0.1, 0.3], [0.2, -0.2]])}

    @pytest.mark.parametrize("branch", ["stop", "full", "target"])
    @pytest.mark.parametrize("rates", [{}, {"alpha": 2.0, "eta_p": 0.3, "eta_s": 0.1}], ids=["plain", "decay"])
    def test_their_jacobian_and_gradient(self, branch, rates):
        field = self.field(branch, **rates)
        y, held = np.random.default_rng(0).normal(size=(2, field.size, 3))
        values, jacobian = field.residuals_function(y, held)
        for i in range(field.size):
            moved = y.copy()
            moved[i] += 1e-6
            change = (field.residuals_function(moved, held)[0] - values) / 1e-6
            np.testing.assert_allclose(jacobian[:, i], change, atol=1e-5)
        values, jacobian = field.residuals_function(y, y)
        slope = np.einsum("rnm,rm->nm", jacobian, values)
        slope[field.slices["P"]] *= rates.get("alpha", 1.0)
        np.testing.assert_allclose(slope, -field.f(0.0, y), atol=1e-12)

    @pytest.mark.parametrize("branch", ["stop", "full"])
    def test_gauss_newton_and_exact_minimisation_are_those_of_the_same_flow_in_symbols(self, branch):
        flow = dynsim.gradient_flow("(p*w - sg(w))^2/2 + p^2*w^2*n/2 + sg(w)^2*n/2", "p, w", branch=branch)
        field = dynsim.matrix_flow([[1.0]], [[1.2]], 1, branch=branch)
        for optimiser, orders in (("gauss-newton", None), ("alternating-minimisation", (("p", "w"), ("w", "p")))):
            for order in orders or (None,):
                told = {} if order is None else {"order": order}
                small = {"p": 0.6, "w": 0.1}
                one = dynsim.optimise(flow, small, 5, lr=1.0, optimiser=optimiser, parameters={"n": 0.2}, **told)
                told = {} if order is None else {"order": tuple(name.upper() for name in order)}
                big = {name.upper(): [[value]] for name, value in small.items()}
                other = dynsim.optimise(field, big, 5, lr=1.0, optimiser=optimiser, **told)
                for name in small:
                    np.testing.assert_allclose(other[name.upper()].squeeze(), one[name], rtol=1e-9, atol=1e-12)

    def test_each_block_ends_where_its_gradient_vanishes(self):
        run = dynsim.optimise(self.field(), self.start(), 1, lr=1.0, optimiser="alternating-minimisation")
        before, after = ({name: run[name].isel(step=i).values for name in "PW"} for i in (0, 1))
        best = before["W"] @ self.SIGNAL @ before["W"].T @ np.linalg.inv(before["W"] @ self.VIEW @ before["W"].T)
        np.testing.assert_allclose(after["P"], best, atol=1e-12)
        np.testing.assert_allclose(
            best.T @ best @ after["W"] @ self.VIEW, best.T @ before["W"] @ self.SIGNAL, atol=1e-12
        )

    def test_a_field_without_residuals_is_told_so(self):
        plain = dynsim.matrix_flow(self.SIGNAL, self.VIEW, 2, predictor="optimal")
        for optimiser in ("gauss-newton", "alternating-minimisation"):
            with pytest.raises(DynsimError, match=r"^optimiser"):
                dynsim.optimise(plain, {"W": self.start()["W"]}, 1, lr=1.0, optimiser=optimiser)


def test_the_rate_sets_how_fast_a_state_goes_and_with_decay_where():
    """−r∂L/∂w − ηw = 0 where ∂L/∂w + (η/r)w = 0: the minimum that the flow has, for any rate."""
    flow = dynsim.gradient_flow("(w - 1)^2/2", "w", rates={"w": "r"}, decay={"w": "eta"})
    for r, eta in ((4.0, 1.0), (0.25, 1.0), (1.0, 0.5)):
        values = {"r": r, "eta": eta}
        run = dynsim.optimise(flow, {"w": 0.2}, 3, lr=1.0, parameters=values, optimiser="alternating-minimisation")
        assert float(run.w[-1]) == pytest.approx(r / (r + eta), rel=1e-12)
        assert dynsim.outcome(flow, {"w": 0.2}, values).limit["w"] == pytest.approx(r / (r + eta), rel=1e-12)
