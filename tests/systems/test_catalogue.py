"""The catalogue: listing, choosing, registering."""

import pytest

from dynsim import DynsimError, System, gradient_flow, list_systems, register, system
from dynsim.systems.catalogue import SYSTEMS


@pytest.fixture(autouse=True)
def nothing_stays():
    before = set(SYSTEMS)
    yield
    for name in set(SYSTEMS) - before:
        SYSTEMS.remove(name)


def build(branch, variant, k=1):
    return gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta", branch=branch)


def test_list():
    table = list_systems()
    assert {"toy", "scalar", "byol"} <= set(table["name"])
    assert all(row["reference"] and row["summary"] for row in table)


def test_register_and_use():
    register(System("mine", "test", "a test", "nobody", build, structure=("k",)))
    assert system("mine", k=2).reference == "nobody"
    assert "mine" in list_systems()["name"]
    with pytest.raises(DynsimError, match="structure"):
        system("mine", q=2)
    with pytest.raises(DynsimError, match="variant"):
        system("mine", variant="x")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: system("toi"), "did you mean 'toy'"),
        (lambda: system(["toy"]), "system"),
        (lambda: system(None), "system"),
        (lambda: system("modes", k=0), "k: got 0"),
        (lambda: system("jepa", L=0), "L: got 0"),
        (lambda: system("deep-linear", L=1.5), "L: got 1.5"),
        (lambda: system("dirac-gan", variant="r2"), "variant of 'dirac-gan': got 'r2'"),
        (lambda: system("cosine", spectrum="warm"), "spectrum: got 'warm'"),
        (lambda: system("byol", branch="full"), "branch"),
        (lambda: system("toy", branch="none"), "branch"),
        (lambda: register(3), "one of System"),
        (lambda: register(System("toy", "f", "s", "r", build)), "toy"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(DynsimError, match=words):
        make()


def test_the_table_names_every_system_by_its_own_name():
    for name, entry in SYSTEMS.items():
        assert entry.name == name


def test_a_package_that_cannot_be_loaded_breaks_its_own_system_only(monkeypatch):
    class Broken:
        name = value = "broken"

        def load(self):
            raise ImportError("no module named 'elsewhere'")

    monkeypatch.setattr(SYSTEMS, "_entry_points", {"broken": Broken()})
    rows = {row["name"]: row["summary"] for row in list_systems()}
    assert "no module named 'elsewhere'" in rows["broken"]
    assert system("toy").states == ("phi", "theta")
    with pytest.raises(DynsimError, match="elsewhere"):
        system("broken")


def test_what_a_user_registered_can_be_registered_anew():
    register(System("mine", "test", "first", "nobody", build))
    register(System("mine", "test", "second", "nobody", build))
    assert SYSTEMS["mine"].summary == "second"
