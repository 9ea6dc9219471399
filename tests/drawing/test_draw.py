"""`draw` draws whatever Dataset a public function returned, fresh or from a file, with any names of states."""

from functools import cache
from io import BytesIO

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import dynsim
from dynsim import DynsimError
from dynsim.drawing.dispatch import KINDS, kind_of
from dynsim.drawing.style import SIZES, styled
from dynsim.records import stamp
from dynsim.storage import open_dataset, save_dataset

# The names that dynsim's own results use too: states called x and y, or as measures and coordinates are called.
NAMES = [("x", "y"), ("phi", "theta")]


@cache
def flow(names):
    a, b = names
    return dynsim.gradient_flow(f"({a}*{b} - sg({b}))^2/2 + eta*({a}^2 + {b}^2)/2", [a, b])


def made_up(kind, variables, **attributes):
    return stamp(xr.Dataset(variables), kind=kind, **attributes)


@cache
def results(names=("x", "y")):
    """One Dataset of every kind, made by the public function where there is one."""
    a, b = names
    one, at, start = flow(names), {"eta": 0.05}, {a: 0.6, b: 0.1}
    run = dynsim.solve(one, start, 5.0, parameters=at)
    axis = np.linspace(0.2, 1.0, 4)
    found = dynsim.continuation(one, "eta", (0.02, 0.3), initial={a: 0.9, b: 0.9, "eta": 0.05})
    noisy = dynsim.noisy_flow(
        f"({a}*x_s*{b} - sg({b}))^2/2 + eta*({a}^2 + {b}^2)/2", [a, b], random="x_s ~ normal(1, 0.1)", batch=4, lr=0.1
    )
    about = {"flow": one.about(), "parameters": at}
    made = {
        "run": run,
        "ensemble": dynsim.ensemble(one, {a: axis, b: axis}, 5.0, parameters=at),
        "optimise": dynsim.optimise(one, start, 20, lr=0.1, parameters=at),
        "portrait": dynsim.portrait(one, at),
        "basins": dynsim.basins(one, {a: axis, b: axis}, at),
        "separatrices": dynsim.separatrices(one, at),
        "branches": found.branches,
        "timescales": dynsim.timescales(one, run),
        "conservation": dynsim.conservation(one, run),
        "noise": dynsim.ensemble(noisy, start, times=[0, 1, 2.0], parameters=at, seeds=5),
        "equilibria": dynsim.equilibria(one, at).dataset,
        "cycles": made_up(
            "cycles",
            {
                a: (("cycle", "phase"), [np.cos(axis)]),
                b: (("cycle", "phase"), [np.sin(axis)]),
                "period": ("cycle", [6.28]),
                "stable": ("cycle", np.array([1], np.int8)),
            },
            **about,
        ),
        "resilience": dynsim.resilience(one, {a: 0.9, b: 0.9}, at, reach=1.0),
        "collapse-fraction": dynsim.collapse_fraction(one, None, {"eta": [0.05, 0.2]}, starts=50),
        "features": made_up(
            "features",
            {
                "lambda_d": ("feature", axis),
                "lambda_s": ("feature", 1.2 * axis),
                "reliability": ("feature", axis / 1.2),
                "survives": ("feature", np.array([1, 0, -1, 1], np.int8)),
                "amplitude": ("feature", [1.0, 0.0, 0.1, np.inf]),
            },
            exact=True,
        ),
        "training": made_up(
            "training",
            {
                "spread": (("seed", "step"), np.ones((2, 3))),
                "loss": (("seed", "step"), np.ones((2, 3))),
                "step": [0, 5, 10],
            },
        ),
        "study": made_up(
            "study",
            {"spread": (("encoder", "eta", "seed"), np.ones((2, 4, 2))), "encoder": ["linear", "mlp"]},
            study={"name": "mine"},
        ),
    }
    fold = found.folds[0]
    pair = dynsim.system("scalar").fix(eta_p="eta", eta_s="eta")
    point = dynsim.continuation(pair, "eta", (0.1, 0.3), initial={"phi": 0.8, "theta": 0.8, "eta": 0.15}).folds[0]
    made["fold-curve"] = dynsim.fold_curve(pair, ("eta", "sigma2"), point)
    game = dynsim.Flow.of({"x": dynsim.Move("m*x - y - x^3"), "y": dynsim.Move("x + n*y")})
    made["hopf-curve"] = dynsim.hopf_curve(game, ("m", "n"), {"x": 0, "y": 0, "m": 0.1, "n": -0.1})
    assert fold
    return made


def pixels(figure):
    buffer = BytesIO()
    with styled("column"):
        figure.savefig(buffer, format="png", dpi=60)
    return buffer.getvalue()


def test_every_kind_is_tried():
    assert set(results()) == set(KINDS)


@pytest.mark.parametrize("names", NAMES, ids="-".join)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_is_recognised_and_drawn(kind, names):
    data = results(names)[kind]
    figure = dynsim.draw(data)
    assert kind_of(data) == kind
    assert figure.axes[0].has_data()
    assert figure.get_figwidth() == pytest.approx(SIZES["column"][0])
    assert data.identical(results(names)[kind]), "drawing leaves data as they are"


@pytest.mark.parametrize(
    ("equations", "ratio"),
    [
        ("x' = -x", ""),
        ("x' = -x; y' = -2*y", "speed, $x$ / $y$"),
        ("a' = -a; b' = a - b; c' = b - 3*c", "speed of one"),
    ],
)
def test_time_scales_without_predictor_and_encoder_are_drawn(equations, ratio):
    """States without roles: their pairs, and of one state alone when it is half-way."""
    start = {name.split("'")[0].strip(): 1.0 for name in equations.split(";")}
    data = dynsim.timescales(equations, dynsim.solve(equations, start, 5.0))
    (axes,) = dynsim.draw(data.drop_attrs()).axes
    assert axes.get_ylabel().startswith(ratio)
    pairs = len(start) * (len(start) - 1) // 2
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(curves) == 2 * pairs
    assert sum("half-way" in text.get_text() for text in axes.texts) == len(start)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_files_are_drawn_the_same(kind, tmp_path):
    data = results()[kind]
    fresh = pixels(dynsim.draw(data))
    assert pixels(dynsim.draw(save_dataset(data, tmp_path / "it.nc"))) == fresh
    pytest.importorskip("zarr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # zarr warns of strings without a specification
        data.to_zarr(tmp_path / "it.zarr")
        data.to_zarr(tmp_path / "plain.zarr", consolidated=False)
    assert pixels(dynsim.draw(str(tmp_path / "it.zarr"))) == fresh
    assert open_dataset(tmp_path / "plain.zarr").identical(open_dataset(tmp_path / "it.zarr"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_on_axes_and_figures_of_the_caller(kind):
    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert dynsim.draw(results()[kind], ax=right) is figure
    assert right.has_data()
    assert not left.has_data()
    part = Figure(figsize=(8, 4)).subfigures(1, 2)[0]
    assert dynsim.draw(results()[kind], figure=part) is part


@pytest.mark.parametrize("size", SIZES)
def test_text_is_large_enough(size):
    figure = dynsim.draw(results()["run"], size=size)
    pixels(figure)
    texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize") and artist.get_text().strip())
    assert min(text.get_fontsize() for text in texts) >= 7


def test_a_kind_without_its_attribute_is_inferred():
    for kind in ("portrait", "basins", "separatrices", "branches", "timescales", "run", "ensemble", "optimise"):
        bare = results()[kind].copy()
        bare.attrs.pop("kind", None)
        assert kind_of(bare) == kind


def test_results_with_a_dataset():
    class Result:
        dataset = results()["run"]

    assert dynsim.draw(Result()).axes


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dynsim.draw(xr.Dataset({"a": ("b", [1.0])})), "it has no"),
        (lambda: dynsim.draw(xr.Dataset()), "no variables"),
        (lambda: dynsim.draw(results()["run"], kind="portrait"), "'velocity_x'"),
        (lambda: dynsim.draw(results()["run"], kind="portrai"), "portrait"),
        (lambda: dynsim.draw(xr.Dataset(attrs={"kind": "run"})), "no 'time'"),
        (lambda: dynsim.draw(results()["portrait"].drop_vars("separatrix_x")), "damaged"),
        (lambda: dynsim.draw(3), "xarray"),
        (lambda: dynsim.draw("/no/such/file.nc"), "existing"),
        (lambda: dynsim.draw(results()["run"], ax=3), "Axes"),
        (lambda: dynsim.draw(results()["run"], figure=3), "Figure"),
        (lambda: dynsim.draw(results()["run"], size="huge"), "slide"),
        (lambda: dynsim.draw(results()["run"], ax=Figure().subplots(), figure=Figure()), "one of the two"),
    ],
)
def test_anything_else_gets_one_line(call, words):
    with pytest.raises(DynsimError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_noise_without_times_is_a_density_and_times_of_escape_a_falling_share():
    noisy = dynsim.noisy_flow("(w - x)^2/2", "w", random="x ~ normal(0, 1)", batch=1, lr=0.5)
    ends = dynsim.ensemble(noisy, {"w": 0.0}, 2.0, seeds=50)
    (axes,) = dynsim.draw(ends).axes
    assert axes.get_xlabel() == "value at the end"
    (outline,) = axes.patches
    corners = outline.get_xy()
    assert abs(np.sum(np.diff(corners[:, 0]) * corners[:-1, 1]) - 1) < 1e-9
    out = dynsim.escape_time(noisy, {"w": 0.0}, "w > 0.5", seeds=50, t_max=5.0)
    (axes,) = dynsim.draw(out).axes
    heights = axes.lines[0].get_ydata()
    assert (np.diff(heights) < 0).all()
    assert abs(heights[-1] - int(out.censored) / 50) < 1e-12


def test_plain_symbols_of_panels_are_typeset_and_words_are_not():
    from dynsim.drawing.canvas import Canvas
    from dynsim.drawing.words import typeset

    axes = Canvas().subplots()
    axes.set(title="λ_d²/(4λ_s) at $η_c$", xlabel="my_own best_one", ylabel="E_T F")
    typeset(axes.figure)
    assert axes.get_title() == "$λ_d$²/(4$λ_s$) at $η_c$"
    assert axes.get_xlabel() == "my_own best_one"
    assert axes.get_ylabel() == "$E_T$ F"
    axes.set(title="4ηλ_s, r_*, η_sτ, η_pη_s", xlabel="s^a, ε^0.67, 2^{−3/2}, x^(n+1)", ylabel="x ^ y, my_own")
    typeset(axes.figure)
    assert axes.get_title() == "4η$λ_s$, $r_*$, $η_s$τ, $η_p$$η_s$"
    assert axes.get_xlabel() == "s$^{a}$, ε$^{0.67}$, 2$^{−3/2}$, x$^{n+1}$"
    assert axes.get_ylabel() == "x ^ y, my_own"
