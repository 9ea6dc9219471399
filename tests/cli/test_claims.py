"""`dynsim claims`."""

import json

import pytest

from dynsim.cli import main
from dynsim.ledger import catalogue


def test_all_are_listed_with_what_a_check_costs(capsys):
    assert main(["claims"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}\n" in out for name in catalogue.CLAIMS)
    assert f"{len(catalogue.CLAIMS)} claims; checking them all anew takes about" in out


def test_one_claim_and_one_paper(capsys):
    assert main(["claims", "consensus-factor"]) == 0
    out = capsys.readouterr().out
    assert "notebooks/diracgan/gans.py" in out
    assert main(["claims", "--paper", "arxiv:2110.04947", "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["decay-drops-noisy-features"]


def test_a_check_says_its_cost_first_and_its_facts(capsys):
    assert main(["claims", "two-views-are-twice", "--check"]) == 0
    out, error = capsys.readouterr()
    assert error.startswith("1 checks, about")
    assert "holds: E‖F(T₁x)" in out
    assert "ratio" in out
    assert main(["claims", "two-views-are-twice", "--check", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == dict(catalogue.stored_verdicts()["two-views-are-twice"])


def test_another_verdict_than_the_listed_one_is_status_1(capsys, monkeypatch):
    listed = {"two-views-are-twice": {"id": "two-views-are-twice", "verdict": "open", "headline": "?"}}
    monkeypatch.setattr(catalogue, "stored_verdicts", lambda: listed)
    assert main(["claims", "two-views-are-twice", "--check"]) == 1
    out, error = capsys.readouterr()
    assert "so far: open" in out
    assert "1 failed or other than listed" in error


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["claims", "no-potentia"], "did you mean 'no-potential'"),
        (["claims", "--paper", "1"], "paper"),
        (["claims", "no-potential", "--paper", "2507.01028"], "either an ID or a paper"),
    ],
)
def test_mistakes_are_one_line(argv, message, capsys):
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
