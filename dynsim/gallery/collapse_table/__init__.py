"""Every encoder × loss × normalisation in the three branches: four measures, and who confirms the article."""

from dynsim.gallery.collapse_table.panels import draw, draw_full
from dynsim.gallery.collapse_table.training import compute, verdict
from dynsim.gallery.figure import Figure

FIGURE = Figure(
    name="collapse-table",
    summary="Encoder × loss × normalisation in the three branches: four measures",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=560.0,
    height=5.2,
    full_height=10.3,
    panels=2,
    needs=("networks",),
    small={"seeds": 2, "steps": 20, "encoders": ("linear",), "norms": ("none", "batch-out")},
)
