"""The Dirac-GAN: data at the point 0, a generator at the point θ, a linear discriminator D(x) = ψx.

With f(x) = −log(1 + e^{−x}) the generator minimises f(ψθ), the discriminator maximises it:
θ' = −ψf'(ψθ), ψ' = θf'(ψθ), f'(x) = 1/(1 + eˣ). Unregularised it circles the solution (0, 0): θ² + ψ² is conserved.
What the published cures do at (0, 0), as eigenvalues:

    unregularised, non-saturating  ±i/2                       r1              −γ/2 ± √(γ²/4 − 1/4)
    wgan                           ±i                         instance-noise  −σ²/4 ± √(σ⁴/16 − 1/4)
    consensus                      −γ/4 ± i/2                 wgan-gp, wgan-clip: no linearisation there

Variants: ``r1`` penalises γψ²/2; ``instance-noise`` blurs real and generated data with variance σ²; ``non-saturating``
has the generator descend −f(−ψθ), and then decays like r² ≈ 8/t; ``wgan`` is f(x) = x, ``wgan-clip`` the same with |ψ|
clipped at `c`, ``wgan-gp`` with the penalty γ(|ψ| − g0)²/2; ``consensus`` adds γ‖v‖²/2 to both losses, v the
unregularised field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy

from dynsim.symbolic.exact import Exact
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Move, Rule
from dynsim.systems.building import rewritten, term_by_term
from dynsim.systems.catalogue import System

OVERLAP = "psi*theta"
NOISE = "noise ~ normal(0, sigma2)"


def _f(x: str) -> str:
    return f"(-log(1 + exp(-({x}))))"


def _game(generator: str, discriminator: str) -> dict[str, Rule]:
    return {"theta": Descend(generator), "psi": Descend(discriminator)}


def _clipped() -> dict[str, Rule]:
    theta, psi, c = sympy.symbols("theta psi c")
    outward = sympy.And(sympy.Abs(psi) >= c, psi * theta > 0)
    return {"theta": Move(-psi), "psi": Move(sympy.Piecewise((0, outward), (theta, True)))}


def _consensus() -> dict[str, Rule]:
    energy = f"gamma/2*(theta^2 + psi^2)/(1 + exp({OVERLAP}))^2"
    return _game(f"{_f(OVERLAP)} + {energy}", f"-{_f(OVERLAP)} + {energy}")


VARIANTS: dict[str, Callable[[], dict[str, Rule]]] = {
    "unregularised": lambda: _game(_f(OVERLAP), f"-{_f(OVERLAP)}"),
    "r1": lambda: _game(_f(OVERLAP), f"-{_f(OVERLAP)} + gamma/2*psi^2"),
    "instance-noise": lambda: _game(
        f"E({_f('psi*(theta + noise)')})", f"-E({_f('psi*(theta + noise)')}) - E({_f('-psi*noise')})"
    ),
    "non-saturating": lambda: _game(f"-{_f(f'-{OVERLAP}')}", f"-{_f(OVERLAP)}"),
    "wgan": lambda: _game(OVERLAP, f"-{OVERLAP}"),
    "wgan-clip": _clipped,
    "wgan-gp": lambda: _game(OVERLAP, f"-{OVERLAP} + gamma/2*(abs(psi) - g0)^2"),
    "consensus": _consensus,
}
DEFAULTS = {"gamma": 0.5, "sigma2": 1.0, "g0": 1.0, "c": 0.5}
RANGES = {"gamma": (0.0, 4.0), "sigma2": (0.0, 4.0), "g0": (0.0, 2.0), "c": (0.1, 2.0)}


def build(branch: str, variant: str | None) -> Flow:
    """Flow of generator and discriminator, a game of two losses."""
    flow = Flow.of(VARIANTS[str(variant)](), random=NOISE if variant == "instance-noise" else None)
    if not flow.random and flow.rhs.has(sympy.exp):
        flow = rewritten(flow, term_by_term)
    return flow.describe(
        defaults={"theta": 1.0, "psi": 1.0, **{name: DEFAULTS[name] for name in flow.parameters}},
        ranges={"theta": (-2.0, 2.0), "psi": (-2.0, 2.0), **{name: RANGES[name] for name in flow.parameters}},
        view={"theta": (-2.0, 2.0), "psi": (-2.0, 2.0)},
        observables={"squared_radius": "theta^2 + psi^2"},
        exact=Exact(solution=_circle) if variant == "wgan" else None,
    )


def _circle(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    theta, psi, t = (np.asarray(value, dtype=float) for value in (initial["theta"], initial["psi"], t))
    return {"theta": theta * np.cos(t) - psi * np.sin(t), "psi": psi * np.cos(t) + theta * np.sin(t)}


DIRAC_GAN = System(
    "dirac-gan",
    "games",
    "one-parameter generator θ against one-parameter discriminator ψ, in its published variants",
    "Mescheder, Geiger & Nowozin, arXiv:1801.04406 (2018)",
    build,
    branches=("stop",),
    variants=tuple(VARIANTS),
)
