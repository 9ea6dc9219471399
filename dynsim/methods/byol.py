"""BYOL: SimSiam whose target is a teacher v that follows the encoder, v′ = β(w − v).

The equilibria are those of SimSiam (v = w there), and p₊ is stable for every β and α: all Routh–Hurwitz terms are
positive. What a slow teacher changes is which starts get there.
"""

from __future__ import annotations

from typing import ClassVar

from dynsim.methods.simsiam import SimSiam

__all__ = ["Byol"]


class Byol(SimSiam):
    """Predictor and slow teacher, no negatives."""

    name = "byol"
    summary = "a learned predictor of the features of a teacher that follows the encoder slowly"
    reference = "Grill et al., arXiv:2006.07733 (2020); Tian, Chen & Ganguli, arXiv:2102.06810 (2021)"
    code = "github.com/google-deepmind/deepmind-research/tree/master/byol (without its normalisation)"
    loss = "sq(p1 - sg(t2))/2"
    mode = "(p*w*(x + n1) - sg(v*(x + n2)))^2/2"
    states: ClassVar[tuple[str, ...]] = ("p", "w", "v")
