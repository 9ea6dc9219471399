"""Figures that move: what grows with flow time, what stays, the same bytes twice."""

from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageSequence

import dynsim
from dynsim import DynsimError
from dynsim.drawing import files
from dynsim.drawing.animation import animated, moves
from dynsim.drawing.canvas import Canvas

FLOW = dynsim.system("toy")
RUN = dynsim.solve(FLOW, {"phi": 0.6, "theta": 0.1}, 30.0)


def frames(content):
    return [
        np.asarray(frame.convert("RGB"), dtype=int) for frame in ImageSequence.Iterator(Image.open(BytesIO(content)))
    ]


def ink(picture, rows=slice(None)):
    return int((picture[rows] < 250).any(axis=-1).sum())


def test_an_orbit_grows():
    figure = dynsim.plot("landscape", size="column")
    film = animated(figure, dpi=50, frames=4)
    assert film == animated(figure, dpi=50, frames=4)
    shown = frames(film)
    assert 4 <= len(shown) <= 5, "the file joins frames that are equal"
    assert (shown[0][0, 0] == 255).all()
    changed = [int((np.abs(one - shown[-1]) > 30).any(axis=-1).sum()) for one in shown]
    assert changed == sorted(changed, reverse=True)
    assert changed[0] > changed[-1] == 0


def test_curves_over_time_grow_and_lines_that_are_no_runs_stay():
    figure = Canvas(figsize=(2, 2))
    over_time, plane = figure.subplots(2, 1)
    over_time.plot([0, 1, 2], [0, 1, 2], linewidth=3)
    over_time.set(xlabel="flow time t")
    (still,) = plane.plot([0, 1, 2], [0, 1, 2], linewidth=3)
    shown = frames(animated(figure, dpi=50, frames=3))
    upper, lower = slice(0, 45), slice(60, 100)
    assert ink(shown[0], upper) < ink(shown[1], upper) < ink(shown[-1], upper)
    assert ink(shown[0], lower) == ink(shown[-1], lower)
    moves(still, [0.0, 0.5, 2.0])
    shown = frames(animated(figure, dpi=50, frames=3))
    assert ink(shown[0], lower) < ink(shown[-1], lower)


def test_time_ends_where_every_orbit_has_arrived():
    """What rests at t = 6 would jump once in frames spread over 1000 units of time."""
    time = np.linspace(0, 1000, 20_001)
    figure = Canvas(figsize=(2, 2))
    (line,) = figure.subplots().plot(1 - np.exp(-time), 1 - np.exp(-time))
    moves(line, time)
    shown = frames(animated(figure, dpi=60, frames=9))
    assert len(shown) >= 7, "the file joins frames that are equal"
    assert all((a != b).any() for a, b in pairwise(shown))
    assert len(line.get_xdata()) == len(time), "the figure is as before"


def test_what_does_not_move_is_refused(tmp_path):
    figure = Canvas()
    figure.subplots().plot([0, 1, 2], [0, 1, 2])
    with pytest.raises(DynsimError, match="nothing moves"):
        files.save_figure(figure, "x", tmp_path, ("gif",), RUN)
    assert not list(tmp_path.iterdir())


def test_a_film_that_shows_the_same_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "animated", lambda figure, dpi: animated(figure, dpi=30, frames=2))

    def save(run):
        (saved,) = files.save_figure(dynsim.draw(run), "x", tmp_path, ("gif",), run, dpi=60)
        return saved

    assert not save(RUN).kept
    assert save(RUN).kept
    assert save(RUN.assign(theta=RUN["theta"] * (1 + 1e-9))).kept
    assert not save(RUN.assign(theta=RUN["theta"] * 0.7)).kept
