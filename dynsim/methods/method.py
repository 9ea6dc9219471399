"""Method: a self-supervised loss as its public code defines it, and what is known of one aligned mode under it.

All facts are about a linear encoder z = Wy on centred views y = x̄ + n, with the expected gradient of the code's loss.
A mode is one direction of the data with λ_d = E[x̄²] and λ_s = E[y²], seen through one weight w; r = λ_d/λ_s is its
reliability, ν = 1 − r its noise share, v = w²λ_s its variance in the embedding. Flow time: w′ = −∂L/∂w.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dynsim.errors import bad, unknown
from dynsim.methods.fact import ALIGNED, GAUSSIAN, LINEAR, Fact
from dynsim.methods.setting import VALUES, Knob, MethodSetting, read_setting
from dynsim.systems.building import count
from dynsim.table import Table

if TYPE_CHECKING:
    from dynsim.symbolic.distributions import Random
    from dynsim.symbolic.flow import Flow

__all__ = ["Knob", "Method", "MethodSetting"]


class Method(ABC):
    """A method of the field. Make one with `method(name, **knobs)`.

    A subclass declares the class attributes and answers `_survives`, `_amplitude`, `_origin_rate` for arrays over
    the features of one encoder; checks, scalars, the rank budget and the assumptions are cared for here.

    Attributes
    ----------
    name, summary : str
    loss : str
        The loss in the language of networks: z1, z2 encoder outputs, p1 predictor's, t2 teacher's, s1 prototypes'.
    mode : str
        What the loss is for one aligned mode, with expectations over the random symbols in `random`.
    random : dict
        ``{name: distribution}``: ``gradient_flow(m.mode, ["w"], random=m.random)`` derives the flow from the text.
    knobs : mapping
        Name → value.
    reference, code : str
        The paper and the public code whose definition `loss` follows.
    assumptions : tuple of str
        What every fact rests on.
    survives_if, ends_at, learned_first, killed_by : str
        One phrase each, for the table of methods.

    See Also
    --------
    method : one by name.
    register : one of your own.

    Examples
    --------
    >>> import dynsim
    >>> spectral = dynsim.method("spectral")
    >>> spectral.name, spectral.flow().states
    ('spectral', ('w',))
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    code: ClassVar[str]
    KNOBS: ClassVar[Mapping[str, Knob]] = {}
    decays: ClassVar[bool] = True  # whether the facts take weight decay
    budget: ClassVar[str] = "reliability"  # what the rows of the encoder are given to, if they are too few
    moments_only: ClassVar[bool] = True  # whether the expected loss depends on (WΣ_sWᵀ, WΣ_dWᵀ) only
    coupled: ClassVar[bool] = False  # whether what happens to one feature depends on the others
    gaussian: ClassVar[bool] = False  # whether the facts assume Gaussian views
    # How features are found if Σ_d and Σ_s do not commute: "reliable" by Σ_d q = rΣ_s q, "predictor" by the quadratic
    # eigenproblem of a predictor with decay, "linear" by the eigenvectors of Σ_d − pΣ_s.
    directions: ClassVar[str] = "reliable"
    timed: ClassVar[bool] = True  # whether `half_times` are times, and not a key that only orders them
    survives_if: ClassVar[str]
    ends_at: ClassVar[str] = ""
    learned_first: ClassVar[str] = "large λ_d"
    killed_by: ClassVar[str] = ""
    more_assumptions: ClassVar[tuple[str, ...]] = (ALIGNED,)
    # An image's mean view x along the mode, and the noise n1, n2 of its two views.
    drawn: ClassVar[str] = (
        "x ~ normal(0, lambda_d), n1 ~ normal(0, lambda_s - lambda_d), n2 ~ normal(0, lambda_s - lambda_d)"
    )

    def __init__(self, **knobs: Any) -> None:
        for name in knobs:
            if name not in self.KNOBS:
                raise unknown(f"knob of '{self.name}'", name, self.KNOBS, "it has no knobs" if not self.KNOBS else "")
        chosen = {name: knob.check(name, knobs.get(name, knob.default)) for name, knob in self.KNOBS.items()}
        self.knobs: Mapping[str, Any] = MappingProxyType(chosen)
        self.check()

    def check(self) -> None:  # noqa: B027 — most methods have nothing to check
        """Refuse knobs that make no sense together."""

    @property
    @abstractmethod
    def loss(self) -> str:
        """The loss in the language of networks; a subclass states it, as an attribute or a property."""

    @property
    @abstractmethod
    def mode(self) -> str:
        """The loss of one aligned mode; a subclass states it, as an attribute or a property."""

    @property
    def random(self) -> Random:
        """What the random symbols of `mode` are drawn from, as `gradient_flow` takes it; empty if it has none."""
        from dynsim.symbolic.distributions import read_random

        return read_random(self.drawn or None)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every fact of the method rests on."""
        return (LINEAR, *self.more_assumptions, *((GAUSSIAN,) if self.gaussian else ()))

    def __repr__(self) -> str:
        knobs = "".join(f", {name}={value!r}" for name, value in self.knobs.items())
        return f"method({self.name!r}{knobs})\n  survives: {self.survives_if}"

    def _repr_html_(self) -> str:
        facts = {"loss": self.loss, "survives": self.survives_if, "ends at": self.ends_at}
        facts |= {"killed by": self.killed_by, "learned first": self.learned_first}
        facts |= {name: repr(value) for name, value in self.knobs.items()}
        return Table([{self.name: key, "": value} for key, value in facts.items() if value])._repr_html_()

    def __getitem__(self, knob: str) -> Any:
        return self.knobs[knob]

    # What a subclass answers, for arrays over features.

    @abstractmethod
    def _survives(self, at: MethodSetting) -> Fact: ...

    @abstractmethod
    def _amplitude(self, at: MethodSetting) -> Fact: ...

    @abstractmethod
    def _origin_rate(self, at: MethodSetting) -> Fact: ...

    @abstractmethod
    def _flow(self, modes: int) -> Flow: ...

    # What a user asks.

    def survives(self, **values: Any) -> Fact:
        """Whether a stable living state exists; with `initial`, whether this start reaches it.

        Parameters
        ----------
        lambda_d, lambda_s : float or array over the features of one encoder
            Second moments of a feature's mean view and of its views; or one of them and `nu` = 1 − λ_d/λ_s
            (with `nu` alone λ_s = 1).
        alpha, beta, eta_p, eta_s, eta : float
            Rates of predictor and teacher, weight decay of predictor and encoder (eta: both), per unit of flow time.
        dim, batch, views : int
            Embedding coordinates, images per batch, views per image (or a pair: global and local ones).
        initial : number or mapping
            Starts of the states of `flow`: ``{"p": 0.5, "w": 0.1}``; a number is the weight w.
        **values
            The method's knobs may be overridden here too.

        Returns
        -------
        Fact

        Raises
        ------
        InvalidType, InvalidValue, UnknownName
            A value that is no number or cannot be used, weight decay where the facts know none, an unknown name.

        Examples
        --------
        >>> import dynsim
        >>> dynsim.method("vicreg").survives(nu=0.3, epsilon=1e-4).value
        True
        >>> dynsim.method("simsiam").survives(lambda_d=1.0, lambda_s=1.1, eta=[0.2, 0.3][1]).value
        False
        """
        chosen, at = self._at(values)
        return chosen._told(chosen._alive(at), at)

    def amplitude(self, **values: Any) -> Fact:
        """Variance v = w²λ_s of the feature in the embedding at the end; 0 where it does not survive.

        Parameters and errors as in `survives`. Where the end depends on the start, `initial` says which; without it
        the reason says what was assumed.

        Examples
        --------
        >>> import dynsim
        >>> dynsim.method("spectral").amplitude(lambda_d=0.8, lambda_s=1.0).value
        0.8
        """
        chosen, at = self._at(values)
        alive, size = chosen._alive(at), chosen._amplitude(at)
        known = alive.value is not None
        value = np.where(alive.value, np.broadcast_to(size.value, at.lambda_s.shape), 0.0) if known else None
        reason = size.reason or alive.reason
        return chosen._told(replace(size, value=value, exact=size.exact and alive.exact, reason=reason), at)

    def origin_rate(self, **values: Any) -> Fact:
        """Growth rate of |w| near w = 0 per unit of flow time of the code's loss; +∞ for a force that does not vanish.

        Parameters and errors as in `survives`.

        Examples
        --------
        >>> import dynsim
        >>> dynsim.method("infonce", tau=0.5).origin_rate(lambda_d=0.8, lambda_s=1.0).value
        3.2
        """
        chosen, at = self._at(values)
        return chosen._told(chosen._origin_rate(at), at)

    def flow(self, modes: int = 1) -> Flow:
        """The gradient flow of the expected loss in one aligned mode, or in several.

        Parameters
        ----------
        modes : int
            Of which each has its own lambda_d, lambda_s (with a number behind the name if there are several).

        Raises
        ------
        InvalidValue
            No whole positive number, or more modes than have a closed expected loss.

        Examples
        --------
        >>> import dynsim
        >>> dynsim.method("spectral").flow().states
        ('w',)
        """
        flow = self._flow(count("modes", modes))
        return flow.describe(name=f"method {self.name}", reference=self.reference)

    def settled(self, **values: Any) -> Method:
        """The method with the knobs that it is asked with, and with those decided that it leaves open until then.

        Examples
        --------
        >>> import dynsim
        >>> apart, open_to_turn = ({"nu": 0.3}, {"nu": [0.1, 0.3]})
        >>> [dynsim.method("vicreg").settled(**values).knobs["rows"] for values in (apart, open_to_turn)]
        ['aligned', 'free']
        """
        return self._at(values)[0]

    def half_times(self, **values: Any) -> np.ndarray:
        """Flow time at which each feature passes half its amplitude, from equal weights of 1/1000 of the smallest end.

        Infinite for what dies. Where a start that small would die, or the loss has no scale, it is a key in the same
        order as those times (``timed`` is False).

        Examples
        --------
        >>> import dynsim
        >>> times = dynsim.method("spectral").half_times(lambda_d=[0.9, 0.3], lambda_s=[1.0, 1.0])
        >>> bool(times[0] < times[1])
        True
        """
        chosen, at = self._at(values)
        size = np.asarray(chosen._told(replace(chosen.amplitude(**values)), at).value, dtype=float)
        return np.where(size > 0, chosen._half_times(at, np.atleast_1d(size)), np.inf)

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        from dynsim.methods.mode_flow import growth_time

        times = np.full(len(size), np.inf)
        living = np.flatnonzero((size > 0) & np.isfinite(size))
        ends = np.sqrt(size[living] / at.lambda_s[living])
        flow = self._flow(1)
        for j, end in zip(living, ends, strict=True):
            field = flow.field(self.flow_parameters(at, int(j), flow))
            times[j] = growth_time(field, 1e-3 * ends.min(), end / np.sqrt(2))
        return times

    def flow_parameters(self, at: MethodSetting, j: int, flow: Flow) -> dict[str, float]:
        """Values of the parameters of one mode's `flow` for feature number j of a setting; knobs are its defaults."""
        given = {
            "lambda_d": float(at.lambda_d[j]),
            "lambda_s": float(at.lambda_s[j]),
            "alpha": at.alpha,
            "beta": 1.0 if at.beta is None else at.beta,
            "eta_p": at.eta_p,
            "eta_s": at.eta_s,
            "dim": float(at.width),
            "batch": float(at.batch or getattr(self, "default_batch", 0) or 2),
            "kappa": at.spread_over_views(getattr(self, "default_views", 2)),
            "r": float(np.clip(at.reliability[j], 0, 1)),
        }
        return {name: given[name] for name in flow.parameters if name in given}

    # How values are read.

    def _at(self, values: Mapping[str, Any]) -> tuple[Method, MethodSetting]:
        knobs = {name: values[name] for name in values if name in self.KNOBS}
        rest = {name: value for name, value in values.items() if name not in knobs}
        for name in rest:
            if name not in VALUES:
                raise unknown("value", name, (*VALUES, *self.KNOBS))
        chosen = type(self)(**{**self.knobs, **knobs}) if knobs else self
        at = chosen._default_features() if not {"lambda_d", "lambda_s", "nu"} & set(rest) else None
        at = read_setting(rest, at)
        if not chosen.decays and (at.eta_s > 0 or at.eta_p > 0):
            raise bad(
                "eta_s", at.eta_s, f"no weight decay: what is known of '{self.name}' holds without", "leave it out"
            )
        return chosen, at

    def _default_features(self) -> MethodSetting | None:
        """The features that the knobs alone define, if they do."""
        return None

    def _alive(self, at: MethodSetting) -> Fact:
        """Survival within the rank budget: of `dim` rows no more features can live than there are rows."""
        fact = self._survives(at)
        if fact.value is None:
            return fact
        alive = np.broadcast_to(np.asarray(fact.value), at.lambda_s.shape).copy()
        if at.dim is None or alive.sum() <= at.dim:
            return replace(fact, value=alive)
        key = {"reliability": at.reliability, "lambda_d": at.lambda_d, "lambda_s": at.lambda_s}[self.budget]
        order = np.argsort(-np.where(alive, key, -np.inf), kind="stable")
        kept = np.zeros_like(alive)
        kept[order[: at.dim]] = True
        return replace(
            fact,
            value=alive & kept,
            reason=f"{fact.reason}; of those, {at.dim} rows hold the {at.dim} of largest {_WORDS[self.budget]}",
        )

    def _told(self, fact: Fact, at: MethodSetting) -> Fact:
        value = fact.value
        if value is not None:
            array = np.broadcast_to(np.asarray(value), at.lambda_s.shape).copy()
            value = array if not at.scalar else (bool(array[0]) if array.dtype == bool else float(array[0]))
        assumptions = tuple(dict.fromkeys((*self.assumptions, *fact.assumptions)))
        return replace(fact, value=value, assumptions=assumptions)

    # What flows are made of.

    def _mode_flow(self, modes: int, states: tuple[str, ...] = ("w",), loss: str | None = None) -> Flow:
        """Flow of `mode` (or of another loss of one mode), one copy per mode with its own states and moments."""
        from dynsim.methods.mode_flow import mode_flow

        drawn = self.drawn if loss is None or "n1" in loss else ""
        return self._described(mode_flow(loss or self.mode, modes, states, self.decays, drawn))

    def _described(self, flow: Flow) -> Flow:
        from dynsim.methods.mode_flow import described

        return described(flow, self.KNOBS, self.knobs)


_WORDS = {"reliability": "reliability λ_d/λ_s", "lambda_d": "λ_d", "lambda_s": "λ_s"}
