"""A name that a user may choose works in every kind of result; any other is refused when the flow is made."""

import numpy as np
import pytest

import dynsim
from dynsim import Flow, Move, gradient_flow
from dynsim.errors import InvalidValue
from dynsim.names import RESERVED

TRIED = ("x", "y", "growth", "stable", "manifold", "kind", "mode", "name", "line", "point", "branch", "arc", "period")


def made(state="u", parameter="r"):
    """x' = r − x², v' = −v: a saddle-node with names of the caller's choice."""
    return Flow.of({state: Move(f"{parameter} - {state}^2"), "v": Move("-v")})


def results(state="u", parameter="r"):
    """Every kind of Dataset of that flow, its numbers in one order whatever the names are."""
    flow, values, start = made(state, parameter), {parameter: 0.25}, {state: 0.1, "v": 0.5}
    run = dynsim.solve(flow, start, times=np.linspace(0, 3, 5), parameters=values, events=["v - 1/4"])
    box = {state: (-1.0, 1.0), "v": (-1.0, 1.0)}
    found = dynsim.continuation(flow, parameter, (0.05, 0.5))
    grid = {state: [0.1, 0.2], "v": [0.4, 0.5]}
    return {
        "run": run,
        "ensemble": dynsim.ensemble(flow, grid, 2.0, parameters={parameter: [0.1, 0.2, 0.3]}),
        "portrait": dynsim.portrait(flow, values, box=box, resolution=5),
        "basins": dynsim.basins(flow, grid, values),
        "separatrices": dynsim.separatrices(flow, values, box=box),
        "branches": found.branches,
        "timescales": dynsim.timescales(flow, run),
        "optimise": dynsim.optimise(gradient_flow(f"{parameter}*{state}^2/2", state), {state: 1.0}, 5, lr=0.1,
                                    parameters=values),
        "conservation": dynsim.conservation(flow, run),
    }  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return results()


def numbers(dataset):
    return {str(key): np.asarray(item.values) for key, item in dataset.variables.items() if item.dtype.kind in "fiub"}


@pytest.mark.parametrize("name", TRIED)
@pytest.mark.parametrize("place", ["state", "parameter"])
def test_a_name_works_everywhere_or_is_refused_at_once(name, place, plain):
    if name in RESERVED:
        with pytest.raises(InvalidValue, match=f"'{name}' is "):
            made(**{place: name})
        return
    for kind, dataset in results(**{place: name}).items():
        mine, usual = numbers(dataset), numbers(plain[kind])
        assert len(mine) == len(usual), kind
        for one, other in zip(mine.values(), usual.values(), strict=True):
            assert np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True), (kind, sorted(mine), sorted(usual))


def test_a_parameter_cannot_be_tied_to_a_reserved_name():
    with pytest.raises(InvalidValue, match="growth"):
        made().fix(r="growth")
