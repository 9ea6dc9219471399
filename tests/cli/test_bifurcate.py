"""`dynsim bifurcate` as a user runs it."""

import json

import pytest


def test_the_fold_of_weight_decay(dynsim):
    """η_c = 1/(4(1+σ²)) = 0.25 at σ² = 0."""
    done = dynsim("bifurcate", "scalar", "--over", "eta=0:0.5", "--set", "sigma2=0", "--json")
    assert done.returncode == 0, done.stderr
    assert [round(point["eta"], 9) for point in json.loads(done.stdout)["fold"]] == [0.25, 0.25]


def test_a_typed_loss(dynsim, tmp_path):
    out = tmp_path / "b.nc"
    done = dynsim("bifurcate", "w^3/3 - mu*w", "--states", "w", "--over", "mu=-1:1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert out.exists()
    table = tmp_path / "b.csv"
    done = dynsim("bifurcate", "w^3/3 - mu*w", "--states", "w", "--over", "mu=-1:1", "--out", str(table))
    assert done.returncode == 0, done.stderr
    rows = table.read_text(encoding="utf-8").splitlines()
    assert rows[0] == "branch,along,w,mu,growth,stable"
    for row in rows[1::9]:
        w, mu = map(float, row.split(",")[2:4])
        assert abs(w**2 - mu) < 1e-9


@pytest.mark.parametrize("over", ["eta", "eta=1", "eta=1:0", "beta=0:1", "=0:1", "eta=a:b"])
def test_a_users_mistake_is_one_line(dynsim, over):
    done = dynsim("bifurcate", "scalar", "--over", over)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
