"""Errors: one line, picklable, caught by the builtin that fits."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from dynsim import errors
from dynsim.errors import DynsimError


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.bad("a", 1, "b"), ValueError),
        (errors.bad("a", 1, "b", kind=errors.InvalidType), TypeError),
        (errors.unknown("a", "b", ["c"]), KeyError),
        (errors.unknown("a", "b", ["c"]), ValueError),
        (errors.missing_extra("torch", "networks", "real networks"), ImportError),
        (errors.ParseError("no", 3), ValueError),
        (errors.BlowUp("no", 1.0, None), ArithmeticError),
        (errors.StepLimit("no", 1.0, None), RuntimeError),
    ],
)
def test_kinds(error, builtin):
    assert isinstance(error, builtin)
    assert isinstance(error, errors.DynsimError)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_messages_are_one_short_line():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert "Broken" in str(errors.bad("a", Broken(), "b"))
    assert len(str(errors.bad("a", "x" * 10**6, "b"))) < 200
    assert "\n" not in str(errors.bad("a", "x\ny\n", "b\nc".replace("\n", " ")))


def test_unknown_names_suggest_the_closest():
    assert "did you mean 'alpha'" in str(errors.unknown("parameter", "alhpa", ["alpha", "beta"]))


def points(call):
    """The page that the error of a call points to."""
    with pytest.raises(DynsimError) as caught:
        call()
    (note,) = caught.value.__notes__
    page = Path(__file__).parents[1] / note.removeprefix("see ")
    assert page.is_file(), note
    return page.relative_to(page.parents[1]).as_posix()


def test_errors_point_to_the_page_that_explains():
    import dynsim
    from dynsim.studies.study import Study

    assert points(lambda: dynsim.gradient_flow("(phi*theta", "phi, theta")) == "tutorial/2-your-own-loss.md"
    assert points(lambda: dynsim.diagnose(np.zeros((3, 3, 3)))) == "how-to/is-my-checkpoint-collapsed.md"
    assert points(lambda: dynsim.features("simsiam", views=(1, 2))) == "tutorial/3-which-features-live.md"
    assert points(lambda: dynsim.training_parameters(lr=-1)) == "how-to/which-weight-decay.md"
    assert points(lambda: Study()) == "how-to/a-study-file.md"
    assert points(lambda: dynsim.run_study("no-such-study")) == "how-to/a-study-file.md"
    assert points(lambda: dynsim.monitor.Monitor(every=1).record(0, np.zeros(3))) == "how-to/your-own-run.md"


def test_the_outermost_function_knows_what_the_user_was_about():
    pytest.importorskip("torch", reason="needs the extra 'networks'")
    from dynsim.networks import Experiment

    assert points(lambda: Experiment(objective="sq(z1")) == "how-to/my-own-objective.md"


def test_the_command_line_shows_the_page_on_the_same_line(capsys):
    from dynsim.cli import main

    assert main(["derive", "(phi*theta"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith("(see docs/tutorial/2-your-own-loss.md)\n")
