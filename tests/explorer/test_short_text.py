"""A setting survives its short text, and a text that is none is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim.errors import DynsimError
from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import from_text, to_text
from dynsim.explorer.subject import filled

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: float(f"{value:.12g}"))


@given(
    phi=numbers,
    theta=numbers,
    alpha=numbers,
    branch=st.sampled_from(["stop", "full", "target"]),
    time=st.sampled_from(["linear", "log"]),
    more=st.lists(st.tuples(numbers, numbers), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_text_and_back(phi, theta, alpha, branch, time, more):
    setting = Setting(
        "toy", None, branch, None, {"phi": phi, "theta": theta}, {"alpha": alpha}, 12.5, time, None, tuple(more)
    )
    assert from_text(to_text(setting)) == setting


@pytest.mark.parametrize("loss", ["(phi*theta - sg(theta))^2/2", "exp(-w^2) + a&b=c", "θ²+φ 100%", "-w^4/4;:,"])
def test_any_source_survives(loss):
    assert from_text(to_text(Setting(loss))).source == loss


def test_filled_settings_survive():
    for name in ("toy", "byol", "barlow", "dirac-gan", "modes"):
        setting = filled(Setting(name))
        assert from_text(to_text(setting)) == setting


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "show=toy&branch=half",
        "show=toy&initial=phi",
        "show=toy&initial=phi:abc",
        "show=toy&t_end=-1",
        "show=toy&t_end=nan",
        "show=toy&code=import os",
        "more=" + ";".join(["0:0"] * 50),
        "x" * 20_000,
    ],
)
def test_wrong_texts_are_refused_in_one_line(text):
    with pytest.raises(DynsimError) as caught:
        from_text(text)
    assert "\n" not in str(caught.value)
