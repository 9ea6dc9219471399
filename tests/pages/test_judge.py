"""The judge and the alarm are as good as the documentation's page says, which is made from the same numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dynsim import diagnose
from dynsim.pages import judge


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


def test_the_page_shows_the_tables(monkeypatch):
    monkeypatch.setattr(judge, "confusion", partial(judge.confusion, draws=1))
    page = judge.judge_page()
    assert "is at least 1." in page
    assert "| collapse-table | kept |" in page
