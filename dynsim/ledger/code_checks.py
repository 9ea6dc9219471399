r"""Two formulas of public code that are not the derivative they stand for, with the derivation.

Consensus optimisation on the Dirac-GAN adds R = ½γ‖v‖² = ½γ(θ² + ψ²)f′(θψ)² to both losses, so that

    ∂R/∂θ = γ[θf′² + ψ(θ² + ψ²)f′f″].

``notebooks/diracgan/gans.py`` of LMescheder/GAN_stability, class GAN_Consensus, has ½ψ(θ² + ψ²)f′f″ there, and the
same for ψ: the square brings down a 2 that cancels the ½ of R, in the first term and in the second alike.

The cosine −⟨p, z⟩/(‖p‖‖z‖) of a prediction p = Dẑ and a feature z, differentiated by z, is

    −[p/(‖p‖‖z‖) − ⟨p, z⟩z/(‖p‖‖z‖³)].

``notebooks/toy_networks.ipynb`` of fmi-basel/implicit-var-reg, setting cos_simsiam_nosg, divides the last term by
‖p‖³‖z‖, which belongs to the first branch. The derivative is orthogonal to z, as the cosine does not depend on ‖z‖;
the notebook's term is not, and with it ‖ẑ‖ is not conserved.
"""

from __future__ import annotations

import numpy as np

from dynsim.ledger.contract import decided, magnitude, numbers
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict


def _consensus(state: np.ndarray, gamma: float, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Field without the penalty and with it, as the formula has it."""
    theta, psi = (float(value) for value in state)
    slope = 1 / (1 + np.exp(theta * psi))
    pull = factor * (theta**2 + psi**2) * slope * -slope * (1 - slope)
    plain = np.array([-psi * slope, theta * slope])
    return plain, plain - gamma * np.array([theta * slope**2 + psi * pull, psi * slope**2 + theta * pull])


def _real_part(gamma: float, factor: float, step: float = 1e-5) -> float:
    """Largest real part of the formula's eigenvalues at (0, 0), by central differences."""
    ends = [[_consensus(sign * step * axis, gamma, factor)[1] for sign in (1, -1)] for axis in np.eye(2)]
    return float(np.linalg.eigvals(np.array([(a - b) / (2 * step) for a, b in ends]).T).real.max())


def consensus_factor(*, factor: float = 0.5, gamma: float = 0.3, reach: float = 2.0) -> Verdict:
    """Compare the formula, with its factor, and the field that is derived from the losses."""
    field = system("dirac-gan", variant="consensus").field({"gamma": gamma})
    states = np.random.default_rng(0).uniform(-reach, reach, (200, 2))
    worst = size = 0.0
    for state in states:
        base, coded = _consensus(state, gamma, factor)
        derived = np.asarray(field.f(0.0, state), dtype=float)
        worst = max(worst, float(np.abs(coded - derived).max()))
        size = max(size, float(np.abs(derived - base).max()))
    return decided(
        "holds" if worst < 1e-10 else "does not hold",
        f"the formula with factor {factor:g} is off by {magnitude(worst)} at most; the penalty pulls {size:.2g}",
        numbers(
            (f"largest difference on |θ|, |ψ| < {reach:g}, γ = {gamma:g}", worst),
            ("largest pull of the penalty", size),
            *((f"real part at (0, 0) with factor {f:g}", _real_part(gamma, f)) for f in (0.5, 1.0)),
        ),
    )


def cosine_without_stop(*, prediction_power: int = 3, feature_power: int = 1, modes: int = 3) -> Verdict:
    """Growth of ‖ẑ‖² by the formula at identical views, beside the field that is derived from the loss."""
    random = np.random.default_rng(3)
    field = system("cosine", branch="full", k=modes).field()
    leak = gap = 0.0
    for _ in range(100):
        z = random.uniform(0.2, 1.5, modes)
        spectrum = z**2
        p = spectrum * z
        dot, long, short = float(p @ z), float(np.linalg.norm(p)), float(np.linalg.norm(z))
        first = spectrum * (z / (long * short) - dot * p / (long**3 * short))
        second = p / (long * short) - dot * z / (long**prediction_power * short**feature_power)
        velocity = first + second
        leak = max(leak, abs(float(z @ velocity)) / (short * float(np.linalg.norm(velocity)) + 1e-300))
        gap = max(gap, float(np.abs(velocity - np.asarray(field.f(0.0, z), dtype=float)).max()))
    return decided(
        "holds" if leak < 1e-6 and gap < 1e-6 else "does not hold",
        f"coded velocity: cosine with ẑ {magnitude(leak)}, off the derivative by {magnitude(gap)}",
        numbers(
            ("largest |cos(ẑ, velocity)|", leak),
            ("largest difference from the derived field", gap),
            ("last term divided by", f"‖p‖^{prediction_power}·‖z‖^{feature_power}"),
        ),
    )
