"""The matrix flow: linear encoder W, linear predictor P, teacher V on data of given second moments.

P' = α(−PWΣ_s + VΣ_d)Wᵀ − η_p P
W' = Pᵀ(−PWΣ_s + VΣ_d)  − η_s W            second branch, V ≡ W:  + PWΣ_d − WΣ_s
V' = β(W − V)
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from dynsim.arguments import a_word
from dynsim.choices import Branch
from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.building import count
from dynsim.systems.matrix_equations import MatrixEquations, complex_step, laws_of, matrix_residuals

__all__ = ["matrix_flow"]

REFERENCE = "Tian, Chen & Ganguli, arXiv:2102.06810 (2021)"


def matrix_flow(
    sigma_d: Any,
    sigma_s: Any,
    k: int,
    *,
    branch: Branch = "stop",
    predictor: str = "linear",
    alpha: float = 1.0,
    beta: float | None = None,
    eta_p: float = 0.0,
    eta_s: float = 0.0,
) -> Field:
    """Gradient flow of ½E‖PWx₁ − Vx₂‖² over two views x₁, x₂, as a field of matrices.

    Parameters
    ----------
    sigma_d : array of shape (d, d)
        E[x̄x̄ᵀ], the uncentred second moment of the mean view.
    sigma_s : array of shape (d, d)
        E[x₁x₁ᵀ] = sigma_d + the mean covariance of a view given its image.
    k : int
        Number of features.
    branch : {"stop", "full", "target"}
        As in `gradient_flow`. With a teacher only "stop".
    predictor : {"linear", "optimal"}
        Learned, or eliminated: P = VΣ_dWᵀ(WΣ_sWᵀ)⁻¹ at every instant, the limit α → ∞.
    alpha : float
        Learning-rate ratio of the predictor.
    beta : float, optional
        Rate of the teacher V; None: V is W (SimSiam) and no state.
    eta_p, eta_s : float
        Weight decay of predictor and encoder, per unit of flow time.

    Returns
    -------
    Field
        States "W" (k, d), "P" (k, k) unless optimal, "V" (k, d) if `beta` is given, flattened row by row;
        observables `loss`, `norm` = ‖W‖_F and, with P, `balance_defect` = ‖WWᵀ − PᵀP/α‖_F. The Jacobian is exact to
        rounding (complex step).

    Raises
    ------
    InvalidType, InvalidValue
        Moments that are no symmetric positive semidefinite matrices of one shape, an unknown branch or predictor, a
        rate that is negative.

    See Also
    --------
    dynsim.networks.flow : the same of a real network.

    Notes
    -----
    Under "stop" with η_p = η_s = η, WWᵀ − PᵀP/α = C·e^{−2ηt}. With the optimal predictor and no decay WWᵀ itself is
    conserved (Tang et al., arXiv:2212.03319). Without noise and decay "full" conserves WWᵀ − (I−P)ᵀ(I−P)/α and
    "target" P + Pᵀ + αWWᵀ. `conservation` follows all of these, entry by entry. Aligned starts
    follow the system ``modes``.

    References
    ----------
    Tian, Chen & Ganguli, arXiv:2102.06810 (2021), equations 1–4.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> field = dynsim.matrix_flow(np.eye(3), 1.2 * np.eye(3), 2)
    >>> field.names, field.shape("W"), field.size
    (('W', 'P'), (2, 3), 10)
    >>> run = dynsim.solve(field, {"W": 0.3 * np.eye(2, 3), "P": 0.5 * np.eye(2)}, 50.0)
    >>> float(run.balance_defect.max() - run.balance_defect.min()) < 1e-9
    True
    """
    data, views = _moment("sigma_d", sigma_d), _moment("sigma_s", sigma_s)
    if data.shape != views.shape:
        raise bad("sigma_s", f"shape {views.shape}", f"the shape of sigma_d, {data.shape}")
    a_word("branch", branch, BRANCHES, "'stop', 'full' or 'target'")
    a_word("predictor", predictor, ("linear", "optimal"), "'linear' or 'optimal'")
    if beta is not None and branch != "stop":
        raise bad("branch", branch, "'stop' for a flow with a teacher", "a teacher is never differentiated")
    given = {"alpha": alpha, "eta_p": eta_p, "eta_s": eta_s} | ({} if beta is None else {"beta": beta})
    rates = {name: _rate(name, value) for name, value in given.items()}
    k, d = count("k", k), len(data)
    learned = predictor == "linear"
    roles = {"predictor": ("P",) if learned else (), "encoder": ("W",), "teacher": ("V",) if beta is not None else ()}
    shapes = {"W": (k, d)} | ({"P": (k, k)} if learned else {}) | ({"V": (k, d)} if beta is not None else {})
    equations = MatrixEquations(data, views, shapes, branch, rates)
    observables = {"loss": equations.loss, "norm": equations.norm}
    if learned and rates["alpha"] > 0:
        observables["balance_defect"] = equations.balance_defect
    return Field(
        tuple(shapes),
        equations.velocity,
        complex_step(equations.velocity),
        shapes=shapes,
        roles=roles,
        observables=observables,
        residuals_function=matrix_residuals(equations) if learned and rates["alpha"] > 0 else None,
        conserved=laws_of(equations),
        may_jump=False,
        about={
            "name": "matrix-flow",
            "branch": branch,
            "predictor": predictor,
            "states": list(shapes),
            "roles": {role: list(names) for role, names in roles.items()},
            "reference": REFERENCE,
            "parameters": rates,
        },
    )


def _moment(argument: str, value: Any) -> np.ndarray:
    try:
        if np.iscomplexobj(value):
            raise TypeError
        matrix = np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise bad(argument, value, "a square matrix of numbers", kind=InvalidType) from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise bad(argument, f"shape {matrix.shape}", "a square matrix")
    scale = np.abs(matrix).max(initial=0.0)
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=0, atol=1e-10 * scale):
        raise bad(argument, value, "a finite, symmetric matrix")
    if np.linalg.eigvalsh(matrix).min(initial=0.0) < -1e-10 * scale:
        raise bad(argument, value, "a positive semidefinite matrix", "it is a second moment")
    return matrix


def _rate(argument: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise bad(argument, value, "a finite number ≥ 0", kind=InvalidType)
    number = float(value)
    if not 0 <= number < np.inf:
        raise bad(argument, value, "a finite number ≥ 0")
    return number
