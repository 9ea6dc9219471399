"""First-order losses: error against augmentation strength, factor two, variances, and what the factor does."""

from dynsim.gallery.expansion.losses import compute, verdict
from dynsim.gallery.expansion.panels import draw, draw_full
from dynsim.gallery.figure import Figure

FIGURE = Figure(
    name="expansion",
    summary="First-order expansion of the loss: sizes and variances",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=40.0,
    height=3.9,
    full_height=7.8,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 40, "images": 20, "views": 32, "many": 64},
    stored=True,
)
