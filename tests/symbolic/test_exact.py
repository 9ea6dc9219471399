"""What a rule says of many starts, against what it says of each."""

import numpy as np
import pytest

from dynsim import system


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
@pytest.mark.parametrize(("name", "alpha"), [("toy", 0.37), ("toy", -1.0), ("scalar", 1.0)])
def test_many_starts_are_told_what_each_is_told(name, alpha, branch):
    flow = system(name, branch=branch)
    phi, theta = np.linspace(-2, 2, 9)[:, None], np.linspace(-2, 2, 9)
    values = {**flow.values(), "alpha": alpha}
    found = flow.exact.collapses({"phi": phi, "theta": theta}, values, ["theta"])
    for (i, j), told in np.ndenumerate(found):
        end = flow.exact.end({"phi": float(phi[i, 0]), "theta": float(theta[j])}, values)
        assert told == (-1 if end is None or end.collapsed is None else end.collapsed)
