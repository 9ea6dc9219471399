"""The judge and the alarm are as good as the documentation's page says, which is made from the same numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dynsim import diagnose
from dynsim.pages import judge
from dynsim.storage import open_dataset


@pytest.mark.parametrize("name", judge.PLANTED)
def test_planted_kinds_are_found(name):
    kind, draw = judge.PLANTED[name]
    hits = []
    for seed in range(20):
        args, options = draw(np.random.default_rng([1, seed]))
        found = diagnose(*args, **options)
        hits.append(kind in found.kinds)
        assert found.mechanism
        assert found.collapsed is (kind != "healthy")
    assert np.mean(hits) >= 0.95


def test_no_stored_run_that_keeps_its_gain_is_called_collapsed():
    rows = list(judge.stored_runs_table())
    kept, lost = ([row for row in rows if row["kNN's gain"] == fate] for fate in ("kept", "lost"))
    assert sum(row["runs"] for row in kept) > 150
    assert sum(row["collapsed"] for row in kept) == 0
    assert sum(row["healthy"] for row in kept) > 0.8 * sum(row["runs"] for row in kept)
    assert sum(row["healthy"] for row in lost) == 0


def test_the_alarm_is_right_on_runs_that_were_kept_out():
    rows = {(row["runs that"], row["bounds chosen on them"]): row for row in judge.alarm_table()}
    for fate in ("live", "never live", "live, then die"):
        kept_out, chosen_on = rows[fate, "no"], rows[fate, "yes"]
        assert kept_out["runs"] + chosen_on["runs"] >= 40
        assert kept_out["runs"] >= chosen_on["runs"]
        assert kept_out["right"] >= (0.95 if fate == "live" else 0.9) * kept_out["runs"]
    died = [row for row in judge.alarm_outcomes() if row["fate"] == "dies later" and row["lost"] < np.inf]
    assert len(died) >= 20
    assert np.mean([row["in time"] for row in died]) >= 0.9


def test_a_ranking_without_labels_is_worth_what_the_page_says():
    rows = {row["run"]: row for row in judge.ranking_table()}
    for name in ("SimSiam", "BYOL", "SimSiam, both branches"):
        assert float(rows[name]["ranking, two views"]) > 0.9
    assert all(float(row["ranking, two views"]) > 0 for row in rows.values())
    assert float(rows["SimSiam"]["rankme"]) < -0.5 < 0.5 < float(rows["SimSiam, both branches"]["rankme"])


def test_an_alarm_too_early_or_too_late_is_wrong():
    data = open_dataset(judge.ALARM_RUNS)
    dying = data.isel(run=[int(np.flatnonzero(data["fate"].values == "dies later")[0])])
    assert [row["in time"] for row in judge.alarm_outcomes(dying)] == [True]
    early, late = dying.copy(deep=True), dying.copy(deep=True)
    early["spread"][:, 10] = 0.1
    late["knn"][:, 16:] = 0.0
    late["spread"][:, :40] = 0.9
    late["norm_ratio"][:] = 1.0
    late["rankme"][:] = 20.0
    for wrong in (early, late):
        assert [row["in time"] for row in judge.alarm_outcomes(wrong)] == [False]


def test_the_page_shows_the_tables(monkeypatch):
    monkeypatch.setattr(judge, "confusion", partial(judge.confusion, draws=1))
    page = judge.judge_page()
    assert "is at least 1." in page
    assert "| collapse-table | kept |" in page
    assert "| live, then die | no |" in page
