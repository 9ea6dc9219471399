"""The mean view as target: which settings collapse, and F(x), F(x̄) and E_T F(T x) as features."""

from dynsim.gallery.figure import Figure
from dynsim.gallery.xbar.panels import draw, draw_full
from dynsim.gallery.xbar.training import compute, verdict

FIGURE = Figure(
    name="xbar",
    summary="The mean view as target: which settings collapse, which features serve",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=120.0,
    height=5.4,
    full_height=7.2,
    panels=2,
    needs=("networks",),
    small={"seeds": 2, "steps": 30, "encoders": ("linear", "mlp"), "most_views": 4, "images": 300},
)
