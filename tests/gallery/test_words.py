"""Words of figures follow their data: other options give other words, or none, or a refusal in plain words."""

from itertools import product

import numpy as np
import pytest

import dynsim
from dynsim import DynsimError
from dynsim.gallery.catalogue import ENTRIES, FIGURES
from dynsim.gallery.plotting import data_for, given
from dynsim.records import provenance

OPTIONS = {
    "slow": {"parameters": {"alpha": 0.1}},
    "fast": {"parameters": {"alpha": 10.0}},
    "noisy": {"parameters": {"sigma2": 0.5}},
    "decaying": {"parameters": {"eta": 0.3}},
    "elsewhere": {"initial": {"phi": 1.4, "theta": 0.3}},
    "dead": {"initial": {"phi": 1.6, "theta": 0.05}},
    "full": {"branch": "full"},
    "target": {"branch": "target"},
    "system": {"system": "scalar"},
    "short": {"t_end": 5.0},
    "images": {"data": "digits"},
    "few": {"seeds": 2},
    "brief": {"steps": 12},
}
TOYS = {"architecture", "article", "article-full", "article-stop", "article-target", "landscape", "loss-rise",
        "one-run", "timescales", "who-is-fast"}  # fmt: skip
ANY = {"continuation", "one-run", "portrait", "portrait-decay"}  # of a system with parameters of its own
FIELDS = {"compare", "embeddings", "network-collapse", "spectrum"}  # take fields of an Experiment
LANES = {"fast-lane", "network-timescales"}
ON_IMAGES = {"collapse-table", "counter-examples", "dino", "expansion", "lattice", "network-ema",
             "network-weight-decay", "optimisers-network", "prior", "stronger", "xbar"}  # fmt: skip
# A photograph; Gaussian views; directions that are chosen among the digits'.
TRAINED = ON_IMAGES | {"deep-image-prior", "lejepa", "methods"}
# Which figures have the thing; all others say that they have not.
TAKES = {
    "alpha": TOYS | ANY | FIELDS | LANES | {"basins", "bifurcation-decay", "collapse-map", "noise-closes-the-escape"},
    "sigma2": TOYS | ANY | FIELDS | {"basins", "collapse-map", "ema", "fast-slow", "noise", "tipping"},
    "eta": TOYS | ANY | FIELDS | {"direct-set", "eigenmodes", "ema", "fast-slow", "noise", "step-size"},
    "phi": TOYS | ANY | FIELDS | {"alternating", "dirac-gan", "noise-closes-the-escape", "optimisers",
                                  "predictor-ratio", "step-size"},
    "branch": ANY | FIELDS | {"article-stop", "article-full", "article-target"},
    "system": ANY - {"portrait-decay"} | FIELDS | {"article", "article-stop", "article-full", "article-target"},
    "t_end": TOYS - {"architecture"} | FIELDS | LANES
    | {"basins", "collapse-map", "cosine-vs-euclid", "dirac-gan", "eigenmodes", "ema", "jepa-vs-mae", "matrix-flow",
       "modes-vs-toy", "noise-closes-the-escape", "portrait-decay", "predictor-ratio"},
    "data": FIELDS | LANES | ON_IMAGES | {"features", "matrix-flow", "modes-vs-toy"},
    "seeds": FIELDS | LANES | TRAINED | {"matrix-flow", "modes-vs-toy", "noise", "tipping"},
    "steps": FIELDS | LANES | TRAINED | {"modes-vs-toy", "world-model"},
}  # fmt: skip
# What costs too much for the first tier with any option; `FIGURES[…].small` makes it smaller in the second.
CHEAP = sorted(name for name, entry in ENTRIES.items() if entry.cost <= 1.5 and not entry.needs)


def asked(options):
    """The name under which TAKES knows an option."""
    (key,) = options
    return next(iter(options[key])) if key in ("parameters", "initial") else key


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_figure_takes_an_option_or_says_that_it_has_not_the_thing(name):
    """Nothing is computed here: an option is refused before any work."""
    figure = FIGURES[name]
    for options in OPTIONS.values():
        if name in TAKES[asked(options)]:
            assert given(figure, options)
        else:
            with pytest.raises(DynsimError, match=f"of figure '{name}'"):
                given(figure, options)


def own_images():
    """Some of the digits, as a user's own."""
    from dynsim.networks.datasets import digits
    from dynsim.networks.images import Images

    known = digits()
    return Images(known.train[:200], known.test[:80], known.train_labels[:200], known.test_labels[:80], name="own")


def computed(name, label):
    """Words and picture of a figure under an option; a refusal by the computation is in plain words as well."""
    options, figure = OPTIONS[label], FIGURES[name]
    if label == "images":
        options = {"data": own_images()}
    small = {key: value for key, value in figure.small.items() if key not in options} if name not in CHEAP else {}
    refused = ""
    try:
        data = data_for(name, {**small, **options})
    except DynsimError as error:
        refused = str(error)
    assert "values for which it can be computed" not in refused, "only a last resort may say so little"
    if refused:
        return None, None
    verdict = figure.verdict(data)
    assert not {"nan", "inf"} & set(str(verdict).lower().replace(",", " ").split())
    assert not verdict.headline.endswith("…")
    picture = dynsim.plot(name, data=data)
    if label == "images":
        said = [picture.get_suptitle(), *(text.get_text() for text in picture.texts)]
        assert "digits" not in " ".join(said)
        assert str(provenance(data)["experiment"]["data"]).startswith("sha256:")
    return data, verdict


TAKEN = [pair for pair in product(sorted(ENTRIES), OPTIONS) if pair[0] in TAKES[asked(OPTIONS[pair[1]])]]


@pytest.mark.parametrize(("name", "label"), [pair for pair in TAKEN if pair[0] in CHEAP])
def test_words_follow_an_option(name, label):
    data, verdict = computed(name, label)
    if data is not None and name in TRUTHS:
        TRUTHS[name](data, verdict.headline, OPTIONS[label])


@pytest.mark.long
@pytest.mark.parametrize(("name", "label"), [pair for pair in TAKEN if pair[0] not in CHEAP])
def test_words_of_what_costs_more_follow_an_option(name, label):
    for extra in FIGURES[name].needs:
        pytest.importorskip({"networks": "torch"}.get(extra, extra))
    data, verdict = computed(name, label)
    if data is not None and name in TRUTHS:
        TRUTHS[name](data, verdict.headline, OPTIONS[label])


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


def both_branches(data, headline, options):
    first, both, second = data["theta_velocity"].values
    assert first + second == pytest.approx(both)
    assert ("first branch lets the encoder grow" in headline) == (first > 0)
    assert ("second lets it shrink" in headline) == (second < 0)


TRUTHS = {
    "architecture": both_branches,
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
