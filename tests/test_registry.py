"""Registries hold their own members, those of installed packages and those registered; a broken one breaks itself."""

from importlib.metadata import EntryPoint

import pytest

from dynsim.errors import DynsimError
from dynsim.registry import TABLES, Registry, registry


@pytest.fixture
def shapes(monkeypatch):
    """A registry whose group has one sound and one broken entry point."""
    points = [
        EntryPoint("circle", "math:tau", "dynsim.shapes"),
        EntryPoint("broken", "no_such_package_anywhere:thing", "dynsim.shapes"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [p for p in points if p.group == group])
    return Registry("shape", {"square": 4.0, "pi": "math:pi"})


def test_members_of_every_origin(shapes):
    import math

    assert (shapes["square"], shapes["pi"], shapes["circle"]) == (4.0, math.pi, math.tau)
    assert set(shapes) == {"square", "pi", "circle", "broken"}
    assert len(shapes) == 4
    shapes.register("star", 5.0)
    assert shapes["star"] == 5.0
    shapes.remove("star")
    assert "star" not in shapes


def test_a_broken_package_breaks_only_its_own_member(shapes):
    with pytest.raises(DynsimError, match="no_such_package_anywhere"):
        shapes["broken"]
    assert "ModuleNotFoundError" in shapes.broken["broken"]
    assert shapes["square"] == 4.0


@pytest.mark.parametrize("name", ["", "two words", "a.b", 3])
def test_names_are_plain_words(shapes, name):
    with pytest.raises(DynsimError, match="letters"):
        shapes.register(name, 1.0)


def test_taken_names_and_misspelt_ones(shapes):
    with pytest.raises(DynsimError, match="did you mean 'square'"):
        shapes["sqare"]
    with pytest.raises(DynsimError, match="no shape has"):
        shapes.register("square", 1.0)


@pytest.mark.parametrize("kind", TABLES)
def test_every_table_is_where_it_says(kind):
    if kind in ("measure", "encoder", "predictor", "objective"):
        pytest.importorskip("torch")
    table = registry(kind)
    assert isinstance(table, Registry)
    assert all(isinstance(name, str) for name in table)
    assert len(table) > 0


def test_an_unknown_kind():
    with pytest.raises(DynsimError, match="did you mean 'system'"):
        registry("sistem")
