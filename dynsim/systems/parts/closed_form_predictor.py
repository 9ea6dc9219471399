"""Rules of the closed-form-predictor systems: ẑ ∈ R^k read through D = diag(λ_m), never differentiated.

λ_m is the variance of mode m over the data. The state z_m is the amplitude of an ensemble of samples ẑ_m = ±z_m with
independent signs, for which E[ẑ_m ẑ_n] = δ_mn z_m², so λ_m = z_m² exactly; every force here is odd in each sign, so
the ensemble stays what it is. With ``spectrum="frozen"`` the λ_m are parameters: one sample in a spectrum that stands
still.
"""

from __future__ import annotations

from typing import Any

from dynsim.errors import bad
from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Hold, Rule
from dynsim.systems.building import count, numbered

__all__ = ["VARIANTS", "closed_form_predictor"]

VARIANTS = ("predictor", "isoloss", "no-predictor")
SPECTRA = ("ensemble", "frozen")


def closed_form_predictor(loss: Any, branch: str, variant: str | None, k: Any, spectrum: str) -> Flow:
    """Flow of k amplitudes that descend `loss`, with λ_m held to z_m², to 1 (no predictor), or free."""
    if spectrum not in SPECTRA:
        raise bad("spectrum", spectrum, "'ensemble' or 'frozen'")
    k = count("k", k)
    states = numbered("z", k)
    learned = gradient_flow(loss, states, branch=branch)
    rules: dict[str, Rule] = dict(learned.rules)
    if variant == "no-predictor":
        rules |= {f"lambda{i}": Hold(1) for i in range(1, k + 1)}
    elif spectrum == "ensemble":
        rules |= {f"lambda{i}": Hold(f"z{i}^2") for i in range(1, k + 1)}
    flow = Flow.of(rules, roles={"encoder": states})
    starts = {z: 0.8 * 0.6**i for i, z in enumerate(states)}
    frozen = {f"lambda{i}": 0.5 ** (i - 1) for i in range(1, k + 1) if f"lambda{i}" in flow.parameters}
    return flow.describe(
        defaults={**starts, **frozen},
        ranges={**dict.fromkeys(states, (-1.5, 1.5)), **dict.fromkeys(frozen, (0.01, 2.0))},
        view=dict.fromkeys(states, (0.05, 1.5)),
        observables={"variance": " + ".join(f"{z}^2" for z in states)},
        loss=learned.loss,
        branch=branch,
    )
