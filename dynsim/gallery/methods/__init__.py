"""The periodic table of collapse: what each method's theory says of a feature, and what networks did."""

from dynsim.gallery.figure import Figure
from dynsim.gallery.methods.panels import alive, draw, scores, verdict
from dynsim.gallery.methods.training import PLANS, compute

__all__ = ["FIGURE", "PLANS", "alive", "compute", "scores", "verdict"]

FIGURE = Figure(
    name="methods",
    summary="The periodic table of collapse: survives iff, what kills it, what networks did",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=500.0,
    height=10.5,
    panels=2,
    needs=("networks",),
    small={"seeds": 1, "steps": 20, "methods": ("simsiam", "spectral")},
)
