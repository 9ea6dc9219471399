"""A study is plain, immutable, the same however it was written, and refuses what no run could use."""

import json
import pickle

import numpy as np
import pytest

import dynsim
from dynsim import DynsimError
from dynsim.studies.axes import axis
from dynsim.studies.catalogue import shipped, study_of
from dynsim.studies.flow_runs import draw
from dynsim.studies.in_memory import results_in_memory
from dynsim.studies.study import Study
from dynsim.studies.tasks import Tasks, tasks_of

TEXT = """
system = "scalar"
t_end = 50.0
initial = { phi = 0.6, theta = { normal = [0.0, 0.5] } }
seeds = 4
chunk = 8
[axes]
branch = ["stop", "full"]
eta = { linspace = [0.0, 0.2, 5], sets = ["eta_p", "eta_s"] }
alpha = { logspace = [-1, 1, 3] }
"""


def test_a_file_and_python_say_the_same(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    here = Study(
        name="mine",
        system="scalar",
        t_end=50.0,
        initial={"phi": np.float64(0.6), "theta": {"normal": (0.0, 0.5)}},
        seeds=range(4),
        chunk=8,
        axes={
            "branch": ("stop", "full"),
            "eta": {"values": np.linspace(0, 0.2, 5), "sets": ["eta_p", "eta_s"]},
            "alpha": np.logspace(-1, 1, 3),
        },
    )
    read = study_of(path)
    assert read == here
    assert read.digest == here.digest
    assert read.sizes == {"branch": 2, "eta": 5, "alpha": 3, "seed": 4}
    assert Study.from_dict(read.to_dict()) == read
    assert pickle.loads(pickle.dumps(read)) == read


def test_the_order_of_axes_is_part_of_a_study():
    one = Study(system="toy", t_end=1.0, axes={"alpha": [1.0], "phi0": [0.1]})
    other = Study(system="toy", t_end=1.0, axes={"phi0": [0.1], "alpha": [1.0]})
    assert one != other


@pytest.mark.parametrize(
    ("shape", "box"), [((7,), (3,)), ((3, 10), (1, 4)), ((2, 5, 4), (1, 2, 4)), ((1, 1), (1, 1)), ((), ())]
)
def test_tasks_tile_the_grid(shape, box):
    grid = Tasks(tuple("abc"[: len(shape)]), shape, box)
    seen = np.zeros(shape, dtype=int)
    for index in range(grid.total):
        seen[tuple(grid.region(index).values())] += 1
    assert (seen == 1).all()


def test_axes_that_change_the_flow_are_cut_and_the_others_fill_the_tasks(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert tasks_of(study_of(path)).box == (1, 1, 2, 4)


def test_random_starts_do_not_depend_on_how_many_there_are():
    law = {"normal": [0.0, 1.0]}
    few, many = ([draw(law, seed, 0, (2,)) for seed in range(n)] for n in (2, 5))
    assert np.array_equal(few, many[:2])
    assert len({value.tobytes() for value in many}) == 5


@pytest.mark.parametrize("name", shipped())
def test_shipped_studies_are_read(name):
    study = study_of(name)
    assert study.name == name
    assert study.summary
    assert tasks_of(study).total > 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "system"),
        ({"system": "toy"}, "t_end"),
        ({"system": "toy", "t_end": 1.0, "times": [1.0]}, "t_end"),
        ({"system": "toi", "t_end": 1.0}, "toy"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alfa": [1.0]}}, "alpha"),
        ({"system": "toy", "t_end": 1.0, "axes": {"phi": [1.0]}}, "phi0"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": []}}, "at least one"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": [1.0, 1.0]}}, "different"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": {"linspace": [0, 1]}}}, "count"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": {"logspace": [0, 999, 3]}}}, "logspace"),
        ({"system": "toy", "t_end": 1.0, "axes": {"seed": [1.0]}}, "seed"),
        ({"system": "toy", "t_end": 1.0, "seeds": 3}, "random"),
        ({"system": "toy", "t_end": 1.0, "initial": {"phi": {"normal": [0.0]}}, "seeds": 3}, "deviation"),
        ({"system": "toy", "t_end": 1.0, "initial": {"fi": 0.1}}, "phi"),
        ({"system": "toy", "t_end": 1.0, "parameters": {"beta": 0.1}}, "alpha"),
        ({"system": "toy", "t_end": 1.0, "chunk": 0}, "chunk"),
        ({"system": "toy", "t_end": 1.0, "colour": 0}, "colour"),
        ({"system": "toy", "t_end": 1.0, "history": True}, "times"),
        ({"system": "toy", "t_end": "10"}, "t_end"),
        ({"system": "toy", "t_end": -1.0}, "got -1.0"),
        ({"system": "toy", "times": ["a"]}, "times"),
        ({"system": "toy", "t_end": 1.0, "axes": 3}, "axes"),
        ({"system": "toy", "t_end": 1.0, "axes": ["alpha"]}, "axes"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": ["a", "b"]}}, "numbers for alpha"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": {"values": [1.0], "sets": 3}}}, "sets"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": {"linspace": [0, 1, 10**12]}}}, "at most"),
        ({"system": "toy", "t_end": 1.0, "axes": {"alpha": {"geomspace": [0, 1, 3]}}}, "zero"),
        (
            {"system": "toy", "t_end": 1.0, "axes": {"alpha": [1.0], "a": {"values": [1.0], "sets": "alpha"}}},
            "'alpha' does",
        ),
        (
            {
                "system": "toy",
                "t_end": 1.0,
                "chunk": 1,
                "axes": {"alpha": {"linspace": [0.1, 1, 10**5]}, "phi0": {"linspace": [0.1, 1, 10**5]}},
            },
            "raise chunk",
        ),
        ({"system": "toy", "t_end": 1.0, "initial": {"phi": {"normal": [0, 1]}}, "seeds": 10**15}, "at most"),
        ({"system": "toy", "t_end": 1.0, "initial": {"phi": {"normal": [0, 1]}}, "seeds": 0}, "seeds"),
        ({"system": "toy", "t_end": 1.0, "initial": {"phi": [0.1, 0.2]}}, "phi0"),
        ({"system": "toy", "t_end": 1.0, "parameters": {"alpha": [0.1, 0.2]}}, "an axis"),
        ({"system": "toy", "t_end": 1.0, "states": "phi"}, "states"),
        ({"system": "toy", "t_end": 1.0, "record": 3}, "record"),
        ({"system": "toy", "t_end": 1.0, "name": 3}, "name"),
        ({"system": 3, "t_end": 1.0}, "system"),
        ({"system": "matrix-flow", "t_end": 1.0}, "sigma_d"),
        ({"system": "matrix-flow", "t_end": 1.0, "structure": {"sigma_d": [1.0], "k": 1}}, "sigma2"),
        ({"system": "matrix-flow", "t_end": 1.0, "structure": {"sigma_d": "x", "k": 1}}, "sigma_d"),
        ({"experiment": "mlp", "seeds": 1}, "experiment"),
        ({"experiment": {}, "axes": {"branch": ["stop"]}}, "seeds"),
        ({"experiment": {}, "seeds": 2, "axes": {"brunch": ["stop"]}}, "branch"),
        ({"experiment": {}, "seeds": 2, "t_end": 3.0}, "t_end"),
        ({"experiment": {"brunch": "stop"}, "seeds": 2}, "branch"),
    ],
)
def test_what_no_run_could_use_is_refused(fields, words):
    with pytest.raises(DynsimError, match=words):
        Study.from_dict(fields)


@pytest.mark.parametrize("given", ["decay-mop", "no/such/file.toml", 3, "x.yaml"])
def test_what_is_no_study_is_refused(given):
    with pytest.raises(DynsimError, match="study"):
        dynsim.run_study(given)


def test_broken_toml_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("system = [")
    with pytest.raises(DynsimError, match=r"mine\.toml"):
        study_of(path)


def test_logspace_is_that_of_numpy():
    assert axis("a", {"logspace": [-1, 1, 3]}).values == tuple(np.logspace(-1, 1, 3).tolist())
    assert axis("a", {"geomspace": [0.1, 10, 3]}).values == tuple(np.geomspace(0.1, 10, 3).tolist())


def test_cases_name_combinations(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("""
system = "scalar"
t_end = 5.0
[axes.rates.cases]
slow = { alpha = 0.1, branch = "stop", theta0 = 1 }
fast = { alpha = 10, branch = "full", theta0 = 0.5 }
""")
    study = study_of(path)
    assert study.sizes == {"rates": 2}
    assert study.axes[0].along("alpha") == (0.1, 10.0)
    assert tasks_of(study).box == (1,)  # the branch changes the flow
    assert Study.from_dict(study.to_dict()) == study
    assert Study.from_dict(json.loads(json.dumps(study.to_dict(), sort_keys=True))).sizes == study.sizes
    data = results_in_memory(study)
    for label, branch, alpha, theta in (("slow", "stop", 0.1, 1.0), ("fast", "full", 10.0, 0.5)):
        flow = dynsim.system("scalar", branch=branch)
        alone = dynsim.ensemble(flow, {"phi": 0.6, "theta": theta}, 5.0, parameters={"alpha": alpha})
        assert float(data.theta.sel(rates=label)) == float(alone.theta)


def test_the_order_of_cases_is_part_of_a_study():
    cases = {"a": {"alpha": 1.0}, "b": {"alpha": 2.0}}
    one = Study(system="toy", t_end=1.0, axes={"rate": {"cases": cases}})
    other = Study(system="toy", t_end=1.0, axes={"rate": {"cases": dict(reversed(cases.items()))}})
    assert one != other


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ({}, "cases"),
        ({"a": 3}, "cases"),
        ({"a": {}}, "cases"),
        ({"a": {"alpha": 1.0}, "b": {"phi0": 1.0}}, "alpha"),
        ({"a": {"alpha": 1.0}, "b": {"alpha": "x"}}, "one kind"),
        ({"a": {"alfa": 1.0}}, "alpha"),
    ],
)
def test_cases_that_cannot_be(cases, words):
    with pytest.raises(DynsimError, match=words):
        Study(system="toy", t_end=1.0, axes={"rate": {"cases": cases}})


def test_every_state_of_every_seed_has_random_numbers_of_its_own():
    laws = {"normal": [0.0, 1.0]}, {"uniform": [0.0, 1.0]}
    for law in laws:
        drawn = [float(draw(law, seed, position, ())) for seed in range(3) for position in range(3)]
        assert len(set(drawn)) == 9
    mine = Study(name="mine", system="toy", t_end=1.0, initial={"phi": laws[0], "theta": laws[0]}, seeds=3)
    run = results_in_memory(mine)
    starts = run.isel(time=0) if "time" in run.dims else run
    moments = [starts[name].values.ravel() for name in ("phi", "theta")]
    assert not np.isclose(moments[0], moments[1]).any()
