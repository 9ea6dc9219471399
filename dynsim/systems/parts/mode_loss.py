"""Losses of one mode of a linear encoder, as text, written as sums of squares.

Two views of an image, independent given the image, share the mean x̄. Along one mode E[x̄²] = λ_d and
E[view²] = λ_s ≥ λ_d, so that the two views have covariance λ_d and each carries the noise λ_s − λ_d.
"""

from __future__ import annotations

__all__ = ["mean_view_loss", "two_view_loss"]


def two_view_loss(reading: str, target: str, number: str = "") -> str:
    """½E(reading·x₁ − target·x₂)² over the two views x₁, x₂ of mode `number`.

    Examples
    --------
    >>> from dynsim.systems.one_mode import two_view_loss
    >>> two_view_loss("p*w", "sg(w)")
    '(lambda_d*(p*w - sg(w))^2 + (lambda_s - lambda_d)*((p*w)^2 + sg(w)^2))/2'
    """
    signal, view = f"lambda_d{number}", f"lambda_s{number}"
    return f"({signal}*({reading} - {target})^2 + ({view} - {signal})*(({reading})^2 + {target}^2))/2"


def mean_view_loss(reading: str, target: str) -> str:
    """½E(reading·x₁ − target·x̄)²: the target sees the mean view, which carries no noise.

    Examples
    --------
    >>> from dynsim.systems.one_mode import mean_view_loss
    >>> mean_view_loss("w", "sg(w)")
    '(lambda_d*(w - sg(w))^2 + (lambda_s - lambda_d)*(w)^2)/2'
    """
    return f"(lambda_d*({reading} - {target})^2 + (lambda_s - lambda_d)*({reading})^2)/2"
