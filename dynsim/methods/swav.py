"""SwAV: assignments balanced over the prototypes by Sinkhorn's iterations, swapped between the views.

Converged iterations are an exact centring: the constant mode decays at the rate 1/(4τ_s²) whatever the settings, and
the pattern is DINO's with τ_t = ε. The code makes three iterations on a finite batch, and features and prototypes are
unit vectors, which bounds b, own minus other logit, by K/(K − 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dynsim.methods.dino import CLUSTERS, Dino
from dynsim.methods.setting import Knob

__all__ = ["Swav"]


class Swav(Dino):
    """Online clustering with balanced assignments."""

    name = "swav"
    summary = "cross-entropy to the other view's assignments, balanced over the prototypes by Sinkhorn iterations"
    reference = "Caron et al., arXiv:2006.09882 (2020)"
    code = "github.com/facebookresearch/swav/blob/main/main_swav.py"
    loss = "-sum(sg(sinkhorn(s2, epsilon))*logsoftmax(s1/tau_s))"
    survives_if = "ε < rτ_s; for K ≥ 3 up to the fold τ_f from a warm start"
    ends_at = "as dino with τ_t = ε"
    killed_by = "ε > rτ_s"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "tau_s": Dino.KNOBS["tau_s"],
        "epsilon": Knob(0.05, 1e-3, 10.0, "entropy of Sinkhorn's assignments"),
        "prototypes": Knob(3000, 2, 1e7, "number K of prototypes and of clusters", whole=True),
        "agreement": Dino.KNOBS["agreement"],
    }
    more_assumptions: ClassVar[tuple[str, ...]] = (
        CLUSTERS,
        "Sinkhorn's iterations converged, logits not bounded by unit vectors",
    )
    cold_needs_centre = False
    _teacher = "epsilon"
    _target = "sg(b*X2)/epsilon"  # balanced: as often one cluster as the other
