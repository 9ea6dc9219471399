"""Streamlines: tangent to the field, evenly spread, and nowhere where there is no field."""

import numpy as np
import pytest

from dynsim.drawing.streamlines import _CELLS, streamlines

X, Y = np.linspace(-2.0, 2.0, 41), np.linspace(-1.0, 1.0, 31)
PLANE = np.meshgrid(X, Y)


def cells(line):
    inside = (line - [X[0], Y[0]]) / [np.ptp(X), np.ptp(Y)] * _CELLS
    return {tuple(cell) for cell in np.minimum(inside.astype(int), _CELLS - 1).tolist()}


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        (lambda x, y: (-y, x), lambda x, y: x**2 + y**2),
        (lambda x, y: (x, -y), lambda x, y: x * y),
        (lambda x, y: (1.0 + 0 * x, 0.5 + 0 * y), lambda x, y: y - x / 2),
        (lambda x, y: (1e300 * y, -1e300 * np.sin(x)), lambda x, y: y**2 / 2 - np.cos(x)),
    ],
    ids=["circles", "saddle", "straight", "pendulum, huge"],
)
def test_lines_follow_what_the_field_conserves(field, kept):
    lines = streamlines(X, Y, *field(*PLANE))
    assert len(lines) > 10
    for line in lines:
        values = kept(*line.T)
        assert np.ptp(values) <= 0.03


def test_no_cell_is_crossed_by_two_lines_and_most_by_one():
    lines = streamlines(X, Y, PLANE[1], -np.sin(PLANE[0]))
    crossed = [cell for line in lines for cell in cells(line)]
    assert len(crossed) <= len(set(crossed)) + len(lines)  # a line that ends stops short of the next cell
    assert len(set(crossed)) > 0.6 * _CELLS**2
    for line in lines:
        assert (line >= [X[0], Y[0]]).all()
        assert (line <= [X[-1], Y[-1]]).all()


def test_nothing_is_drawn_where_nothing_moves_or_is_known():
    assert streamlines(X, Y, 0 * PLANE[0], 0 * PLANE[1]) == []
    known = np.where(PLANE[0] < 0, 1.0, np.nan)
    lines = streamlines(X, Y, known, 0 * known)
    assert lines
    assert max(line[:, 0].max() for line in lines) <= 0
    assert max(line[:, 0].max() for line in lines) > -0.2


def test_a_field_that_jumps_ends_lines_where_it_pushes_against_itself():
    for line in streamlines(X, Y, -np.sign(PLANE[0] - 0.03), 0 * PLANE[0]):
        assert len(line) < 2000
        assert np.ptp(line[:, 1]) < 1e-9
