"""Knobs of a method, and the setting in which a fact about it is asked: features, rates, sizes, start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dynsim.arguments import a_number
from dynsim.errors import bad, unknown
from dynsim.integrate.validation import floats_of

__all__ = ["VALUES", "Knob", "MethodSetting", "read_setting"]

VALUES = ("lambda_d", "lambda_s", "nu", "alpha", "beta", "eta", "eta_p", "eta_s", "dim", "batch", "views", "initial")
_STATES = ("w", "p", "v", "b")  # weight, predictor, teacher's weight; pattern of prototypes


@dataclass(frozen=True)
class Knob:
    """One setting of a method: the published default and the range in which it makes sense.

    Parameters
    ----------
    default : number, str, bool or None
        None: it follows from the data or from `dim`.
    low, high : float
        Inclusive bounds; ignored where `choices` are given.
    meaning : str
        A phrase.
    choices : tuple
        The values it may take, where it is no number.
    whole : bool
        Whether only whole numbers make sense.
    """

    default: Any
    low: float = 0.0
    high: float = np.inf
    meaning: str = ""
    choices: tuple[Any, ...] = ()
    whole: bool = False

    def check(self, name: str, value: Any) -> Any:
        """Return the value, or raise InvalidValue or InvalidType."""
        if value is None and self.default is None:
            return None
        if self.choices:
            if not any(value is item or (isinstance(item, str) and value == item) for item in self.choices):
                raise bad(name, value, " or ".join(map(repr, self.choices)))
            return value
        number = a_number(name, value)
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            raise bad(name, value, f"{kind} from {self.low:g} to {self.high:g}")
        return int(number) if self.whole else number


@dataclass(frozen=True)
class MethodSetting:
    """The values at which a fact is asked: the features of one encoder, and how it is trained."""

    lambda_d: np.ndarray
    lambda_s: np.ndarray
    scalar: bool = False
    alpha: float = 1.0
    beta: float | None = None
    eta_p: float = 0.0
    eta_s: float = 0.0
    dim: int | None = None
    batch: int | None = None
    views: int | tuple[int, int] | None = None
    initial: Any = None

    @property
    def reliability(self) -> np.ndarray:
        """The share r = λ_d/λ_s of the image in the variance of a view; 0 where there is no variance."""
        safe = np.where(self.lambda_s > 0, self.lambda_s, 1.0)
        return np.where(self.lambda_s > 0, self.lambda_d / safe, 0.0)

    @property
    def nu(self) -> np.ndarray:
        """The share ν = 1 − r of the augmentation's noise in the variance of a view."""
        return 1 - self.reliability

    @property
    def width(self) -> int:
        """Number D of embedding coordinates: `dim`, or as many as there are features."""
        return self.dim if self.dim is not None else len(self.lambda_s)

    def spread_over_views(self, default: int | tuple[int, int]) -> float:
        """κ = 1 + (V_l/V_g − 1)/V: E mean over views of (z − z̄)² is κ·ν·v, z̄ the mean over the V_g global views."""
        views = default if self.views is None else self.views
        everyone, few = views if isinstance(views, tuple) else (views, 0)
        return 1 + (few / everyone - 1) / (everyone + few)

    def start(self, name: str, default: Any = None) -> np.ndarray | None:
        """The start of one state, one value per feature; a start given as a number is that of the weight w."""
        if self.initial is None:
            return None
        given = self.initial if isinstance(self.initial, Mapping) else {"w": self.initial}
        value = given.get(name, default)
        if value is None:
            return None
        try:
            array = np.broadcast_to(floats_of(f"initial {name}", value, "numbers"), self.lambda_s.shape)
        except ValueError:
            raise bad(f"initial {name}", value, "a number, or one per feature") from None
        if not np.isfinite(array).all():
            raise bad(f"initial {name}", value, "finite numbers")
        return array


def _array(name: str, value: Any) -> np.ndarray:
    array = floats_of(name, value, "a number or an array of numbers")
    if array.ndim > 1 or array.size == 0 or not np.isfinite(array).all():
        raise bad(name, value, "a finite number or a list of them, one per feature")
    return array


def read_setting(values: Mapping[str, Any], features: MethodSetting | None) -> MethodSetting:
    """Read λ_d, λ_s and ν (two of them, or one of λ_d and ν alone), the rates and the sizes."""
    given = dict(values)
    if features is None:
        moments = {
            name: _array(name, given.pop(name))
            for name in ("lambda_d", "lambda_s", "nu")
            if given.get(name) is not None
        }
        features = _features(moments)
    for name in ("lambda_d", "lambda_s", "nu"):
        given.pop(name, None)
    both = given.pop("eta", None)
    if both is not None:
        for name in ("eta_p", "eta_s"):
            if given.get(name) is not None:
                raise bad("eta", both, f"either eta or {name}", "eta is both decays")
            given[name] = both
    changes: dict[str, Any] = {}
    for name in ("alpha", "beta", "eta_p", "eta_s"):
        if given.get(name) is not None:
            changes[name] = a_number(name, given[name])
            if changes[name] < 0 or (name == "alpha" and changes[name] == 0):
                raise bad(name, given[name], "a positive number" if name == "alpha" else "a number of at least 0")
    for name, least in (("dim", 1), ("batch", 2)):
        if given.get(name) is not None:
            value = given[name]
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise bad(name, value, f"a whole number of at least {least}")
            changes[name] = int(value)
    if given.get("views") is not None:
        changes["views"] = _views(given["views"])
    initial = given.get("initial")
    for name in initial if isinstance(initial, Mapping) else ():
        if name not in _STATES:
            raise unknown("state of initial", name, _STATES)
    return replace(features, **changes, initial=initial)


def _views(value: Any) -> int | tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, 0)
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int | np.integer) for n in pair):
        raise bad("views", value, "a whole number, or a pair: global and local views")
    if pair[0] < 1 or pair[1] < 0 or sum(pair) < 2:
        raise bad("views", value, "at least two views, at least one of them global")
    return (int(pair[0]), int(pair[1])) if pair[1] else int(pair[0])


def _features(moments: dict[str, np.ndarray]) -> MethodSetting:
    if not moments or set(moments) == {"lambda_s"}:
        raise bad("lambda_d", None, "lambda_d and lambda_s, or nu = 1 − λ_d/λ_s", "say which feature is meant")
    if len(moments) == 3:
        raise bad("nu", moments["nu"], "two of lambda_d, lambda_s and nu", "the third follows")
    scalar = all(value.ndim == 0 for value in moments.values())
    try:
        arrays = np.broadcast_arrays(*moments.values())
    except ValueError:
        shapes = ", ".join(f"{name}: {value.size}" for name, value in moments.items())
        raise bad("lambda_d", shapes, "as many values of each as there are features") from None
    read = dict(zip(moments, (np.atleast_1d(value).astype(float) for value in arrays), strict=True))
    if "nu" in read:
        if np.any(read["nu"] > 1) and "lambda_d" in read:
            raise bad("nu", moments["nu"], "at most 1")
        if "lambda_d" in read and np.any(read["nu"] == 1):
            raise bad("nu", moments["nu"], "less than 1 if lambda_d is given", "give lambda_s instead")
        view = (
            read["lambda_d"] / (1 - read["nu"])
            if "lambda_d" in read
            else read.get("lambda_s", np.ones_like(read["nu"]))
        )
        signal = read.get("lambda_d", (1 - read["nu"]) * view)
    else:
        signal = read["lambda_d"]
        view = read.get("lambda_s")
        if view is None:
            raise bad("lambda_s", None, "the variance of a view of the feature", "or give nu = 1 − λ_d/λ_s")
    if np.any(view < 0):
        raise bad("lambda_s", view.tolist(), "no negative variance")
    if np.any(np.abs(signal) > view * (1 + 1e-12)):
        raise bad("lambda_d", signal.tolist(), "at most lambda_s in size", "the mean view varies no more than a view")
    return MethodSetting(signal, view, scalar)
