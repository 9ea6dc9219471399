"""Malformed calls of the public functions, generated from their signatures: our error in one line, or a right result.

Every public name has a call that works; a malformed one replaces one or two of its arguments, what was left at its
default included, by something from a pool of nasty values, or by the right value spoiled in one place. Twenty of each
room are made in the first tier, five hundred in the second, always the same.
"""

from __future__ import annotations

import inspect
import warnings
import zlib
from functools import cache

import numpy as np
import pytest
import sympy
import xarray as xr

import dynsim
from dynsim import monitor, networks
from dynsim.networks import measures
from dynsim.studies.study import Study
from dynsim.testing import assert_no_collapse

pytest.importorskip("torch")
pytest.importorskip("zarr")  # which a monitor's folder needs

LOSS = "(phi*theta - sg(theta))^2/2"
START = {"phi": 0.6, "theta": 0.1}
FEATURES = np.random.default_rng(0).normal(size=(40, 5))
PAIRED = FEATURES + 0.1 * np.random.default_rng(1).normal(size=(40, 5))
LABELS = np.arange(40) % 3
SQUARE = np.eye(5) + 0.1
MEASURED = {
    **dict.fromkeys(("features", "activations", "assignments", "velocity", "gradient", "parameters"), FEATURES),
    **dict.fromkeys(("paired", "initial", "targets", "test_features", "reference"), PAIRED),
    **dict.fromkeys(("labels", "test_labels"), LABELS),
    **dict.fromkeys(("encoder", "moment", "predictor", "optimal", "W", "P", "jacobian"), SQUARE),
    "time": np.linspace(0, 1, 40),
}


def monitored():
    m = monitor.Monitor(every=1)
    for step in range(3):
        m.record(step, FEATURES * (1 + step), PAIRED)
    return m.dataset


@cache
def made():
    """What calls are made with; built once."""
    rng = np.random.default_rng(0)
    images = networks.Images.of(rng.random((20, 4, 4)), np.arange(20) % 2, name="small")
    flow = dynsim.gradient_flow(LOSS, "phi, theta")
    toy = dynsim.system("toy")
    bistable = dynsim.Flow.of({"x": dynsim.Move("r + 3*x - x^3")})
    noisy = dynsim.noisy_flow("(phi*theta*x - sg(theta))^2/2", "phi, theta", random="x ~ normal(1, 0.1)")
    experiment = networks.Experiment(data=images, steps=2, measures=(), dim=3, width=4, predictor_width=3, batch=4)
    branches = dynsim.continuation(
        dynsim.Flow.of({"x": dynsim.Move("r - x")}), "r", (0, 1), initial={"x": 0.0}
    ).branches
    return {
        "flow": flow, "toy": toy, "bistable": bistable, "noisy": noisy, "experiment": experiment, "images": images,
        "run": dynsim.solve(flow, START, 5), "ensemble": dynsim.ensemble(toy, {"phi": [0.5, 0.6], "theta": 0.1}, 3.0),
        "training": networks.train(experiment, 1), "branches": branches,
        "monitor": monitored(), "portrait": dynsim.portrait(toy, resolution=8),
        "figure": next(iter(dynsim.list_figures()["name"])), "claim": next(iter(dynsim.claims()["id"])),
    }  # fmt: skip


def rooms():
    """Room → name → a function and arguments with which it works."""
    m = made()
    flow, toy = {"flow": m["flow"]}, {"flow": m["toy"]}
    d = dynsim
    return {
        "symbolic": {
            "gradient_flow": (d.gradient_flow, {"loss": LOSS, "states": "phi, theta", "rates": {"phi": 2}}),
            "parse": (d.parse, {"text": "phi*theta"}),
            "stop_gradient": (d.stop_gradient, {"argument": sympy.Symbol("x")}),
            "Normal": (d.Normal, {"mean": 0, "variance": "a"}),
            "Uniform": (d.Uniform, {"low": 0, "high": 1}),
            "Discrete": (d.Discrete, {"values": [1, -1], "probabilities": [0.5, 0.5]}),
            "Descend": (d.Descend, {"loss": LOSS, "rate": 2, "decay": 0.1}),
            "Move": (d.Move, {"velocity": "-x"}),
            "Hold": (d.Hold, {"expression": "2*x"}),
            "Track": (d.Track, {"source": "x", "rate": 0.1}),
            "Flow.of": (d.Flow.of, {"rules": {"x": d.Move("-a*x"), "y": d.Track("x", "b")}}),
            "Field": (d.Field, {"names": ("x",), "function": lambda t, y: -y}),
            "system": (d.system, {"name": "modes", "k": 2}),
            "matrix_flow": (d.matrix_flow, {"sigma_d": np.eye(3), "sigma_s": np.eye(3) / 2, "k": 2}),
            "register": (d.register, {"member": d.system, "name": "nothing"}),
        },
        "integrate": {
            "solve": (d.solve, {**flow, "initial": START, "t_end": 2.0, "events": ["theta - 0.2"]}),
            "ensemble": (d.ensemble, {**flow, "initial": {"phi": [0.5, 0.6], "theta": 0.1}, "t_end": 2.0}),
            "ensemble of noise": (
                d.ensemble,
                {"flow": m["noisy"], "initial": START, "t_end": 0.5, "parameters": {"B": 8, "h": 0.1}, "seeds": 4},
            ),
            "optimise": (d.optimise, {**flow, "initial": START, "steps": 5, "lr": 0.1}),
            "escape_time": (
                d.escape_time,
                {"flow": m["noisy"], "initial": START, "leaves": "phi < 0.05", "t_max": 0.5, "seeds": 4,
                 "parameters": {"B": 8, "h": 0.1}},
            ),
            "noisy_flow": (
                d.noisy_flow, {"loss": "(theta*x - phi)^2", "states": "phi, theta", "random": "x ~ normal(0, 1)"},
            ),
            "modified_flow": (d.modified_flow, {**flow, "optimiser": "gd", "order": 1}),
            "stable_step_size": (d.stable_step_size, {**flow, "point": START}),
            "step_size_bifurcation": (
                d.step_size_bifurcation, {**flow, "initial": START, "lr": [0.1, 0.2], "settle": 10, "keep": 4},
            ),
            "training_parameters": (d.training_parameters, {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}),
            "Event": (d.Event, {"expression": "phi - 1", "direction": 1}),
            "Terminal": (d.Terminal, {"expression": "phi - 1"}),
        },
        "analysis": {
            "outcome": (d.outcome, {**toy, "initial": START, "parameters": {"alpha": 1.0}}),
            "basins": (d.basins, {**toy, "initial": {"phi": [0.2, 0.6], "theta": [0.1, 0.5]}, "t_end": 50.0}),
            "equilibria": (d.equilibria, {"flow": m["bistable"], "parameters": {"r": 0.5}}),
            "first_integrals": (d.first_integrals, {**flow, "degree": 2}),
            "conservation": (d.conservation, {**flow, "dataset": m["run"]}),
            "timescales": (d.timescales, {**flow, "dataset": m["run"]}),
            "continuation": (
                d.continuation,
                {"flow": m["bistable"], "parameter": "r", "span": (-3, 3), "initial": {"x": -2.1}, "budget": 5.0},
            ),
            "portrait": (d.portrait, {**toy, "box": {"phi": (0, 1), "theta": (0, 1)}, "resolution": 8}),
            "separatrices": (d.separatrices, {**toy, "box": {"phi": (0, 1), "theta": (0, 1)}}),
            "fold_curve": (
                d.fold_curve,
                {"flow": d.Flow.of({"x": d.Move("r + s*x - x^3")}), "pair": ("r", "s"),
                 "fold": {"x": -1.0, "r": 2.0}, "parameters": {"s": 3.0}, "span": {"r": (0, 3), "s": (1, 4)}},
            ),
            "hopf_curve": (
                d.hopf_curve,
                {"flow": d.Flow.of({"x": d.Move("m*x - y"), "y": d.Move("x + n*y")}), "pair": ("m", "n"),
                 "hopf": {"x": 0.0, "y": 0.0, "m": 0.0}, "parameters": {"n": 0.0},
                 "span": {"m": (-1, 1), "n": (-1, 1)}},
            ),
            "limit_cycles": (
                d.limit_cycles,
                {"flow": d.Flow.of({"x": d.Move("y"), "y": d.Move("(1 - x^2)*y - x")}),
                 "initial": {"x": 2.0, "y": 0.0}, "starts": 1},
            ),
            "resilience": (d.resilience, {**toy, "initial": START, "t_end": 100.0, "reach": 1.0}),
            "collapse_fraction": (
                d.collapse_fraction,
                {**toy, "box": {"phi": (0, 1), "theta": (0, 1)}, "over": {"alpha": [0.5, 1.0]}, "starts": 8,
                 "t_end": 50.0},
            ),
            "singular_limit": (d.singular_limit, {**toy, "parameter": "alpha"}),
            "count_integrals": (d.count_integrals, {"flow": d.gradient_flow("a*x^2*y^2/2", "x, y"), "over": "a"}),
            "assert_no_collapse": (assert_no_collapse, {"subject": FEATURES, "paired": PAIRED}),
        },
        "methods": {
            "method": (d.method, {"name": "vicreg", "mu": 2.0}),
            "features": (
                d.features, {"method": "simsiam", "moments": (np.eye(3) / 2, np.eye(3)), "settings": {"lr": 0.1}},
            ),
            "features of views": (d.features, {"method": "barlow", "views": (FEATURES, PAIRED), "dim": 2}),
            "survives": (d.method("simsiam").survives, {"lambda_d": 0.9, "lambda_s": 1.0, "alpha": 1.0, "eta": 0.01}),
            "amplitude": (d.method("vicreg").amplitude, {"lambda_d": 0.5, "lambda_s": [0.9, 0.6]}),
            "origin_rate": (d.method("byol").origin_rate, {"lambda_d": 1.0, "nu": 0.1, "batch": 64}),
            "flow": (d.method("simclr").flow, {"modes": 1}),
            "claim": (d.claim, {"id": m["claim"]}),
            "claims": (d.claims, {"paper": None}),
        },
        "networks": {
            "Experiment": (networks.Experiment, {"data": m["images"], "steps": 2}),
            "train": (networks.train, {"experiment": m["experiment"], "seeds": 1}),
            "fit": (networks.fit, {"experiment": m["experiment"], "seeds": [0, 1]}),
            "flow": (networks.flow, {"experiment": m["experiment"]}),
            "initial_state": (networks.initial_state, {"experiment": m["experiment"], "seed": 1}),
            "second_moments": (networks.second_moments, {"source": m["experiment"], "views": 2}),
            "Images.of": (networks.Images.of, {"images": np.zeros((10, 4, 4)), "labels": np.arange(10) % 2}),
            "deep_image_prior": (
                networks.deep_image_prior,
                {"pictures": FEATURES[:8, :4].reshape(1, 1, 1, 8, 4), "seeds": 1, "moments": [0, 1], "channels": 2,
                 "skip": 1, "levels": 1},
            ),
            "photograph": (networks.photograph, {"name": "flower", "top": 3, "left": 4, "size": 8}),
        },
        "measures": {
            name: (function, {one: MEASURED[one] for one in inspect.signature(function).parameters if one in MEASURED})
            for name in measures.__all__
            if name not in ("MEASURES", "lidar")
            for function in [getattr(measures, name)]
        },
        "monitor": {
            "Monitor": (monitor.Monitor, {"every": 2, "settings": {"lr": 0.1}}),
            "record": (monitor.Monitor(every=1).record, {"step": 0, "z1": FEATURES, "z2": PAIRED, "labels": LABELS}),
            "diagnose": (d.diagnose, {"source": FEATURES, "paired": PAIRED}),
            "diagnose logits": (d.diagnose, {"source": FEATURES, "outputs": "logits", "settings": {"tau_t": 0.07}}),
            "diagnose a training": (d.diagnose, {"source": m["monitor"]}),
            "attach": (attached, {"model": None, "layers": ["0"]}),
        },
        "drawing": {
            "draw": (d.draw, {"data": m["run"], "kind": None}),
            "draw an ensemble": (d.draw, {"data": m["ensemble"]}),
            "draw a training": (d.draw, {"data": m["training"]}),
            "draw branches": (d.draw, {"data": m["branches"]}),
            "draw a portrait": (d.draw, {"data": m["portrait"], "size": "slide"}),
            "plot": (d.plot, {"name": "architecture"}),
            "explore": (d.explore, {"system_or_loss": "toy", "initial": START, "t_end": 5.0, "branch": "stop"}),
            "provenance": (d.provenance, {"dataset": m["run"]}),
            "Study": (Study, {"system": "toy", "axes": {"alpha": [1, 2]}, "t_end": 2.0}),
        },
    }  # fmt: skip


def attached(model, layers, **options):
    with monitor.attach(model, layers, **options):
        pass


class Odd:
    """Something of a user's whose every use fails in its own way."""

    def __len__(self):
        raise RuntimeError("no length")

    def __float__(self):
        raise ValueError("no number")

    def __repr__(self):
        return "<odd\nand long>"


def read_only(x):
    x.setflags(write=False)
    return x


def nasty(rng):
    """One nasty value."""
    m = made()
    values = [
        None, True, False, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 1e308, 5e-324, -1, -0.0,
        0, 2.5, 1j, complex("nan"), "", "\x20", "phi", "λ", "φ", "\x00", "a\nb", "α" * 3000, "١", "nan", "1e400",
        "1/0", "🙂", "phi,theta", "../../etc/passwd", "__import__('os')", b"bytes", b"\xff", [], [[]], [[[1.0]]],
        [None], ["a", 1], [1, [2, 3]], (), (1,), (1, 2, 3), {}, {"": 1}, {1: 2}, {"phi": None}, {"phi": {"phi": 1}},
        {None: None}, set(), {1, 2}, range(3), iter([1, 2]), object(), Odd(), int, len, lambda: None, lambda *x,
        **k: "text", Ellipsis, NotImplemented, slice(None), ValueError("x"), type(None), sympy.nan, sympy.zoo,
        sympy.I, sympy.Symbol("q"), sympy.Symbol("q", commutative=False), sympy.Matrix([1, 2]), sympy.S.true,
        sympy.Symbol("phi") > 0, np.float32("nan"), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True),
        np.str_("phi"), np.datetime64("2020"), np.datetime64("NaT"), np.ma.masked, np.ma.array([1.0, 2.0],
        mask=[True, False]), np.array(None), np.array(2.0), np.array([]), np.zeros((0, 3)), np.zeros((3, 0)),
        np.zeros((2, 2, 2, 2, 2)), np.array(["a", "b"]), np.array([1, "a", None], dtype=object), np.array([1j,
        2.0]), np.full((40, 5), np.nan), np.zeros((40, 5)), np.full((40, 5), 1e308), np.full((3, 3), np.inf),
        read_only(np.eye(3)), np.eye(3, dtype=np.float16), np.eye(3, dtype=bool), -np.eye(3), np.ones((2, 3)),
        np.zeros(3, dtype=[("a", float)]), np.recarray((2,), "f8"), xr.Dataset(), xr.Dataset({"a": ("b", [1.0])}),
        xr.DataArray([1.0, 2.0]), m["run"].phi, m["run"], m["ensemble"], m["training"], m["portrait"],
        m["branches"], m["flow"], m["toy"], m["noisy"], m["experiment"], m["images"],
    ]  # fmt: skip
    return values[rng.integers(len(values))]


def spoiled(value, rng):
    """The right value, spoiled in one place; what cannot be spoiled so is replaced."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return _spoiled(value, rng)
    except (TypeError, ValueError, IndexError, ArithmeticError):
        return nasty(rng)


def _spoiled(value, rng):
    if isinstance(value, xr.Dataset):
        names = [*value.variables]
        name = names[rng.integers(len(names))]
        return [
            lambda: value.drop_vars(name), lambda: value.assign_attrs(kind="portrait"), lambda: value.drop_attrs(),
            lambda: value.where(value > 1e9), lambda: value.astype(str),
            lambda: value.isel(dict.fromkeys(value.sizes, 0)),
            lambda: value.isel({dim: slice(0) for dim in value.sizes}), lambda: value.expand_dims(more=3),
            lambda: value.rename({dim: f"{dim}_" for dim in value.sizes}), lambda: value.to_dict(),
            lambda: value.assign_attrs(dict.fromkeys(value.attrs, "{")), lambda: -value, lambda: value.astype(complex),
        ][rng.integers(13)]()  # fmt: skip
    if isinstance(value, dict):
        names = list(value)
        name = names[rng.integers(len(names))]
        rest = {key: one for key, one in value.items() if key != name}
        other = ["", "φ", "t", "no such", f"{name} ", "\x00", 3, None, str(name).upper()][rng.integers(9)]
        within = spoiled(value[name], rng) if rng.random() < 0.5 else nasty(rng)
        return [{**value, name: within}, {**value, name: within}, {**rest, other: value[name]}, rest][rng.integers(4)]
    if isinstance(value, str):
        place = rng.integers(len(value) + 1)
        put = ["\x00", "λ", "(", ")", " ", "^", "'", "\n", "🙂", ",", "1e999", "__", ";", "sg"][rng.integers(14)]
        return [value[:place] + put + value[place:], value[:place], value * 50, value.upper(), value.encode()][
            rng.integers(5)
        ]
    if isinstance(value, np.ndarray):
        broken = value.astype(complex if np.iscomplexobj(value) else float)
        broken.flat[rng.integers(broken.size)] = [np.nan, np.inf, -np.inf, 1e308][rng.integers(4)]
        return [
            broken, value[:0], value[:1], value[:-1], value.T, value.ravel(), value[None], value.astype(object),
            value.astype(str), value.astype(complex), value * 0, value.astype(np.float32), value.tolist(),
            np.ma.array(value, mask=value > 0), np.asfortranarray(value)[::-1], value > 0, xr.DataArray(value),
            value * 1e200,
        ][rng.integers(18)]  # fmt: skip
    if isinstance(value, list | tuple) and value:
        place = rng.integers(len(value))
        within = spoiled(value[place], rng) if rng.random() < 0.5 else nasty(rng)
        other = [*value[:place], within, *value[place + 1 :]]
        return [other, tuple(other), [*value, *value], value[:-1], [value], value[::-1]][rng.integers(6)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [
            -value, str(value), [value], np.array(value), np.array([value, value]), value * 1e-300, float(value),
            value + 0.5, np.float16(value), np.int64(value), sympy.Float(value), f"{value}*t", complex(value),
            {"value": value}, "λ",
        ][rng.integers(15)]  # fmt: skip
    return nasty(rng)


def malformed(room, number):
    """Yield what is called, with which arguments, and the call, always the same."""
    functions = rooms()[room]
    names = list(functions)
    rng = np.random.default_rng(zlib.crc32(room.encode()))
    for _ in range(number):
        name = names[rng.integers(len(names))]
        function, right = functions[name]
        asked = [
            one.name for one in inspect.signature(function).parameters.values()
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and one.name not in ("progress", "executor")
        ]  # fmt: skip
        given = dict(right)
        for _ in range(1 + (rng.random() < 0.2)):
            known = sorted({*asked, *right})
            argument = known[rng.integers(len(known))]
            spoil = argument in given and rng.random() < 0.6
            given[argument] = spoiled(given[argument], rng) if spoil else nasty(rng)
        changed = {key: value for key, value in given.items() if key not in right or value is not right[key]}
        yield f"{name}({', '.join(f'{key}={_short(value)}' for key, value in changed.items())})", function, given


def _short(value):
    return " ".join(f"{type(value).__name__} {value!r}"[:120].split())


def called(function, given):
    try:
        return function(**given)
    except AssertionError:
        if function is not assert_no_collapse:  # which answers so
            raise
        return None


def make(room, number, attempt):
    for told, function, given in malformed(room, number):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = attempt(lambda function=function, given=given: called(function, given), told)
        if isinstance(result, xr.Dataset) and "status" in result and "time" in result.dims:
            lost = result.map(lambda one: np.isnan(one).any() if one.dtype.kind == "f" else np.array(False))
            assert not any(bool(value) for value in lost.values()) or (result.status != 0).any(), told


ROOMS = ("symbolic", "integrate", "analysis", "methods", "networks", "measures", "monitor", "drawing")


@pytest.mark.parametrize("room", ROOMS)
def test_twenty_of_each_room(room, attempt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(room, 20, attempt)


@pytest.mark.long
@pytest.mark.parametrize("room", ROOMS)
def test_five_hundred_of_each_room(room, attempt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(room, 500, attempt)


NOT_CALLED = {
    "BlowUp", "DynsimError", "ParseError", "SolverFailure", "StepLimit",  # raised, not called
    "Claim", "Continuation", "Count", "Cycle", "Diagnosis", "Equilibrium", "Fact", "Method", "NoisyFlow", "Outcome",
    "System",  # results and members, which dynsim makes
    "list_figures", "list_methods", "list_optimisers", "list_systems",  # take nothing
    "run_study",  # hands everything to Study, and tests of studies break its store
    "LightningMonitor",  # as attach, and a second to import
}  # fmt: skip


def test_every_public_function_is_called():
    called = {name.split(".")[0].split(" ")[0] for room in rooms().values() for name in room}
    public = {*dynsim.__all__, *networks.__all__, *monitor.__all__} - {"__version__", "measures"}
    assert public - called - NOT_CALLED == set()


def test_what_is_called_works_where_nothing_is_spoiled(attempt):
    assert set(rooms()) == set(ROOMS)
    for functions in rooms().values():
        for name, (function, given) in functions.items():
            if name not in ("attach", "register", "plot"):
                function(**given)


@pytest.mark.parametrize(
    ("room", "name", "argument", "number"),
    [
        ("integrate", "ensemble of noise", "seeds", 10**11),
        ("integrate", "ensemble of noise", "seeds", range(10**12)),
        ("integrate", "step_size_bifurcation", "keep", 10**400),
        ("integrate", "ensemble", "chunk", 10**400),
        ("analysis", "limit_cycles", "starts", 10**12),
        ("analysis", "collapse_fraction", "starts", 10**17),
        ("analysis", "portrait", "resolution", 10**9),
        ("networks", "train", "seeds", range(10**12)),
        ("networks", "second_moments", "views", 10**10),
        ("methods", "flow", "modes", 10**9),
    ],
)
def test_a_number_beyond_any_memory_is_refused(room, name, argument, number):
    function, right = rooms()[room][name]
    with pytest.raises(dynsim.DynsimError, match=argument):
        function(**{**right, argument: number})
