"""Every claim is decided by a computation, and would be decided otherwise if what it is about were otherwise."""

import re
import subprocess
import sys

import pytest
import sympy

import dynsim
from dynsim.gallery.catalogue import FIGURES
from dynsim.ledger.catalogue import CLAIMS, HEADLINES, headline_table, stored_verdicts
from dynsim.ledger.contract import decided, numbers
from dynsim.verdict import HEADLINE_LENGTH, Verdict

CHEAP = [name for name, one in CLAIMS.items() if not one.needs]
COSTLY = [name for name, one in CLAIMS.items() if one.needs]


def agrees_with_the_list(name, verdict):
    stored = stored_verdicts()[name]
    assert verdict.word == stored["verdict"], verdict
    found, listed = (re.findall(r"\d+\.?\d*(?:e-?\d+)?", text) for text in (verdict.headline, stored["headline"]))
    assert found, "a headline tells a number"
    assert len(verdict.facts) > 0
    return [float(x) for x in found], [float(x) for x in listed]


@pytest.mark.parametrize("name", CHEAP)
def test_the_verdict_that_is_listed_is_the_one_that_is_computed(name):
    found, listed = agrees_with_the_list(name, CLAIMS[name].check())
    assert found == pytest.approx(listed, rel=0.02, abs=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("name", COSTLY)
def test_the_same_on_networks(name):
    pytest.importorskip("torch")
    agrees_with_the_list(name, CLAIMS[name].check())


def test_a_network_in_short():
    pytest.importorskip("torch")
    few = dynsim.claim("stop-gradient-on-digits").check(seeds=1, steps=3)
    assert few.word == "does not hold", "after three steps nothing has collapsed yet"


# Where what a claim is about is changed so that it must be decided otherwise.
OTHERWISE = [
    ("three-branches", {"initial": {"phi": 1.5, "theta": 0.1}}, "does not hold"),
    ("flow-not-minima", {"alpha": 100.0}, "does not hold"),
    ("predictor-is-fast", {"alpha": 40.0, "networks": ()}, "holds"),
    ("predictor-is-fast", {"networks": ()}, "does not hold"),
    ("fast-lane", {"factor": 100.0}, "does not hold"),
    ("teacher-unneeded", {"eta": 0.3}, "does not hold"),
    ("alternation-restates", {"lambda_s": 1.0}, "does not hold"),
    ("predictor-is-key", {"nu": 0.0}, "does not hold"),
    ("neither-stronger-nor-weaker", {"phi": 1.6, "theta": 0.05}, "does not hold"),
    ("two-views-are-twice", {"shared": 0.3}, "does not hold"),
    ("variance-grows", {"noises": {"two points": ((-1.0, 1.0), (0.5, 0.5))}}, "holds"),
    ("full-always-collapses", {"sigma2": 0.0}, "does not hold"),
    ("no-potential", {"branch": "full"}, "does not hold"),
    ("decay-threshold", {"weak": 0.5}, "holds"),
    ("balance-law", {"eta_p": 0.2}, "does not hold"),
    ("balance-law", {"branch": "full"}, "does not hold"),
    ("optimal-predictor", {"eta_s": 0.1}, "does not hold"),
    ("faster-predictor", {"eta": 0.5}, "does not hold"),
    ("cosine-conserves-norms", {"variant": "isoloss"}, "does not hold"),
    ("eigenvalues-multiply", {"variant": "predictor"}, "does not hold"),
    ("decay-drops-noisy-features", {"eta_s": 0.0}, "does not hold"),
    ("stepwise-learning", {"start": 0.3}, "does not hold"),
    ("spectral-end", {"lambda_d": -0.1}, "does not hold"),
    ("negatives-prevent", {"lambda_d": -0.1}, "does not hold"),
    ("gan-circles", {"variant": "r1", "gamma": 0.5}, "does not hold"),
    ("gradient-penalty-damps", {"strengths": (0.0, 1.0)}, "holds under conditions"),
    ("instance-noise-damps", {"strengths": (0.0,)}, "does not hold"),
    ("wgan-gp-never-settles", {"target": 0.0}, "does not hold"),
    ("vicreg-hinge", {"covariance": 1000.0}, "holds"),
    ("dino-hot-teacher", {"agreement": 0.3}, "does not hold"),
    ("lejepa-small-batches", {"lam": 0.9}, "holds"),
    ("barlow-rows-stay-apart", {"lam": 0.05}, "holds"),
    ("consensus-factor", {"factor": 1.0}, "holds"),
    ("cosine-without-stop", {"prediction_power": 1, "feature_power": 3}, "holds"),
]


@pytest.mark.parametrize(("name", "changes", "word"), OTHERWISE)
def test_a_check_can_come_out_otherwise(name, changes, word):
    verdict = dynsim.claim(name).check(**changes)
    assert verdict.word == word, verdict
    assert verdict.word != stored_verdicts()[name]["verdict"] or name == "faster-predictor"


def test_long_numbers_make_no_headline_too_long():
    start = {"phi": 0.123456789123, "theta": 0.987654321987}
    verdict = dynsim.claim("three-branches").check(initial=start, alpha=0.33333333333)
    assert len(verdict.headline) <= HEADLINE_LENGTH
    assert len(decided("holds", "word " * 40, numbers(("a", 1))).headline) <= HEADLINE_LENGTH
    assert decided("holds", "word " * 40, numbers(("a", 1))).headline.endswith("word …")


def test_every_claim_is_complete():
    assert len(CLAIMS) >= 25
    assert set(stored_verdicts()) == set(CLAIMS)
    words = {row["verdict"] for row in dynsim.claims()}
    assert {"holds", "holds under conditions", "does not hold"} <= words
    for name, one in CLAIMS.items():
        assert name == one.id
        assert one.sentence.endswith((".", ")."))
        assert one.source
        assert one.place
        assert one.paper
        assert 0 < one.cost < 60
        if one.decided_by.startswith("dynsim plot "):
            assert one.decided_by.split()[2].strip(";") in FIGURES
        assert list(one.options.values()).count(None) == 0


def test_the_article_comes_first_and_quotations_say_so():
    table = dynsim.claims()
    assert table[0]["paper"] == "kexue.fm/archives/7980"
    quoted = {row["id"]: "known from quotation" in row["source"] for row in table}
    assert {name: one.quoted for name, one in CLAIMS.items()} == quoted


@pytest.mark.parametrize("paper", ["2102.06810", "arXiv:2102.06810v2", "https://arxiv.org/abs/2102.06810"])
def test_claims_of_one_paper(paper):
    assert "decay-threshold" in dynsim.claims(paper=paper)["id"]
    assert "three-branches" not in dynsim.claims(paper=paper)["id"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dynsim.claims(paper="2102.06811"), "UnknownName", "2102.06810"),
        (lambda: dynsim.claims(paper=2102.06810), "InvalidType", "as text"),
        (lambda: dynsim.claim("three-branch"), "UnknownName", "three-branches"),
        (lambda: dynsim.claim(3), "InvalidType", "a name"),
        (lambda: dynsim.claim("no-potential").check(speed=1), "UnknownName", "branch"),
    ],
)
def test_mistakes_are_told_in_words(call, error, words):
    with pytest.raises(dynsim.DynsimError, match=words) as found:
        call()
    assert type(found.value).__name__ == error


def test_a_claim_of_your_own():
    facts = {"sentence": "x.", "source": "me", "place": "here", "paper": "none", "decided_by": "nothing", "cost": 0.1}
    mine = dynsim.Claim(id="mine", decide=lambda: Verdict("measured", "3 of 4"), **facts)
    dynsim.register(mine)
    try:
        assert dynsim.claim("mine").check().word == "measured"
        assert [row["verdict"] for row in dynsim.claims(paper="none")] == ["not checked"]
        with pytest.raises(dynsim.DynsimError, match="a Verdict"):
            dynsim.Claim(id="wrong", decide=lambda: "holds", **facts).check()
    finally:
        CLAIMS.remove("mine")


def test_listing_imports_nothing_heavy():
    heavy = "{'numpy', 'sympy', 'xarray', 'scipy', 'matplotlib'}"
    code = f"import dynsim, sys; dynsim.claims(); assert not {heavy} & set(sys.modules), set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_front_page_shows_five():
    lines = headline_table().splitlines()
    assert len(lines) == 2 + len(HEADLINES) == 7
    for line, name in zip(lines[2:], HEADLINES, strict=True):
        assert f"**{stored_verdicts()[name]['verdict']}**" in line
        assert line.count(" | ") == 2


def test_the_derivation_of_the_stray_half():
    """The square of f' brings down a 2 in both terms of the penalty's derivative, and in the second it is not kept."""
    theta, psi = sympy.symbols("theta psi", real=True)
    x = sympy.Symbol("x", real=True)
    slope = 1 / (1 + sympy.exp(x))
    penalty = (theta**2 + psi**2) * slope.subs(x, theta * psi) ** 2 / 2
    f1, f2 = slope.subs(x, theta * psi), sympy.diff(slope, x).subs(x, theta * psi)
    for a, b in ((theta, psi), (psi, theta)):
        whole = a * f1**2 + b * (theta**2 + psi**2) * f1 * f2
        assert sympy.simplify(sympy.diff(penalty, a) - whole) == 0
