"""Old names of arguments."""

import inspect

import numpy as np
import pytest

from dynsim import DynsimError, continuation, ensemble, gradient_flow, portrait, system
from dynsim.deprecation import deprecated_arguments


def test_an_old_name_warns_and_works():
    with pytest.warns(DeprecationWarning, match="now called 'box'"):
        old = portrait(system("toy"), view={"phi": (0, 1), "theta": (0, 2)}, resolution=3)
    np.testing.assert_array_equal(old.y, [0, 1, 2])
    with pytest.warns(DeprecationWarning, match="now called 'initial'"):
        found = continuation(gradient_flow("w^2/2 - mu*w", ["w"]), "mu", (-1, 1), start={"w": -1.0})
    assert found.branches.sizes["branch"] == 1
    start = {"phi": 0.6, "theta": 0.1}
    with pytest.warns(DeprecationWarning, match="'threads' is now called 'workers'"):
        run = ensemble(system("toy"), start, 1.0, threads=1)
    assert run.identical(ensemble(system("toy"), start, 1.0, workers=1))


def test_both_names_are_refused():
    @deprecated_arguments(old="new")
    def function(*, new=None):
        return new

    with pytest.raises(DynsimError, match="new name"):
        function(old=1, new=2)


def test_the_new_name_is_the_one_that_shows():
    assert "initial" in inspect.signature(continuation).parameters
    assert "start" not in inspect.signature(continuation).parameters
