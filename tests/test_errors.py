"""Errors: one line, picklable, caught by the builtin that fits."""

import pickle

import pytest

from dynsim import errors


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
