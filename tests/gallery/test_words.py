"""Words of figures follow their data: other options give other words, or none, or a refusal in plain words."""

from itertools import product

import numpy as np
import pytest

import dynsim
from dynsim import DynsimError
from dynsim.gallery.catalogue import ENTRIES, FIGURES
from dynsim.gallery.plotting import data_for

OPTIONS = {
    "slow": {"parameters": {"alpha": 0.1}},
    "fast": {"parameters": {"alpha": 10.0}},
    "elsewhere": {"initial": {"phi": 1.4, "theta": 0.3}},
    "dead": {"initial": {"phi": 1.6, "theta": 0.05}},
    "full": {"branch": "full"},
    "target": {"branch": "target"},
    "short": {"t_end": 5.0},
}
QUICK = sorted(name for name, entry in ENTRIES.items() if entry.cost <= 1.5 and not entry.needs)
# Which figures have the thing; all others say that they have not.
TAKES = {
    "parameters": {"article", "article-stop", "article-full", "article-target", "landscape", "loss-rise",
                   "noise-closes-the-escape", "one-run", "timescales", "who-is-fast"},
    "initial": set(QUICK),
    "branch": {"article-stop", "article-full", "article-target", "one-run"},
    "t_end": set(QUICK),
}  # fmt: skip


@pytest.mark.parametrize(("name", "label"), list(product(QUICK, OPTIONS)))
def test_an_option_works_or_is_refused(name, label):
    options = OPTIONS[label]
    (key,) = options
    if name not in TAKES[key]:
        with pytest.raises(DynsimError, match=f"of figure '{name}'"):
            data_for(name, options)
        return
    data = data_for(name, options)
    verdict = FIGURES[name].verdict(data)
    assert not {"nan", "inf"} & set(str(verdict).lower().replace(",", " ").split())
    if name in TRUTHS:
        TRUTHS[name](data, verdict.headline, options)


def fate(branch, options):
    start = {"phi": 0.6, "theta": 0.1, **options.get("initial", {})}
    end = dynsim.outcome(dynsim.system("toy", branch=branch), start, options.get("parameters"))
    return end.collapsed


def article(own):
    def check(data, headline, options):
        branch = options.get("branch", own)
        word = {"stop": "With stop-gradient", "full": "Without stop-gradient", "target": "Only the second branch"}
        assert headline.startswith(word[branch])
        assert ("collapses" in headline) == fate(branch, options)
        assert ("survives" in headline) != fate(branch, options)

    return check


def all_branches(data, headline, options):
    alive = [branch for branch in ("stop", "full", "target") if not fate(branch, options)]
    if len(alive) == 3:
        assert "all three" in headline
    elif not alive:
        assert "collapses in all" in headline
    else:
        assert ("with stop-gradient" in headline) == ("stop" in alive)
        assert ("without stop-gradient" in headline) == ("full" in alive)


def landscape(data, headline, options):
    dead = [branch for branch in ("stop", "full", "target") if fate(branch, options)]
    assert ("all three" in headline) == (len(dead) in (0, 3))


def loss_rise(data, headline, options):
    loss = data["loss"].sel(branch="stop").values
    assert ("falls at once" in headline) == bool(loss.max() == loss[0])
    assert ("to the end" in headline) == bool(loss.argmax() == len(loss) - 1)
    other = any((np.diff(data["loss"].sel(branch=b).values) > 1e-12).any() for b in ("full", "target"))
    assert ("rises too" in headline) == other or "falls at once" in headline


def first_half(data, headline, options):
    for branch in ("stop", "full", "target"):
        one = data.sel(branch=branch, share=0.5)
        times = {"φ": float(one["when_phi"]), "θ": float(one["when_theta"])}
        known = {name: time for name, time in times.items() if np.isfinite(time)}
        if len(known) == 2:
            assert f"{branch} {min(known, key=known.get)}" in headline


def one_run(data, headline, options):
    assert ("no collapse" in headline) != fate(options.get("branch", "stop"), options)


TRUTHS = {
    "article-stop": article("stop"),
    "article-full": article("full"),
    "article-target": article("target"),
    "article": all_branches,
    "landscape": landscape,
    "loss-rise": loss_rise,
    "who-is-fast": first_half,
    "one-run": one_run,
}


def test_states_may_be_called_as_coordinates_are(tmp_path):
    figure = dynsim.plot("one-run", system="(x*y - sg(y))^2/2", states="x,y", initial={"x": 0.6, "y": 0.1}, full=True)
    assert figure.axes
    more = {"states": "x,limit_x", "initial": {"x": 0.6, "limit_x": 0.1}}
    data = data_for("one-run", {"system": "(x*limit_x - sg(limit_x))^2/2", **more})
    assert float(data["limit.limit_x"]) == pytest.approx(0.8062257748)
    assert data["limit_x"].dims == ("time",)


def test_the_theorem_of_who_is_fast_can_fail():
    data = data_for("who-is-fast", {})
    assert FIGURES["who-is-fast"].verdict(data).word == "holds"
    assert FIGURES["who-is-fast"].verdict(data.assign(stated=-data["stated"])).word == "does not hold"
    # Half-way times by root finding on exact orbits (the article's start).
    half = data.sel(share=0.5)
    np.testing.assert_allclose(half["when_phi"], [7.631412, 2.230792, 0.869465], rtol=1e-4)
    np.testing.assert_allclose(half["when_theta"], [6.648599, 4.460950, 1.742880], rtol=1e-4)
