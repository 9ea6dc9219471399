"""Closed-form linear predictor under the cosine loss −cos(Dẑ¹, ẑ²), in the eigenmodes of the representation.

At identical views, with λ_m = z_m² in the ensemble,

    stop     λ_m z_m/(‖Dz‖³‖z‖)·Σ_k λ_k(λ_k − λ_m)z_k²      (IsoLoss: without the leading λ_m)
    target   z_m/(‖Dz‖‖z‖³)·Σ_k (λ_m − λ_k)z_k²,              full = stop + target.

`stop`, `full` and `target` conserve ‖z‖: the loss cannot collapse the representation in size, `stop` only equalises
the modes; `target` concentrates them (collapse of the rank, not of the norm). IsoLoss does not conserve ‖z‖.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sympy

from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.closed_form_predictor import VARIANTS, closed_form_predictor
from dynsim.systems.building import as_fraction, rewritten
from dynsim.systems.building import count, only_stop

FACTORED = 4  # modes up to which SymPy factors the force in no time; beyond, it stays as it is derived


def build(branch: str, variant: str | None, k: int = 2, spectrum: str = "ensemble") -> Flow:
    """Flow of z₁ … z_k; a single mode has nothing to be compared with and does not move."""
    k = count("k", k)
    modes = range(1, k + 1)
    read = [f"lambda{i}*z{i}" for i in modes]
    plain = [f"z{i}" for i in modes]
    inner = " + ".join(f"({a})*({b})" for a, b in zip(read, plain, strict=True))
    lengths = f"({_norm(read)}*{_norm(plain)})"
    if variant == "isoloss":
        only_stop(branch, variant, "the other branches of its loss are those of the plain one")
        loss = " - ".join(
            ["0", *(f"z{i}*sg(z{i}/{lengths} - ({inner})*lambda{i}*z{i}/({lengths}*{_norm(read)}^2))" for i in modes)]
        )
    else:
        stopped = [f"sg({z})" for z in plain]
        overlap = " + ".join(f"({a})*{b}" for a, b in zip(read, stopped, strict=True))
        loss = f"-({overlap})/({_norm(read)}*{_norm(stopped)})"
    flow = closed_form_predictor(loss, branch, variant, k, spectrum)
    if k <= FACTORED:
        flow = rewritten(flow, as_fraction)
    if variant == "predictor" and branch == "stop" and spectrum == "ensemble":
        return replace(flow, exact=Exact(limit=_equalised))
    return flow


def _norm(entries: list[str]) -> str:
    return "sqrt(" + " + ".join(f"({entry})^2" for entry in entries) + ")"


def _equalised(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    """‖z‖ is conserved and the modes that are not zero become equal."""
    alive = {name: z for name, z in initial.items() if z != 0}
    if not alive:
        return None
    size = sympy.sqrt(sum(z**2 for z in alive.values()) / len(alive))
    exact = all(isinstance(z, sympy.Basic) for z in initial.values())
    values = {
        name: (0 * z if z == 0 else (1 if z > 0 else -1) * (size if exact else float(size)))
        for name, z in initial.items()
    }
    return Limit(values, False, "‖z‖ is conserved, all modes with λ > 0 become equal")


SYSTEMS = (
    System(
        "cosine",
        "closed-form predictor",
        "eigenmodes of the representation under the cosine loss: the norm is conserved, the modes equalise",
        "Halvagal, Laborieux & Zenke, arXiv:2212.04858 (2023)",
        build,
        variants=VARIANTS,
        structure=("k", "spectrum"),
    ),
)
