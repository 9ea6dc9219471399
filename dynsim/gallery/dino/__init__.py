"""DINO: where prototypes live over temperature and the centre's rate, in the flow and on digits."""

from dynsim.gallery.dino.panels import draw, draw_full
from dynsim.gallery.dino.verdict import compute, verdict
from dynsim.gallery.figure import Figure

FIGURE = Figure(
    name="dino",
    summary="DINO: temperature and centre's rate at which prototypes live, cycle or collapse",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=900.0,
    height=3.4,
    full_height=6.2,
    panels=3,
    needs=("networks",),
    small={
        "seeds": 1,
        "steps": 30,
        "published_steps": 30,
        "taus": (0.04,),
        "momenta": (0.9,),
        "settings": ("centre 0.9",),
        "clusters": 3,
    },
)
