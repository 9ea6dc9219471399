"""`dynsim analyse` as a user runs it."""

import json

import pytest


def test_the_toy(dynsim):
    out = dynsim("analyse", "toy").stdout
    for words in ("φ' = α·θ²·(1 − φ)", "first integrals", "line", "no collapse", "relative_speed_ratio at the start"):
        assert words in out
    told = json.loads(dynsim("analyse", "toy", "--json").stdout)
    assert told["complete"] is True
    assert told["timescales"]["relative_speed_ratio at the start"] == pytest.approx(1 / 36)


def test_a_typed_loss_without_a_start(dynsim):
    done = dynsim("analyse", "(w^2 - mu)^2/4", "--states", "w", "--set", "mu=1", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["kind"] for row in json.loads(done.stdout)["equilibria"]} == {"stable node", "unstable node"}


@pytest.mark.parametrize("argv", [("toi",), ("toy", "--set", "beta=1"), ("w^2*mu", "--states", "w")])
def test_a_users_mistake_is_one_line(dynsim, argv):
    done = dynsim("analyse", *argv)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("answer", [True, False, None])
def test_whether_a_field_is_a_gradient_may_stay_undecided(answer, capsys, monkeypatch):
    from dynsim.cli.command_line import main
    from dynsim.symbolic.flow import Flow

    monkeypatch.setattr(Flow, "is_gradient", property(lambda self: answer))
    for command in (["derive", "toy"], ["analyse", "toy"]):
        assert main(command) == 0
        out = capsys.readouterr().out
        assert "gradient of" in out
        assert ("undecided" in out) == (answer is None)
        assert ("not the gradient" in out) == (answer is False)
