"""Predict the next latent of a Markov chain, tabular: x_t one-hot, stationary distribution π, transition matrix T.

The matrix flow with Σ_s = diag(π) and the cross moment Σ_× = Tᵀdiag(π) in the place of Σ_d. For a reversible chain,
or a normal T, with uniform π = 1/n every eigenvalue λ_T of T gives a mode with λ_s = 1/n, |λ_×| = |λ_T|/n (a complex
one turns its predictor's phase to that of λ_×). "Slow features" means large |λ_T|.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.methods.fact import ALIGNED
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.methods.simsiam import SimSiam

__all__ = ["NextLatent"]


class _Chain(Knob):
    """A knob that holds a transition matrix."""

    def check(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        try:
            matrix = np.array(value, dtype=float)
        except (TypeError, ValueError, OverflowError):
            raise bad(name, value, "a square matrix of probabilities", kind=InvalidType) from None
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
            raise bad(name, f"shape {matrix.shape}", "a square matrix, T[i, j] = Pr(i → j)")
        if not np.isfinite(matrix).all() or (matrix < 0).any() or not np.allclose(matrix.sum(1), 1, atol=1e-9):
            raise bad(name, matrix.tolist(), "rows of probabilities that add up to 1")
        matrix.setflags(write=False)
        return matrix


class NextLatent(SimSiam):
    """Self-prediction of the next state."""

    name = "next-latent"
    summary = "a predictor of the next state's latent along a Markov chain; the target is not differentiated"
    reference = "Tang et al., arXiv:2212.03319 (2023)"
    code = "no public code was read for it"
    survives_if = "η_s ≤ |λ_×|²/(4λ_s), for uniform π |λ_T|²/(4n)"
    ends_at = "w² = |p₊|²/α with λ_× for λ_d"
    learned_first = "large |λ_T|"
    killed_by = "weight decay"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "transition": _Chain(
            None, meaning="matrix T[i, j] = Pr(i → j) of a chain with uniform stationary distribution"
        )
    }
    more_assumptions = (ALIGNED, "one-hot states of a stationary chain; λ_d stands for |λ_×|")

    def _default_features(self) -> MethodSetting | None:
        matrix = self["transition"]
        if matrix is None:
            return None
        n = len(matrix)
        advice = "give lambda_d and lambda_s, or moments to features(), instead"
        if not np.allclose(matrix.sum(0), 1, atol=1e-9):
            raise bad(
                "transition", "its columns do not add up to 1", "a chain with uniform stationary distribution", advice
            )
        if not np.allclose(matrix @ matrix.T, matrix.T @ matrix, atol=1e-9):
            raise bad("transition", "T·Tᵀ ≠ Tᵀ·T", "a normal (such as a symmetric or circulant) matrix", advice)
        size = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
        return MethodSetting(size / n, np.full(n, 1 / n))
