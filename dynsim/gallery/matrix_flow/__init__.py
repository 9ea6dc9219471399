"""A linear network on real digits lies on the matrix flow: runs, differences, balance law, order."""

from dynsim.gallery.figure import Figure
from dynsim.gallery.matrix_flow.comparison import compute, verdict
from dynsim.gallery.matrix_flow.panels import draw, draw_full

FIGURE = Figure(
    name="matrix-flow",
    summary="A linear network against the matrix flow: field, law, order",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=30.0,
    height=3.2,
    full_height=8.4,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "dim": 2, "t_end": 6.0, "records": 4, "halvings": 3},
    stored=True,
)
