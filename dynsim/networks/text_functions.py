"""What the functions in the text of a network's loss take, give and compute.

Every tensor has three axes: seeds, batch (or 1), features (or 1); a matrix fills the last two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ANGLES", "ENTRYWISE", "FEATURES", "FUNCTIONS", "GRAM", "NUMBER", "SAMPLE", "SLICED", "SLICES", "SLICES_OF_BATCH",
    "SQUARE", "VECTOR",
]  # fmt: skip

NUMBER, SAMPLE = "a number", "one number per sample"
FEATURES, VECTOR = "a feature vector per sample", "one feature vector"
GRAM, SQUARE = "a batch × batch matrix", "a dim × dim matrix"
SLICES_OF_BATCH = "slices of a batch"  # counted as the matrices are


def _torch(name: str) -> Callable[[Any], Any]:
    """Return a function of torch's by name; a plain number is made a tensor first."""

    def function(x: Any) -> Any:
        import torch

        return getattr(torch, name)(_tensor(x))

    return function


def _tensor(x: Any) -> Tensor:
    """A tensor as it is; a plain number in double precision, which takes on that of what it meets."""
    import torch

    return x if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=torch.float64)


def _softplus(x: Any) -> Any:
    import torch

    return torch.logaddexp(_tensor(x), torch.zeros_like(_tensor(x)))


def _smooth_l1(x: Any, beta: Any = 1.0) -> Any:
    """x²/(2β) below β, |x| − β/2 above."""
    size = abs(_tensor(x))
    small = size.clamp(max=beta)
    return small * (size - small / 2) / beta


def _fold(name: str) -> Callable[..., Any]:
    def function(*x: Any) -> Any:
        import torch

        tensor = next((value for value in x if isinstance(value, torch.Tensor)), torch.zeros(()))
        result, *rest = (torch.as_tensor(value, dtype=tensor.dtype, device=tensor.device) for value in x)
        for other in rest:
            result = getattr(torch, name)(result, other)
        return result

    return function


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(1, keepdim=True)


def _var(x: Tensor) -> Tensor:
    return x.var(1, keepdim=True)


def _cov(x: Tensor, y: Tensor | None = None) -> Tensor:
    other = x if y is None else y
    return _centred(x).mT @ _centred(other) / (x.shape[1] - 1)


def _corr(x: Tensor, y: Tensor | None = None) -> Tensor:
    other = x if y is None else y
    return _cov(x, other) / (_var(x).sqrt().mT * _var(other).sqrt())


def _total(x: Tensor, axes: Any = 2) -> Tensor:
    return x.sum(axes, keepdim=True)


def _squares(x: Tensor, axes: Any = 2) -> Tensor:
    return x.square().sum(axes, keepdim=True)


def _norm(x: Tensor, axes: Any = 2) -> Tensor:
    return _squares(x, axes).clamp(min=1e-24).sqrt()


def _unit(x: Tensor) -> Tensor:
    return x / _norm(x)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(2, keepdim=True)


def _offdiag(x: Tensor) -> Tensor:
    return x - x.diagonal(dim1=1, dim2=2).diag_embed()


def _diag(x: Tensor) -> Tensor:
    return x.diagonal(dim1=1, dim2=2)


def _sinkhorn(scores: Tensor, epsilon: Any) -> Tensor:
    """Assignments with equal use of every prototype (Caron et al. 2020, arXiv:2006.09882): three iterations."""
    log = scores / epsilon
    for _ in range(3):
        log = log - log.logsumexp(1, keepdim=True)
        log = log - log.logsumexp(2, keepdim=True)
    return log.exp()


def _whiten(x: Tensor) -> Tensor:
    """Centre, and make the covariance the identity by its Cholesky factor (Ermolov et al. 2021, arXiv:2007.06346)."""
    import torch

    factor = torch.linalg.cholesky(_cov(x))
    return torch.linalg.solve_triangular(factor, _centred(x).mT, upper=False).mT


def _distances(x: Tensor, y: Tensor | None = None) -> Tensor:
    """‖x_i − y_j‖² of all pairs of samples, by the products: twice as fast as differences, and never below 0."""
    other = x if y is None else y
    return (_squares(x) + _squares(other).mT - 2 * x @ other.mT).clamp(min=0)


def _batchnorm(x: Tensor) -> Tensor:
    """What torch.nn.BatchNorm1d does in training: divides by √(variance over N + 10⁻⁵)."""
    from torch.nn import functional

    return functional.layer_norm(x.mT, x.shape[1:2], eps=1e-5).mT


def _slices(x: Tensor, step: int) -> Tensor:
    """Projections (seeds, batch, slices) onto random directions, the same for all seeds, new ones at every step."""
    import torch

    stream = torch.Generator().manual_seed(step)
    directions = torch.randn(x.shape[2], SLICES, generator=stream, dtype=torch.float64)
    return x @ (directions / directions.norm(dim=0)).to(x)


def _sigreg(step: int, x: Tensor) -> Tensor:
    """Distance of the slices' characteristic functions from a standard normal's (arXiv:2511.08544, MINIMAL.md).

    N Σ_t w_t|φ̂(t) − e^{−t²/2}|², averaged over slices, at 17 knots t from 0 to 3 by the trapezium rule over [−3, 3].
    """
    import torch

    projected = _slices(x, step)
    t = torch.linspace(0, 3, 17, dtype=torch.float64)
    normal = torch.exp(-t.square() / 2)
    weights = normal * (3 / 8)
    weights[[0, -1]] /= 2
    angles = projected.unsqueeze(-1) * t.to(x)
    real, imaginary = angles.cos().mean(1), angles.sin().mean(1)
    error = (real - normal.to(x)).square() + imaginary.square()
    return (error @ weights.to(x)).mean(1).reshape(-1, 1, 1) * x.shape[1]


def _sliced_wasserstein(step: int, x: Tensor) -> Tensor:
    """Mean squared distance of the sorted slices from the quantiles Φ⁻¹(i/(N+1)) of a normal distribution."""
    import torch

    projected = _slices(x - x.mean(1, keepdim=True), step).sort(1).values
    number = x.shape[1]
    levels = torch.arange(1, number + 1, dtype=torch.float64) / (number + 1)
    quantiles = torch.special.ndtri(levels).to(x)[None, :, None]
    return (projected - quantiles).square().mean((1, 2)).reshape(-1, 1, 1)


SLICES = 256  # random directions, as in the public code of LeJEPA
ANGLES = 17 * SLICES  # of a sample: one for every slice and knot
ENTRYWISE: dict[str, tuple[int, int, Callable[..., Any]]] = {
    name: (1, 1, _torch(name))
    for name in (
        "exp",
        "log",
        "sqrt",
        "relu",
        "sigmoid",
        "abs",
        "sign",
        "erf",
        "tanh",
        "sin",
        "cos",
        "atan",
        "cosh",
        "sinh",
    )
}
ENTRYWISE |= {
    "softplus": (1, 1, _softplus),
    "smooth_l1": (1, 2, _smooth_l1),
    "max": (2, 16, _fold("maximum")),
    "min": (2, 16, _fold("minimum")),
}
_ROWS, _EITHER, _MATRIX = (FEATURES,), (FEATURES, VECTOR), (GRAM, SQUARE)
Row = tuple[tuple[tuple[str, ...], ...], str, Callable[..., Any]]


def _reduced(over_features: Callable[[Any], Any], over_all: Callable[[Any], Any]) -> list[Row]:
    rows: list[Row] = [((_ROWS,), SAMPLE, over_features), (((VECTOR,),), NUMBER, over_features)]
    return [*rows, ((_MATRIX,), NUMBER, over_all)]


def _pairs(function: Callable[..., Any]) -> list[Row]:
    return [(((VECTOR,), (VECTOR,)), NUMBER, function), ((_EITHER, _EITHER), SAMPLE, function)]


def _kept(function: Callable[..., Any]) -> list[Row]:
    return [((_ROWS,), FEATURES, function), (((VECTOR,),), VECTOR, function)]


def _averaged(function: Callable[..., Any]) -> list[Row]:
    return [(((SAMPLE,),), NUMBER, function), ((_ROWS,), VECTOR, function)]


def _crossed(function: Callable[..., Any]) -> list[Row]:
    return [(((SAMPLE,), (SAMPLE,)), NUMBER, function), ((_ROWS, _ROWS), SQUARE, function)]


_logsumexp_rows: list[Row] = [
    (((FEATURES, GRAM),), SAMPLE, lambda x: x.logsumexp(2, keepdim=True)),
    (((VECTOR,),), NUMBER, lambda x: x.logsumexp(2, keepdim=True)),
]
_diagonals: list[Row] = [
    (((GRAM,),), SAMPLE, lambda x: _diag(x).unsqueeze(2)),
    (((SQUARE,),), VECTOR, lambda x: _diag(x).unsqueeze(1)),
]
FUNCTIONS: dict[str, tuple[int, int, list[Row]]] = {
    "sum": (1, 1, _reduced(_total, partial(_total, axes=(1, 2)))),
    "mean": (1, 1, _reduced(lambda x: x.mean(2, keepdim=True), lambda x: x.mean((1, 2), keepdim=True))),
    "sq": (1, 1, _reduced(_squares, partial(_squares, axes=(1, 2)))),
    "norm": (1, 1, _reduced(_norm, partial(_norm, axes=(1, 2)))),
    "logsumexp": (1, 1, _logsumexp_rows),
    "dot": (2, 2, _pairs(_dot)),
    "cos": (2, 2, _pairs(lambda x, y: _dot(_unit(x), _unit(y)))),
    "unit": (1, 1, _kept(_unit)),
    "softmax": (1, 1, _kept(lambda x: x.softmax(2))),
    "logsoftmax": (1, 1, _kept(lambda x: x.log_softmax(2))),
    "E": (1, 1, _averaged(lambda x: x.mean(1, keepdim=True))),
    "var": (1, 1, _averaged(_var)),
    "std": (1, 1, _averaged(lambda x: _var(x).sqrt())),
    "cov": (1, 2, _crossed(_cov)),
    "corr": (1, 2, _crossed(_corr)),
    "gram": (1, 2, [((_ROWS, _ROWS), GRAM, lambda x, y=None: x @ (x if y is None else y).mT)]),
    "distances": (1, 2, [((_ROWS, _ROWS), GRAM, _distances)]),
    "batchnorm": (1, 1, [((_ROWS,), FEATURES, _batchnorm)]),
    "diag": (1, 1, _diagonals),
    "offdiag": (1, 1, [(((GRAM,),), GRAM, _offdiag), (((SQUARE,),), SQUARE, _offdiag)]),
    "trace": (1, 1, [((_MATRIX,), NUMBER, lambda x: _diag(x).sum(1).reshape(-1, 1, 1))]),
    "sinkhorn": (2, 2, [((_ROWS, (NUMBER,)), FEATURES, _sinkhorn)]),
    "whiten": (1, 1, [((_ROWS,), FEATURES, _whiten)]),
    "sigreg": (1, 1, [((_ROWS,), NUMBER, _sigreg)]),
    "sliced_wasserstein": (1, 1, [((_ROWS,), NUMBER, _sliced_wasserstein)]),
}
SLICED = ("sigreg", "sliced_wasserstein")  # these get the number of the step first
