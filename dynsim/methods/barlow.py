"""Barlow Twins as its code has it: Σ(1 − c_ii)² + λΣ_{i≠j}c_ij², c the batch-normalised cross-correlation.

The norm of every row is conserved. One row goes to the largest reliability r. Several rows do not stay aligned: for
λ < 1 aligned rows are a saddle, and the minimum gives feature i the share x_i of every row's whitened norm that
minimises (1 − c)² − λc² + λkΣr_i²x_i² on the simplex, c = Σr_ix_i:

    x_i = (2hr_i − ρ)₊/(2λk r_i²),   h = 1 − c + λc:   alive iff r_i > r_* = ρ/(2h).

That is attained where a k×k Hadamard matrix exists and there are no more features than rows, and is a lower bound of
the loss elsewhere. Two rows: dimensional collapse iff λ ≤ (r₁−r₂)(1−r₁)/(r₁(r₁+r₂)).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow, gradient_flow

__all__ = ["Barlow", "collapse_threshold", "shares"]


def shares(reliability: np.ndarray, rows: int, lam: float) -> tuple[np.ndarray, float]:
    """Shares x_i of the features in every row of the encoder, and the reliability r_* from which on they live.

    Parameters
    ----------
    reliability : array
        r = λ_d/λ_s of the features.
    rows : int
        Rows of the encoder.
    lam : float
        Weight of the redundancy, 0 < λ < 1.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.barlow import shares
    >>> shares(np.array([0.9, 0.6]), 2, 0.05)[0].round(10).tolist()
    [0.8148148148, 0.1851851852]
    """
    r = np.asarray(reliability, dtype=float)
    order = np.argsort(-r, kind="stable")
    positive = order[r[order] > 0]
    result = np.zeros_like(r)
    if not len(positive):
        return result, np.inf
    if rows == 1:
        best = np.isclose(r, r.max(), rtol=1e-12, atol=0)
        return best / best.sum(), float(r.max())
    for count in range(len(positive), 0, -1):
        alive = r[positive[:count]]
        first, second = (1 / alive).sum(), (1 / alive**2).sum()
        # Σx = 1 and c = Σrx = (1 − h)/(1 − λ) with x = h/(λkr) − ρ/(2λkr²): two linear equations for h and ρ/2.
        scale = lam * rows
        matrix = np.array([[first, -second], [count + scale / (1 - lam), -first]])
        h, half = np.linalg.solve(matrix, [scale, scale / (1 - lam)])
        if alive[-1] * h > half:
            break
    result[positive[:count]] = (h * alive - half) / (scale * alive**2)
    return result, float(half / h)


def collapse_threshold(larger: float, smaller: float) -> float:
    """λ_c below which two rows both read the more reliable of two features.

    Examples
    --------
    >>> from dynsim.methods.barlow import collapse_threshold
    >>> round(collapse_threshold(0.9, 0.7), 10)
    0.0138888889
    """
    return (larger - smaller) * (1 - larger) / (larger * (larger + smaller))


class Barlow(Method):
    """The cross-correlation of two views becomes the identity."""

    name = "barlow"
    summary = "the batch-normalised cross-correlation matrix of two views is pulled to the identity"
    reference = "Zbontar et al., arXiv:2103.03230 (2021)"
    code = "github.com/facebookresearch/barlowtwins/blob/main/main.py"
    loss = (  # the code divides by the batch, and batch normalisation adds 10⁻⁵ to the variances
        "sum((1 - diag(cov(batchnorm(z1), batchnorm(z2)))*(batch - 1)/batch)^2)"
        " + lam*((batch - 1)/batch)^2*sum(offdiag(cov(batchnorm(z1), batchnorm(z2)))^2)"
    )
    mode = "(1 - sum_i lambda_d_i*w_i^2/sum_i lambda_s_i*w_i^2)^2, one row over all features"
    survives_if = "a lone mode always; k rows: r_i > r_*, the water level of the shares"
    ends_at = "share x_i of every row's whitened norm; the norms of rows are kept"
    timed = False
    learned_first = "large r"
    killed_by = "small λk: too few rows, too little weight on the redundancy"
    drawn = ""  # one mode alone says nothing: `mode` is the reduced loss, averaged already
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "lam": Knob(0.0051, 0.0, 1.0, "weight of the redundancy"),
        "rows": Knob(
            None, 1, 1e7, "rows of the encoder; by default dim, or as many as there are features", whole=True
        ),
    }
    decays = False
    coupled = True
    more_assumptions = (
        "statistics of large batches",
        "rows of equal shares, the minimum for redundancy weights λ < 1",
    )

    def check(self) -> None:
        """Refuse the ends of the range, where one half of the loss is missing."""
        if not 0 < self["lam"] < 1:
            raise bad("lam", self["lam"], "a number between 0 and 1, both excluded")

    def _rows(self, at: MethodSetting) -> int:
        return self["rows"] or at.width

    def _alive(self, at: MethodSetting) -> Fact:
        return self._survives(at)  # rows are mixtures: their number limits the shares, not the count of features

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """The loss has no scale: the more reliable feature is ahead."""
        return 1 / np.maximum(at.reliability, 1e-300)

    def _survives(self, at: MethodSetting) -> Fact:
        x, level = shares(at.reliability, self._rows(at), self["lam"])
        if at.start("w") is not None:
            x = x * (at.start("w") != 0)
        return Fact(x > 0, exact=self._attained(at, x), reason=f"r_i > r_* = {level:.6g}{self._doubt(at, x)}")

    def _amplitude(self, at: MethodSetting) -> Fact:
        rows = self._rows(at)
        x, _ = shares(at.reliability, rows, self["lam"])
        start = at.start("w")
        norm = 1.0 if start is None else float(np.mean(start**2))
        alive = x > 0
        row = norm / np.sum(x[alive] / at.lambda_s[alive]) if alive.any() else 0.0  # a row's norm is conserved
        said = "norm 1" if start is None else f"mean square {norm:.6g}"
        reason = f"share x_i of every row; the loss is scale-free, rows start with {said}{self._doubt(at, x)}"
        return Fact(x * row * rows, exact=self._attained(at, x), reason=reason)

    def _origin_rate(self, at: MethodSetting) -> Fact:
        return Fact(np.zeros_like(at.lambda_s), sympy.Integer(0), reason="scale-free: the norm of a row is conserved")

    def _attained(self, at: MethodSetting, x: np.ndarray) -> bool:
        """Whether a k×k Hadamard matrix with room for all living features is known to exist."""
        rows = self._rows(at)
        return rows == 1 or (
            len(x) <= rows and (rows == 2 or (rows % 4 == 0 and rows <= 664) or rows & (rows - 1) == 0)
        )

    def _doubt(self, at: MethodSetting, x: np.ndarray) -> str:
        if self._attained(at, x):
            return ""
        rows = self._rows(at)
        why = f"{len(x)} features, more than rows" if len(x) > rows else f"no {rows}×{rows} Hadamard matrix is known"
        return f"; the shares are those of a lower bound of the loss ({why})"

    def _flow(self, modes: int) -> Flow:
        """All rows over all modes; a state w<row><mode>, or w<mode> if there is one row."""
        rows = self["rows"] or 1
        if rows * modes > 16:
            raise bad("modes", modes, "at most 16 weights in all", "amplitude() has the minimum for any number")
        names = [
            [f"w{a}{i}" if rows > 1 else (f"w{i}" if modes > 1 else "w") for i in range(1, modes + 1)]
            for a in range(1, rows + 1)
        ]
        tail = [str(i) if modes > 1 else "" for i in range(1, modes + 1)]

        def product(kind: str, a: int, b: int) -> str:
            return (
                "("
                + " + ".join(f"lambda_{kind}{n}*{u}*{v}" for n, u, v in zip(tail, names[a], names[b], strict=True))
                + ")"
            )

        terms = []
        for a in range(rows):
            for b in range(rows):
                c = f"{product('d', a, b)}/sqrt({product('s', a, a)}*{product('s', b, b)})"
                terms.append(f"(1 - {c})^2" if a == b else f"lam*({c})^2")
        return self._described(gradient_flow(" + ".join(terms), [name for row in names for name in row]))
