"""The words of training code in units of the flow: one place where a learning rate becomes a time."""

from __future__ import annotations

from math import inf, isfinite, log
from typing import Any

from dynsim.arguments import a_real
from dynsim.errors import InvalidType, bad, explained, unknown

__all__ = ["average_rate", "training_parameters"]

_OPTIMISERS = ("sgd", "adam", "adamw", "sign", "lamb", "lars")
_PASSED = ("batch", "dim", "views", "tau_t", "tau_s", "tau", "steps")
_SPELLINGS = {
    "learning_rate": "lr",
    "wd": "weight_decay",
    "ema_momentum": "ema",
    "teacher": "ema",
    "teacher_momentum": "ema",
    "momentum_teacher": "ema",
    "optimizer": "optimiser",
    "batch_size": "batch",
    "temperature": "tau",
    "teacher_temp": "tau_t",
    "student_temp": "tau_s",
    "center_momentum": "centre_momentum",
}


@explained("how-to/which-weight-decay")
def training_parameters(**settings: Any) -> dict[str, Any]:
    """Translate the settings of a training run into the parameters of the flow it follows.

    A step advances the flow by ``step`` = lr/(1 − momentum), the time in which heavy ball, Nesterov and plain
    gradient descent agree at leading order. In that time

    * ``eta_s`` is weight_decay if it is coupled (torch's SGD: part of the gradient), weight_decay·(1 − momentum) if
      it is decoupled (subtracted from the weights, times lr); ``eta_p`` the same for the predictor, times ``alpha``;
    * ``alpha`` is predictor_lr/lr;
    * ``beta`` is −ln(ema)/step, ∞ for ema = 0 (no teacher), 0 for a frozen one; to first order (1 − ema)/step;
    * ``centre_rate`` is −ln(centre_momentum)/step;
    * ``effective_step`` is the step of plain gradient descent with the same deviation from the flow:
      lr(1+μ)/(1−μ)² with momentum μ, lr(1−μ+2μ²)/(1−μ)² with Nesterov's.

    Steps of Adam, LAMB, LARS and sign descent do not scale with the gradient: for them time is lr per step by analogy,
    momentum does not enter, and ``exact`` is False.

    Parameters
    ----------
    **settings
        lr, momentum, nesterov, weight_decay, decoupled, predictor_lr, predictor_weight_decay, ema, centre_momentum,
        optimiser ("sgd", "adam", "adamw", "lars", "lamb", "sign"); batch, dim, views, steps, tau, tau_s, tau_t are
        passed on; alpha, beta, eta_p, eta_s, centre_rate, if given, are taken as they are. Common spellings
        (learning_rate, wd, teacher, batch_size, teacher_temp, …) are understood. Without lr time is counted in steps.

    Returns
    -------
    dict
        alpha, beta (None if no teacher was named), eta_p, eta_s, step, effective_step, exact, and what was passed on.

    Raises
    ------
    UnknownName, InvalidType, InvalidValue
        A word that is not known, named twice, or has no usable value.

    See Also
    --------
    methods, features : what takes them.

    Notes
    -----
    The effective steps are derived in the modified equations of heavy ball and Nesterov's method: Kovachki & Stuart,
    J. Mach. Learn. Res. 22 (2021), for the leading order; decoupled decay: Loshchilov & Hutter, arXiv:1711.05101.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.training_parameters(lr=0.2, momentum=0.9, weight_decay=1e-4, ema=0.996)
    >>> round(flow["step"], 12), flow["eta_s"], round(flow["beta"], 9)
    (2.0, 0.0001, 0.002004011)
    """
    given: dict[str, Any] = {}
    for word, value in settings.items():
        name = _SPELLINGS.get(word, word)
        if name not in _KNOWN:
            raise unknown("setting", word, (*_KNOWN, *_SPELLINGS))
        if name in given:
            raise bad(word, value, f"one value of {name}", "it is named twice")
        if value is not None:
            given[name] = value
    optimiser = given.get("optimiser", "sgd")
    if optimiser not in _OPTIMISERS:
        raise unknown("optimiser", optimiser, _OPTIMISERS)
    exact = optimiser == "sgd"
    lr = _number("lr", given.get("lr", 1.0), 0.0, inf, open_below=True)
    momentum = _number("momentum", given.get("momentum", 0.0), 0.0, 1.0, open_above=True) if exact else 0.0
    nesterov, decoupled = (
        _flag(name, given.get(name, name == "decoupled" and optimiser == "adamw")) for name in _FLAGS
    )
    slow = 1 - momentum
    step = lr / slow
    excess = 1 - momentum + 2 * momentum**2 if nesterov else 1 + momentum
    decay_share = slow if decoupled else 1.0
    decay = _number("weight_decay", given.get("weight_decay", 0.0), 0.0, inf)
    alpha = _number(
        "alpha", given.get("alpha", _number("predictor_lr", given.get("predictor_lr", lr), 0.0, inf) / lr), 0, inf
    )
    predictor = _number("predictor_weight_decay", given.get("predictor_weight_decay", decay), 0.0, inf)
    result = {
        "alpha": alpha,
        "beta": _rate("ema", given, step),
        "eta_p": alpha * predictor * decay_share,
        "eta_s": decay * decay_share,
        "step": step,
        "effective_step": lr * excess / slow**2,
        "exact": exact,
    }
    centre = _rate("centre_momentum", given, step)
    if centre is not None:
        result["centre_rate"] = centre
    for name in ("beta", "eta_p", "eta_s", "centre_rate"):
        if name in given:
            result[name] = _number(name, given[name], 0.0, inf)
    return result | {name: given[name] for name in _PASSED if name in given}


_FLAGS = ("nesterov", "decoupled")
_KNOWN = (
    "lr", "momentum", *_FLAGS, "weight_decay", "predictor_lr", "predictor_weight_decay", "ema", "centre_momentum",
    "optimiser", "alpha", "beta", "eta_p", "eta_s", "centre_rate", *_PASSED,
)  # fmt: skip


def _rate(name: str, given: dict[str, Any], step: float) -> float | None:
    """Rate per flow time of a moving average with this coefficient per step."""
    if name not in given:
        return None
    return average_rate(_number(name, given[name], 0.0, 1.0), step)


def average_rate(kept: float, time: float) -> float:
    """Rate β of ξ' = β(θ − ξ) for a moving average that keeps a share of itself in a time: −ln(kept)/time.

    While θ rests, the average and the flow are then the same at every step; (1 − kept)/time, the rate of one Euler
    step, is that to first order. ∞ where nothing is kept, 0 where everything is.

    Examples
    --------
    >>> from dynsim.integrate.training_settings import average_rate
    >>> round(average_rate(0.996, 0.2), 8), average_rate(0.0, 0.1), average_rate(1.0, 0.1)
    (0.02004011, inf, 0.0)
    """
    return inf if kept == 0 else -log(kept) / time + 0.0


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad(name, value, "True or False", kind=InvalidType)
    return value


def _number(
    name: str, value: Any, low: float, high: float, *, open_below: bool = False, open_above: bool = False
) -> float:
    number = a_real(name, value, "a number")
    inside = (low < number if open_below else low <= number) and (number < high if open_above else number <= high)
    if not (inside and isfinite(number)):
        ends = f"{'above' if open_below else 'from'} {low:g}" + (
            f" to below {high:g}" if open_above else f" to {high:g}"
        )
        raise bad(name, value, f"a finite number {ends}")
    return number
