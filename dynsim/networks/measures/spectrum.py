"""Fast and slow directions at one point: the eigenvalues of the flow's Jacobian."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.networks.measures.tensors import matrix_of

__all__ = ["eigenvalue_gap"]

_ZERO = 1e-7  # relative to the largest: zero to the accuracy of a computed state


def eigenvalue_gap(jacobian: Any) -> Tensor:
    """Largest over smallest modulus of the eigenvalues: how far apart fast and slow are (Kuehn 2015).

    Parameters
    ----------
    jacobian : array-like
        Of the resolved field, (…, n, n); see ``flow(experiment).jacobian``.

    Returns
    -------
    Tensor
        (…), at least 1; NaN where an eigenvalue is zero: there is a line of equilibria, and a gap says nothing.

    Raises
    ------
    InvalidValue, InvalidType
        If it is no square matrix.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.eigenvalue_gap(torch.diag(torch.tensor([-1.0, -8.0]))).item()
    8.0
    """
    sizes = torch.linalg.eigvals(matrix_of(jacobian, "jacobian", square=True)).abs()
    smallest, largest = sizes.amin(-1), sizes.amax(-1)
    return torch.where(smallest > _ZERO * largest, largest / smallest, torch.nan)
