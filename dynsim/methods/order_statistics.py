"""How far the sorted values of a Gaussian sample are from the quantiles they are compared with."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy  # its parts come when they are used: scipy.stats takes half a second

from dynsim.methods.mode_flow import legendre

__all__ = ["quantile_defect"]


@lru_cache(maxsize=256)
def quantile_defect(batch: int) -> float:
    """δ_N = 1 − E[Σ o_(i)q_i/N]: o_(i) a sorted standardised sample of N normal numbers, q_i = Φ⁻¹(i/(N+1)).

    o and the standard deviation are independent, so that δ_N = 1 − Σq_iE[x_(i)]/(N·s_N) with the expectation of the
    sample's standard deviation s_N = √(2/N)Γ(N/2)/Γ((N−1)/2). The sum is one integral over x, in which i − 1 is
    binomial with probability Φ(x).

    Examples
    --------
    >>> from dynsim.methods.order_statistics import quantile_defect
    >>> [round(quantile_defect(size), 6) for size in (16, 64, 256)]
    [0.176357, 0.064552, 0.021458]
    """
    nodes, weights = legendre(400)
    x = 8.5 * nodes
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    ranks = np.arange(1, batch + 1)
    quantiles = scipy.special.ndtri(ranks / (batch + 1))
    mean_quantile = scipy.stats.binom.pmf(ranks[:, None] - 1, batch - 1, scipy.special.ndtr(x)).T @ quantiles
    total = 8.5 * weights @ (x * density * mean_quantile)  # Σ q_i E[x_(i)]/N
    deviation = np.sqrt(2 / batch) * np.exp(scipy.special.gammaln(batch / 2) - scipy.special.gammaln((batch - 1) / 2))
    return float(1 - total / deviation)
