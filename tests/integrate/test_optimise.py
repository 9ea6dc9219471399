"""Discrete optimisers: against torch step by step, against the flow, and what one step does to an integral."""

import numpy as np
import pytest
import torch
import xarray as xr

import dynsim
from dynsim.errors import DynsimError

START = {"phi": 0.6, "theta": 0.1}
BRANCHES = ("stop", "full", "target")


def torch_run(branch, optimiser, steps, ratio, options):
    """The toy in torch with ``.detach()``, one parameter group per state."""
    phi, theta = (torch.tensor(START[n], dtype=torch.float64, requires_grad=True) for n in ("phi", "theta"))
    engine = optimiser([phi, theta], **options)
    path = [(phi.item(), theta.item())]
    for _ in range(steps):
        engine.zero_grad()
        stop = (phi * theta - theta.detach()) ** 2 / 2
        (phi.grad,) = (ratio * g for g in torch.autograd.grad(stop, phi, retain_graph=True))
        full = (phi * theta - theta) ** 2 / 2
        gradients = {name: torch.autograd.grad(loss, theta)[0] for name, loss in (("stop", stop), ("full", full))}
        gradients["target"] = gradients["full"] - gradients["stop"]
        theta.grad = gradients[branch]
        engine.step()
        path.append((phi.item(), theta.item()))
    return np.array(path).T


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize(
    ("name", "options", "optimiser", "torch_options"),
    [
        ("gd", {}, torch.optim.SGD, {}),
        ("simultaneous", {}, torch.optim.SGD, {}),
        ("momentum", {"momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8}),
        ("nesterov", {"momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ("rmsprop", {}, torch.optim.RMSprop, {}),
        ("rmsprop", {"beta2": 0.9, "eps": 1e-6}, torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-6}),
        ("adam", {}, torch.optim.Adam, {}),
        ("adam", {"beta1": 0.5, "beta2": 0.9}, torch.optim.Adam, {"betas": (0.5, 0.9)}),
    ],
)
def test_every_step_is_torch_s(branch, name, options, optimiser, torch_options):
    flow = dynsim.system("toy", branch=branch)
    lr = 0.01 if name in ("rmsprop", "adam") else 0.05  # larger, they jitter and any rounding grows
    run = dynsim.optimise(flow, START, 200, lr=lr, optimiser=name, parameters={"alpha": 1.7}, **options)
    told = torch_run(branch, optimiser, 200, 1.7, {"lr": lr, **torch_options})
    np.testing.assert_allclose(run.phi, told[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.theta, told[1], rtol=1e-12, atol=1e-12)


OPTIMISERS = [
    ("gd", {}, torch.optim.SGD, {}),
    ("momentum", {"momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8}),
    ("nesterov", {"momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    ("rmsprop", {}, torch.optim.RMSprop, {}),
    ("adam", {}, torch.optim.Adam, {}),
]


@pytest.mark.parametrize(("name", "options", "optimiser", "torch_options"), OPTIMISERS)
def test_decay_of_the_flow_is_torch_s_weight_decay(name, options, optimiser, torch_options):
    """Per unit of flow time, whatever the learning-rate ratio: torch adds it to the gradient of every group."""
    alpha, eta_p, eta_s, sigma2, lr = 1.7, 0.03, 0.05, 0.2, 0.01
    values = {"alpha": alpha, "eta_p": eta_p, "eta_s": eta_s, "sigma2": sigma2}
    run = dynsim.optimise(dynsim.system("scalar"), START, 200, lr=lr, optimiser=name, parameters=values, **options)
    phi, theta = (torch.tensor(START[n], dtype=torch.float64, requires_grad=True) for n in ("phi", "theta"))
    groups = [{"params": [phi], "weight_decay": eta_p}, {"params": [theta], "weight_decay": eta_s}]
    engine = optimiser(groups, lr=lr, **torch_options)
    for step in range(200):
        np.testing.assert_allclose([run.phi[step], run.theta[step]], [phi.item(), theta.item()], rtol=1e-12)
        loss = ((1 + sigma2) * (phi * theta) ** 2 - 2 * phi * theta * theta.detach()) / 2
        slopes = torch.autograd.grad(loss, (phi, theta))
        phi.grad, theta.grad = alpha * slopes[0], slopes[1]
        engine.step()


@pytest.mark.parametrize(("name", "options", "optimiser", "torch_options"), OPTIMISERS)
def test_both_players_of_a_game_step_as_in_torch(name, options, optimiser, torch_options):
    start, lr = {"theta": 1.0, "psi": 0.4}, 0.02
    flow = dynsim.system("dirac-gan", variant="r1")
    run = dynsim.optimise(flow, start, 200, lr=lr, optimiser=name, parameters={"gamma": 0.3}, **options)
    theta, psi = (torch.tensor(start[n], dtype=torch.float64, requires_grad=True) for n in ("theta", "psi"))
    engine = optimiser([theta, psi], lr=lr, **torch_options)
    for step in range(200):
        np.testing.assert_allclose(
            [run.theta[step], run.psi[step]], [theta.item(), psi.item()], rtol=1e-11, atol=1e-12
        )
        value = torch.nn.functional.logsigmoid(theta * psi)
        theta.grad = torch.autograd.grad(value, theta, retain_graph=True)[0]
        psi.grad = torch.autograd.grad(-value + 0.3 / 2 * psi**2, psi)[0]
        engine.step()


@pytest.mark.parametrize("first", ["theta", "psi"])
def test_alternating_players_see_each_other_s_new_value_as_in_torch(first):
    start, lr, second = {"theta": 1.0, "psi": 0.4}, 0.1, "psi" if first == "theta" else "theta"
    run = dynsim.optimise(
        dynsim.system("dirac-gan"), start, 100, lr=lr, optimiser="alternating", order=(first, second)
    )
    values = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in start.items()}
    for step in range(100):
        for name in ("theta", "psi"):
            assert float(run[name][step]) == pytest.approx(values[name].item(), rel=1e-12, abs=1e-14)
        for name in (first, second):
            value = torch.nn.functional.logsigmoid(values["theta"] * values["psi"])
            (slope,) = torch.autograd.grad(value if name == "theta" else -value, values[name])
            with torch.no_grad():
                values[name] -= lr * slope


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gd", {}),
        ("momentum", {"momentum": 0.5}),
        ("nesterov", {"momentum": 0.5}),
        ("alternating", {}),
        ("alternating", {"order": ("theta", "phi")}),
        ("alternating", {"k": 2}),
    ],
)
def test_the_flow_is_the_limit_of_small_steps_with_order_one(name, options):
    flow = dynsim.system("toy")
    end = 4.0
    exact = dynsim.solve(flow, START, times=[end])
    pace = {"momentum": 2.0, "nesterov": 2.0}.get(name, options.get("k", 1))
    steps = np.array([800, 1600, 3200])
    errors = []
    for count in steps:
        run = dynsim.optimise(flow, START, int(count), lr=end / count / pace, optimiser=name, **options)
        assert float(run.time[-1]) == pytest.approx(end)
        errors.append(abs(float(run.theta[-1] - exact.theta[-1])))
    orders = -np.diff(np.log(errors)) / np.diff(np.log(steps))
    assert orders == pytest.approx([1, 1], abs=0.05)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("branch", BRANCHES)
def test_one_step_changes_the_integral_exactly_as_derived(branch, alpha):
    h = 0.3
    run = dynsim.optimise(dynsim.system("toy", branch=branch), START, 40, lr=h, parameters={"alpha": alpha})
    phi, theta = run.phi.values, run.theta.values
    k2 = (h * theta * (1 - phi))[:-1] ** 2
    if branch == "target":
        integral = (1 - phi) - alpha * theta**2 / 2
        expected = integral[:-1] - alpha * k2 / 2
    else:
        integral = theta**2 - phi**2 / alpha if branch == "stop" else (1 - phi) ** 2 - alpha * theta**2
        expected = integral[:-1] * (1 - alpha * k2)
    np.testing.assert_allclose(integral[1:], expected, rtol=1e-12, atol=1e-14)


def test_simultaneous_steps_of_the_unregularised_game_grow_as_derived():
    h = 0.4
    run = dynsim.optimise(dynsim.system("dirac-gan"), {"theta": 1.0, "psi": 0.5}, 30, lr=h, optimiser="simultaneous")
    radius = run.squared_radius.values
    slope = 1 / (1 + np.exp(run.psi * run.theta).values)
    np.testing.assert_allclose(radius[1:], radius[:-1] * (1 + h**2 * slope[:-1] ** 2), rtol=1e-13)


def test_alternating_steps_of_the_game_stay_near_the_solution_up_to_step_four():
    start = {"theta": 1e-4, "psi": 1e-4}
    for h, bounded in ((1.0, True), (3.9, True), (4.1, False)):
        run = dynsim.optimise(dynsim.system("dirac-gan"), start, 400, lr=h, optimiser="alternating", every=1)
        assert (float(np.nanmax(run.squared_radius)) < 1e-4) == bounded


class TestDataset:
    def test_steps_and_flow_time(self):
        run = dynsim.optimise(dynsim.system("toy"), START, 10, lr=0.5, every=4)
        np.testing.assert_array_equal(run.step, [0, 4, 8, 10])
        np.testing.assert_allclose(run.time, [0, 2, 4, 5])
        assert set(run.data_vars) == {"phi", "theta", "loss", "predictor_gap", "status"}
        told = dynsim.provenance(run)
        assert told["optimiser"] == "gd"
        assert told["flow"]["name"] == "toy"
        assert told["lr"] == 0.5

    def test_members_and_pairing(self):
        flow = dynsim.system("toy")
        run = dynsim.optimise(flow, {"phi": [0.1, 0.6, 2.0], "theta": 0.1}, 30, lr=[0.1, 0.2], every=30)
        assert run.theta.dims == ("phi0", "lr", "step")
        assert run.time.dims == ("lr", "step")
        alone = dynsim.optimise(flow, START, 30, lr=0.2)
        np.testing.assert_allclose(run.theta.sel(phi0=0.6, lr=0.2)[-1], alone.theta[-1], rtol=1e-12)
        paired = xr.DataArray([0.1, 0.2], dims="run")
        both = dynsim.optimise(flow, START, 30, lr=paired, parameters={"alpha": xr.DataArray([1.0, 2.0], dims="run")})
        assert both.theta.dims == ("run", "step")

    def test_every_optimiser_treats_members_as_if_alone(self):
        flow = dynsim.system("toy")
        for name in dynsim.list_optimisers()["name"]:
            starts = {"phi": [0.3, 0.6], "theta": [0.1, 0.5]}
            many = dynsim.optimise(flow, starts, 12, lr=0.1, optimiser=name, parameters={"alpha": [1.0, 2.0]})
            alone = dynsim.optimise(
                flow, {"phi": 0.6, "theta": 0.5}, 12, lr=0.1, optimiser=name, parameters={"alpha": 2.0}
            )
            np.testing.assert_allclose(many.theta.sel(phi0=0.6, theta0=0.5, alpha=2.0), alone.theta, rtol=1e-11)

    def test_a_member_that_diverges_says_so_and_leaves_the_others_alone(self):
        run = dynsim.optimise(dynsim.system("toy"), {"phi": [0.6, 50.0, np.nan], "theta": 0.5}, 200, lr=0.5)
        assert run.status.values.tolist() == [1, 2, 4]
        assert np.isnan(run.theta[1, -1])
        assert np.isfinite(run.theta[0]).all()

    def test_a_saved_run_reads_back(self, tmp_path):
        run = dynsim.optimise(dynsim.system("toy"), START, 5, lr=[0.1, 0.2], optimiser="adam")
        run.to_netcdf(tmp_path / "run.nc")
        with xr.open_dataset(tmp_path / "run.nc") as back:
            xr.testing.assert_equal(back.load(), run)
            assert dynsim.provenance(back)["options"]["beta1"] == 0.9

    @pytest.mark.parametrize("name", list(dynsim.list_optimisers()["name"]))
    def test_no_members_at_all(self, name):
        run = dynsim.optimise(dynsim.system("toy"), {"phi": [], "theta": 0.1}, 2, lr=0.1, optimiser=name)
        assert dict(run.theta.sizes) == {"phi0": 0, "step": 3}
        run = dynsim.optimise(dynsim.system("toy"), START, 2, lr=[], optimiser=name)
        assert dict(run.theta.sizes) == {"lr": 0, "step": 3}

    def test_no_steps_at_all(self):
        run = dynsim.optimise(dynsim.system("toy"), START, 0, lr=0.1)
        np.testing.assert_array_equal(run.theta, [0.1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"every": 0}, "every"),
        ({"lr": 0.0}, "lr"),
        ({"lr": -0.1}, "lr"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": [0.1, -0.1]}, "lr"),
        ({"lr": "fast"}, "lr"),
        ({"optimiser": "adm"}, "optimiser"),
        ({"optimiser": ["gd"]}, "optimiser"),
        ({"optimiser": None}, "optimiser"),
        ({"momentum": 0.9}, "option of optimiser 'gd'"),
        ({"optimiser": "momentum", "momentum": 1.0}, "momentum"),
        ({"optimiser": "adam", "beta1": "high"}, "beta1"),
        ({"optimiser": "alternating", "k": 0}, "k"),
        ({"optimiser": "alternating", "order": ("phi",)}, "order"),
        ({"optimiser": "alternating", "order": ("phi", "psi")}, "state in order"),
        ({"optimiser": "newton", "damping": -1.0}, "damping"),
        ({"teacher": 0.5}, "teacher"),
        ({"parameters": {"gamma": 1.0}}, "parameter"),
        ({"initial": {"phi": 0.1}}, "initial"),
    ],
)
def test_bad_input_is_named_at_the_door(change, named):
    call = {"initial": START, "steps": 10, "lr": 0.1, **change}
    with pytest.raises(DynsimError) as caught:
        dynsim.optimise(dynsim.system("toy"), call.pop("initial"), call.pop("steps"), **call)
    assert str(caught.value).startswith(f"{named}: got ")


def test_the_american_spelling_is_asked_back():
    with pytest.raises(DynsimError, match="did you mean 'optimiser'"):
        dynsim.optimise("toy", START, 3, lr=0.1, optimizer="adam")
