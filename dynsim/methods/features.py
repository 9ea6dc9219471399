"""Which features of a data set a method learns: how large they end, how fast they leave the origin, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.arguments import a_mapping
from dynsim.errors import InvalidType, bad, explained, unknown
from dynsim.integrate.training_settings import training_parameters
from dynsim.methods.catalogue import method as method_of
from dynsim.methods.directions import living_pairs, predictor_directions, reliable_directions
from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.moments import Moments, moments_of_views, stated_moments
from dynsim.methods.setting import VALUES
from dynsim.records import stamp

__all__ = ["features"]

_COMMUTING = 1e-9
_KURTOSIS = 0.5  # excess kurtosis beyond which a feature is called not Gaussian


@explained("tutorial/3-which-features-live")
def features(
    method: str | Method,
    moments: Any = None,
    *,
    views: Any = None,
    data: Any = None,
    dim: int | None = None,
    batch: int | None = None,
    settings: Mapping[str, Any] | None = None,
    **knobs: Any,
) -> xr.Dataset:
    """Tell which features a method learns from data, of which a linear encoder sees the second moments.

    Parameters
    ----------
    method : str or Method
        One of `list_methods`, or what `method` returns.
    moments : (array, array), optional
        Σ_d = E[x̄x̄ᵀ] and Σ_s = E[yyᵀ] of mean views x̄ and views y, (d, d). Exactly one of `moments`, `views` and
        `data` is given.
    views : (array, array), optional
        Two arrays (N, d): row n of each is a view of image n. Their common mean is subtracted.
    data : str, array, path or networks.Experiment, optional
        What `networks.Experiment` takes; its augmentation makes the views. Needs torch.
    dim : int, optional
        Embedding coordinates: no more features than that can live.
    batch : int, optional
        Images per batch, where it matters.
    settings : mapping, optional
        Words of training code, read by `training_parameters`.
    **knobs
        The method's knobs, and values such as alpha, eta, views_per_image.

    Returns
    -------
    xarray.Dataset
        Over `feature`: lambda_d, lambda_s (along its direction of length 1), reliability, survives (1, 0, −1
        undecided: within two standard errors of its threshold, or where only
        an approximation of that is known), amplitude (v = w²λ_s at the end), origin_rate,
        order (rank of the time at which it passes half its amplitude from equal small starts; −1 if it never does),
        error_lambda_d, error_reliability (bootstrap over images; NaN if moments were given). Attributes: `exact`
        says of each variable whether it follows without approximation, `assumptions` on what it rests and what the
        data say about that.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No or several sources, arrays that do not fit, an unknown method, knob or setting.

    Notes
    -----
    Where the loss depends on WΣ_sWᵀ and WΣ_dWᵀ only, survival and amplitude follow from the generalised eigenvalues
    exactly, rates and order only if the two matrices commute. A predictor with decay is asked by its quadratic
    eigenproblem: exact for the first feature and for commuting matrices.

    See Also
    --------
    method : The facts for features whose moments are known.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> table = dynsim.features("simsiam", (np.diag([1.0, 0.3]), np.diag([1.1, 0.5])), eta=0.1)
    >>> table.survives.values.tolist()
    [1, 0]
    """
    chosen = method if isinstance(method, Method) else method_of(method)
    values, own = _read(chosen, settings, batch, knobs)
    chosen = type(chosen)(**{**chosen.knobs, **own})
    measured = _measured(moments, views, data)
    question = _Question(chosen, measured, values, dim)
    return question.dataset()


def _read(
    chosen: Method, settings: Any, batch: int | None, knobs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of the setting and knobs of the method, from training words and from keywords."""
    expected = "a mapping of training words, such as {'lr': 0.1}"
    words = a_mapping("settings", settings, expected)
    if not all(isinstance(name, str) for name in words):
        raise bad("settings", settings, expected, kind=InvalidType)
    translated = training_parameters(**words)
    values: dict[str, Any] = {}
    values |= {name: translated[name] for name in ("alpha", "beta", "eta_p", "eta_s", "batch") if name in translated}
    own = {name: translated[name] for name in chosen.KNOBS if name in translated}
    if batch is not None:
        values["batch"] = batch
    allowed = [
        name for name in VALUES if name not in ("lambda_d", "lambda_s", "nu", "dim", "initial", "views", "batch")
    ]
    for name, value in knobs.items():
        if name in chosen.KNOBS:
            own[name] = value
        elif name == "views_per_image":
            values["views"] = value
        elif name in allowed:
            if name == "eta":
                values |= {"eta_p": value, "eta_s": value}
            else:
                values[name] = value
        else:
            raise unknown(f"knob of '{chosen.name}'", name, (*chosen.KNOBS, *allowed, "views_per_image"))
    return values, own


def _measured(moments: Any, views: Any, data: Any) -> Moments:
    given = [name for name, value in (("moments", moments), ("views", views), ("data", data)) if value is not None]
    if len(given) != 1:
        raise bad("moments", " and ".join(given) or None, "exactly one of moments, views and data")
    if moments is not None:
        return stated_moments(moments)
    if views is not None:
        return moments_of_views(views)
    from dynsim.networks import Experiment
    from dynsim.networks.view_moments import augmented_views

    return moments_of_views(augmented_views(data if isinstance(data, Experiment) else Experiment(data=data)))


class _Question:
    """One call of `features`: the method, the moments, the directions that are its features, and the answers."""

    def __init__(self, chosen: Method, measured: Moments, values: dict[str, Any], dim: int | None) -> None:
        self.method, self.measured = chosen, measured
        self.notes = [*measured.notes]
        decay = max(values.get("eta_s") or 0.0, values.get("eta_p") or 0.0)
        if decay > 0 and not chosen.decays:
            self.notes.append(f"weight decay {decay:g} is left out: what is known of '{chosen.name}' holds without")
            values = {**values, "eta_s": 0.0, "eta_p": 0.0}
            decay = 0.0
        self.values = {**values, **({} if dim is None else {"dim": dim})}
        self.commuting = measured.commutator < _COMMUTING
        self.decay = decay
        self._choose_directions()
        self.method = chosen.settled(lambda_d=self.lambda_d, lambda_s=self.lambda_s, **self.values)

    def _choose_directions(self) -> None:
        signal, view = self.measured.signal, self.measured.view
        r, directions, negative, excess = reliable_directions(signal, view)
        if negative:
            # Σ_d⁺ = Σ_s Q diag(r₊) QᵀΣ_s with QᵀΣ_sQ = 1: what is negative of a measured Σ_d is its error.
            self.notes.append(f"{negative} directions with a negative cross-moment count as reliability 0")
        if excess > 1e-12:
            self.notes.append(f"reliabilities above 1 (by up to {excess:.2g}) were set to 1")
        self.upper: np.ndarray | None = None
        self.variance: np.ndarray | None = None
        kind = self.method.directions
        if kind == "predictor" and self.decay > 0:
            eta = self.values.get("eta_s") or 0.0
            found = predictor_directions(signal, view, eta)
            self.directions, self.lambda_d, self.lambda_s, self.upper, self.variance = found
            self.lambda_d = np.clip(self.lambda_d, 0, None)
            if eta > 0 and not self.commuting:
                pairs = living_pairs(signal, view, eta)
                self.notes.append(f"{pairs} features have both equilibria in the quadratic eigenproblem")
        elif kind == "linear":
            p = self.method.knobs.get("p", 1.0)
            _, self.directions = np.linalg.eigh(p * (signal - p * view))
            self.directions = self.directions[:, ::-1]
            self.lambda_d, self.lambda_s = self.measured.along(self.directions)
        else:
            self.directions = directions
            _, self.lambda_s = self.measured.along(directions)
            self.lambda_d = r * self.lambda_s
        keep = self.lambda_s > 1e-10 * self.lambda_s.max()
        self.directions, self.lambda_d, self.lambda_s = (
            self.directions[:, keep],
            self.lambda_d[keep],
            self.lambda_s[keep],
        )
        if self.upper is not None and self.variance is not None:
            self.upper, self.variance = self.upper[keep], self.variance[keep]

    def _asked(self, question: str, lambda_d: np.ndarray, lambda_s: np.ndarray) -> Fact:
        answer: Fact = getattr(self.method, question)(lambda_d=lambda_d, lambda_s=lambda_s, **self.values)
        return answer

    def dataset(self) -> xr.Dataset:
        """All answers."""
        lambda_d, lambda_s = self.lambda_d, self.lambda_s
        survives = self._asked("survives", lambda_d, lambda_s)
        amplitude = self._asked("amplitude", lambda_d, lambda_s)
        rate = self._asked("origin_rate", lambda_d, lambda_s)
        size = np.array(amplitude.value, dtype=float)
        if self.upper is not None and self.values.get("eta_s"):
            size = self._from_upper(size)
        error_d, error_r = self.measured.errors(self.directions)
        alive = np.asarray(survives.value)
        decided = self._decided(alive, error_d, error_r)
        exact = self._exact(survives, amplitude, rate)
        self._check_assumptions(alive)
        with np.errstate(divide="ignore", invalid="ignore"):
            reliability = lambda_d / lambda_s
        answers = {
            "lambda_d": (lambda_d, "variance of the mean view"),
            "lambda_s": (lambda_s, "variance of a view"),
            "reliability": (reliability, "λ_d/λ_s"),
            "survives": (np.where(decided, alive, -1).astype(np.int8), "whether the feature lives"),
            "amplitude": (size, "variance w²λ_s of the feature in the embedding at the end"),
            "origin_rate": (np.array(rate.value, dtype=float), "growth rate of |w| near 0 per unit of flow time"),
            "order": (self._order(alive, size), "rank of the time of half amplitude from equal small starts"),
            "error_lambda_d": (error_d, "standard error, bootstrap over images"),
            "error_reliability": (error_r, "standard error, bootstrap over images"),
        }
        result = xr.Dataset({name: ("feature", value, {"long_name": text}) for name, (value, text) in answers.items()})
        flags = {"flag_values": np.array([-1, 0, 1], dtype=np.int8), "flag_meanings": "undecided dead alive"}
        result["survives"].attrs.update(flags)
        assumptions = list(dict.fromkeys((*survives.assumptions, *amplitude.assumptions, *self.notes)))
        return stamp(
            result,
            kind="features",
            method=self.method.name,
            knobs=dict(self.method.knobs),
            values=self.values,
            reason=survives.reason,
            exact=exact,
            assumptions=assumptions,
            commutator=self.measured.commutator,
            reference=self.method.reference,
        )

    def _from_upper(self, size: np.ndarray) -> np.ndarray:
        """Amplitudes at the equilibrium itself, whose direction differs a little from that of the curve's peak."""
        assert self.upper is not None
        assert self.variance is not None
        power = 1 / self.method.knobs["a"] if "a" in self.method.knobs else None
        if power is not None:
            weight = self.upper**power
        else:
            eta_p, eta_s = self.values.get("eta_p") or 0.0, self.values["eta_s"]
            weight = self.upper**2 * eta_p / (eta_s * (self.values.get("alpha") or 1.0))
        return np.where(size > 0, np.where(np.isnan(self.upper), size, self.variance * weight), 0.0)

    def _decided(self, alive: np.ndarray, error_d: np.ndarray, error_r: np.ndarray) -> np.ndarray:
        """Features whose fate two standard errors of their moments do not change."""
        decided = self._apart()
        if np.isnan(error_d).all():
            return decided
        shifted = [self._moved(2 * side * error_d, 2 * side * error_r) for side in (-1, 1)]
        if not (self.method.coupled or "dim" in self.values):
            for lambda_d, lambda_s in shifted:
                decided &= np.asarray(self._asked("survives", lambda_d, lambda_s).value) == alive
            return decided
        # What happens to a feature depends on the others: one is moved at a time, from the boundary outward.
        order = np.argsort(-(self.lambda_d / self.lambda_s), kind="stable")
        ranks = np.flatnonzero(alive[order])
        edge = ranks[-1] + 1 if len(ranks) else 0
        for outward in (order[edge:], order[:edge][::-1]):
            for j in outward:
                sure = all(self._alone(j, *moved) == alive[j] for moved in shifted)
                decided[j] &= sure
                if sure:
                    break
        return decided

    def _apart(self) -> np.ndarray:
        """Features of a predictor with decay whose threshold is not blurred by moments that do not commute.

        A feature shifts the thresholds of the others at second order in the commutator: with |[Σ_d, Σ_s]|/|Σ_dΣ_s| of
        0.27 one was seen alive 0.7 % beyond its own curve's peak. Only the first feature's threshold is proven.
        """
        decided = np.ones(len(self.lambda_d), dtype=bool)
        eta = self.values.get("eta_s") or 0.0
        if self.upper is None or self.commuting or not eta:
            return decided
        peak = self.lambda_d**2 / (4 * self.lambda_s)
        decided[1:] = np.abs(peak[1:] / eta - 1) > self.measured.commutator**2
        return decided

    def _moved(self, shift_d: np.ndarray, shift_r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lambda_d = np.maximum(self.lambda_d + shift_d, 0)
        r = np.clip(self.lambda_d / self.lambda_s + shift_r, 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return lambda_d, np.where((r > 0) & (lambda_d > 0), np.maximum(lambda_d / r, lambda_d), self.lambda_s)

    def _alone(self, j: int, lambda_d: np.ndarray, lambda_s: np.ndarray) -> bool:
        moved_d, moved_s = self.lambda_d.copy(), self.lambda_s.copy()
        moved_d[j], moved_s[j] = lambda_d[j], lambda_s[j]
        return bool(np.asarray(self._asked("survives", moved_d, moved_s).value)[j])

    def _order(self, alive: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Ranks from 1; −1 for what never passes half its amplitude."""
        times = self.method.half_times(lambda_d=self.lambda_d, lambda_s=self.lambda_s, **self.values)
        times = np.where(alive, times, np.inf)
        ranks = np.full(len(times), -1)
        finite = np.flatnonzero(np.isfinite(times))
        ranks[finite[np.argsort(times[finite], kind="stable")]] = np.arange(1, len(finite) + 1)
        return ranks

    def _exact(self, survives: Fact, amplitude: Fact, rate: Fact) -> dict[str, bool]:
        kind = self.method.directions
        if kind == "reliable":
            aligned = self.method.moments_only and (self.commuting or self.decay == 0)
            fates = (aligned, aligned, self.commuting)
        elif kind == "linear":
            fates = (True, True, True)
        else:
            fates = (self.commuting, self.commuting, self.commuting or kind == "predictor")
        facts = (survives.exact, amplitude.exact, rate.exact)
        told = dict(
            zip(
                ("survives", "amplitude", "origin_rate"),
                (a and b for a, b in zip(fates, facts, strict=True)),
                strict=True,
            )
        )
        told["order"] = self.commuting and self.method.timed
        if not self.commuting:
            self.notes.append(self._not_commuting(kind))
        return told

    def _not_commuting(self, kind: str) -> str:
        text = f"Σ_d and Σ_s do not commute (|[Σ_d, Σ_s]|/|Σ_dΣ_s| = {self.measured.commutator:.3g}): "
        if kind == "reliable" and self.decay == 0 and self.method.moments_only:
            return text + "rates and order are those along each feature's own direction, an approximation"
        if kind == "predictor" and self.decay > 0:
            return text + "exact for the first feature; each of the others is followed by its own curve, unproven"
        if kind == "linear":
            return text + "the features are the eigenvectors of Σ_d − pΣ_s, exact"
        return text + "the features are generalised eigenvectors, each treated as if it were alone"

    def _check_assumptions(self, alive: np.ndarray) -> None:
        if not self.method.gaussian:
            return
        kurtosis = self.measured.excess_kurtosis(self.directions)
        if kurtosis is None:
            self.notes.append("Gaussian views could not be checked: only moments were given")
            return
        odd = int((np.abs(kurtosis) > _KURTOSIS).sum())
        among = kurtosis[alive] if alive.any() else kurtosis
        self.notes.append(
            f"excess kurtosis along the features: median {np.median(among):.2g}, from {among.min():.2g} to "
            f"{among.max():.2g} among those that live; {odd} of {len(kurtosis)} are beyond {_KURTOSIS} (Gaussian: 0)"
        )
