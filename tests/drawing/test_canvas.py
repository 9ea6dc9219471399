"""A figure of dynsim is saved like one of matplotlib's, in half of the drawing."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dynsim.drawing.canvas import Canvas
from dynsim.drawing.style import styled


def saved(kind, name, **options):
    """The bytes of a figure with most of what a layout has to find room for."""
    with styled():
        figure = kind(figsize=(6, 4), layout=options.pop("layout", "constrained"))
        (left, right), below = figure.subplots(2, 2)
        left.plot([0, 1], [0, 1e5], label="steep")
        left.legend(loc="best")
        left.set(ylabel=r"$\theta_0$", title="a title", xlabel="flow time t")
        mesh = right.pcolormesh(np.arange(12).reshape(3, 4), rasterized=True)
        figure.colorbar(mesh, ax=right, label="level")
        right.set_aspect("equal")
        below[0].plot([1, 2], [1e-3, 1e3])
        below[0].set_yscale("log")
        below[0].annotate("outside", (1.05, 0.5), xycoords="axes fraction")
        below[1].plot([0, 1], [0, 1])
        below[1].set_aspect("equal", adjustable="datalim")
        figure.suptitle("The figure")
        figure.supxlabel("what is written below")
        buffer = BytesIO()
        figure.savefig(buffer, format=name, dpi=90, metadata={"Date": None} if name == "svg" else None, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("png", {}),
        ("svg", {}),
        ("png", {"bbox_inches": "tight"}),
        ("png", {"layout": None}),
        ("svg", {"layout": "tight"}),
    ],
)
def test_the_file_is_matplotlibs_to_the_byte(name, options):
    assert saved(Canvas, name, **options) == saved(Figure, name, **options)


def test_a_layout_that_fails_stops_no_file():
    class Failing(ConstrainedLayoutEngine):
        def execute(self, fig):
            raise ValueError("no room")

    figure = Canvas(layout=Failing())
    figure.subplots()
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_a_figure_is_drawn_once_to_be_saved():
    class Counted(Canvas):
        drawn = 0

    figure = Counted(layout="constrained")
    axes = figure.subplots()
    text = axes.text(0.5, 0.5, "here")
    before = text.draw
    text.draw = lambda renderer: (before(renderer), setattr(figure, "drawn", figure.drawn + 1))
    figure.savefig(BytesIO(), format="png")
    assert figure.drawn == 1
    assert axes.get_position().x0 < 0.125  # laid out all the same: a figure's own margin is an eighth of its width
    figure.draw_without_rendering()
    assert figure.drawn == 2
