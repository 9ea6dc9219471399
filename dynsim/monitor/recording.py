"""Monitor: called once per step of one's own training loop, it measures every so many steps and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, log
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.errors import InvalidType, bad, explained, unknown
from dynsim.integrate.training_settings import training_parameters
from dynsim.monitor.alarm import first_alarm
from dynsim.monitor.features import (
    as_features,
    checked_labels,
    checked_settings,
    decay_thresholds,
    direction_moments,
    measure_outputs,
)
from dynsim.monitor.folder import RecordFolder
from dynsim.networks.collapse import MUST_BE_FINITE
from dynsim.networks.measures import dead_share
from dynsim.records import stamp
from dynsim.status import Status, status_attributes

if TYPE_CHECKING:
    from dynsim.monitor.diagnosis import Diagnosis
    from dynsim.monitor.live_laws import Laws

__all__ = ["Monitor"]

_MOST_ROWS = 1024  # samples of a batch that are measured
_SIZES = ("dim", "samples", "prototypes")

NAMES = (
    "absolute_speed_ratio", "agreement", "alpha_req", "balance", "balance_drift", "dead_share", "entropy_of_mean",
    "knn", "lambda_d", "lambda_s", "loss", "loss_share", "mean_entropy", "mean_share", "noise_share", "norm",
    "norm_ratio", "participation", "predictor_gap", "rankme", "relative_speed_ratio", "spread", "teacher_distance",
    "teacher_moved", "uniformity", "view_alignment",
)  # fmt: skip


class Monitor:
    """Records what happens to a representation while it trains, in a loop of one's own.

    Between records nothing is looked at, so that nothing waits for a device. Inputs are only read: the run has the
    same weights, bit for bit, with and without it. Of larger batches the first 1,024 samples are measured, of these
    512 for the uniformity; a fixed batch (`probe`) is measured whole.

    Parameters
    ----------
    out : path, optional
        A Zarr folder, replaced as a whole with every record. If it is there already the run goes on: records from the
        first step on that is given again are dropped.
    every : int
        Steps between records; steps that are multiples of it are recorded.
    measures : sequence of str or callables, optional
        Of the names in ``dynsim.monitor.recording.NAMES``, and own functions of the features (N, d), which return one
        number; by default everything that the inputs allow.
    settings : mapping, optional
        Words of training code (lr, momentum, weight_decay, ema, tau_t, tau_s, …) as `dynsim.training_parameters` reads
        them: for the balance law, and for thresholds in a diagnosis. With tau_s or tau_t the predictor's outputs, or
        else the encoder's, are logits of prototypes.
    probe : array, tensor or pair of such, optional
        A fixed batch, or two views of one: features are then those of the probe, encoded in evaluation mode by the
        `encoder` that is given to `record`; flags, buffers and random numbers are put back.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.monitor import Monitor
    >>> m, rng = Monitor(every=10), np.random.default_rng(0)
    >>> z = rng.normal(size=(256, 16))
    >>> for step in range(50):
    ...     values = m.record(step, z * 0.8**step + 3 * (1 - 0.8**step), loss=-1.0)
    >>> m.dataset.sizes["step"], round(float(m.dataset.spread[0]), 2), m.diagnose().kinds[0]
    (5, 1.0, 'constant')
    >>> m.alarm
    'step 10: directions come together (spread 0.039, at most 1 before)'

    See Also
    --------
    dynsim.diagnose : what the records say.
    attach : the same by forward hooks.
    """

    def __init__(
        self,
        *,
        out: Any = None,
        every: int = 50,
        measures: Sequence[str | Callable[[Any], Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
        probe: Any = None,
    ) -> None:
        if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
            raise bad("every", every, "a whole number of steps, at least 1")
        self.every = int(every)
        self.settings = checked_settings(settings)
        self._flow = training_parameters(**self.settings)
        self._chosen, self._own = _chosen(measures)
        self.probe = _probe(probe)
        self.features: np.ndarray | None = None  # of the last record
        self.thresholds: np.ndarray | None = None  # of the first: λ_d²/(4λ_s) of every feature
        self._steps: list[int] = []
        self._rows: list[dict[str, float]] = []
        self._sizes: dict[str, int] = {}
        self._current: int | None = None
        self._out = None if out is None else RecordFolder(out)
        if self._out is not None and (stored := self._out.read()) is not None:
            self._take(stored)
        self._laws: Laws | None = None

    @explained("how-to/your-own-run")
    def record(
        self,
        step: int,
        z1: Any,
        z2: Any = None,
        *,
        p1: Any = None,
        p2: Any = None,
        t1: Any = None,
        t2: Any = None,
        encoder: Any = None,
        predictor: Any = None,
        teacher: Any = None,
        loss: Any = None,
        labels: Any = None,
    ) -> dict[str, float] | None:
        """Measure, if this step is one to be recorded.

        Parameters
        ----------
        step : int
            Of the optimiser. Called again with the same step, as gradient accumulation does, the first call counts.
        z1, z2 : tensor or array
            Outputs of the encoder for the two views, (N, d).
        p1, p2, t1, t2 : tensor or array, optional
            Of the predictor (or the head with prototypes) and of the teacher.
        encoder, predictor, teacher : nn.Module, optional
            For the balance law, speeds, the predictor's optimality gap, the teacher's motion, and the probe.
        loss : tensor or float, optional
        labels : array, optional
            Classes of the samples that are measured: adds kNN between two halves of them.

        Returns
        -------
        dict or None
            Measure → value; None between records.

        Raises
        ------
        InvalidType, InvalidValue
            Outputs that are no matrices, or differ in shape; a probe without an encoder.
        """
        if isinstance(step, bool) or not isinstance(step, int | np.integer) or step < 0:
            raise bad("step", step, "a whole number of steps, at least 0")
        if not self._due(int(step)):
            return None
        step = int(step)
        found = self._measured(z1, z2, p1, p2, t2, encoder, labels)
        if encoder is not None or predictor is not None or teacher is not None:
            found |= self._lawful(step, z1, z2, t2, encoder, predictor, teacher)
        if loss is not None:
            found["loss"] = _scalar(loss)
        return self._keep(step, found)

    def record_layers(
        self, step: int, z1: Any, z2: Any, layers: Mapping[str, Any], *, loss: Any = None
    ) -> dict[str, float] | None:
        """Record features, and the share of dead units of layers; what `attach` and `LightningMonitor` call.

        Parameters
        ----------
        step, z1, z2, loss
            As for `record`.
        layers : mapping
            Name → activations (samples, units).
        """
        if not self._due(step):
            return None
        found = self._measured(z1, z2, None, None, None, None, None)
        for name, activations in layers.items():
            found[f"dead_share_{name.replace('.', '_')}"] = float(dead_share(activations))
        if loss is not None:
            found["loss"] = _scalar(loss)
        return self._keep(step, found)

    def _due(self, step: int) -> bool:
        """Whether to record now; a step that comes again after later ones is a restart."""
        if step == self._current:
            return False
        self._current = step
        if self._steps and step <= self._steps[-1]:
            self._drop(step)
        return step % self.every == 0

    def _measured(self, z1: Any, z2: Any, p1: Any, p2: Any, t2: Any, encoder: Any, labels: Any) -> dict[str, float]:
        logits = self._flow.get("tau_s") is not None or self._flow.get("tau_t") is not None
        temperature = float(self._flow.get("tau_s") or 0.1)
        if self.probe:
            if encoder is None:
                raise bad("encoder", None, "the module that encodes the probe", "m.record(step, z1, encoder=encoder)")
            from dynsim.monitor.live_laws import encode_fixed

            views: list[Any] = list(encode_fixed(encoder, self.probe))
        else:
            views = [_rows(z1, "z1"), *([] if z2 is None else [_rows(z2, "z2")])]
        if len(views) > 1 and views[0].shape != views[1].shape:
            raise bad("z2", f"shape {views[1].shape}", f"the shape of z1, {views[0].shape}", "row i shows image i")
        z, paired = views[0], views[1] if len(views) > 1 else None
        self.features = z.copy()
        if self.thresholds is None and paired is not None and not (logits and p1 is None):
            self.thresholds = decay_thresholds(*direction_moments(z, paired)[:2])
        numbers = None if labels is None else checked_labels(_first_rows(labels), len(z))
        if logits and p1 is None:
            self._same_network("prototypes", z, "z1")
            self._sizes = {"prototypes": z.shape[1]}
            return measure_outputs(z, paired, outputs="logits", temperature=temperature, labels=numbers)
        self._same_network("dim", z, "z1")
        self._sizes = {**self._sizes, "dim": z.shape[1], "samples": len(z)}
        found = measure_outputs(z, paired, labels=numbers)
        if logits:
            other = p2 if p2 is not None else t2
            scores, again = _rows(p1, "p1"), None if other is None else _rows(other, "p2")
            more = measure_outputs(scores, again, outputs="logits", temperature=temperature)
            self._same_network("prototypes", scores, "p1")
            self._sizes["prototypes"] = scores.shape[1]
            found |= {name: value for name, value in more.items() if name != "norm"}
        return found

    def _same_network(self, size: str, z: np.ndarray, name: str) -> None:
        before = self._sizes.get(size)
        if self._rows and before is not None and z.shape[1] != before:
            raise bad(name, f"shape {z.shape}", f"{before} dimensions, as in the records before",
                      "a monitor records one network")  # fmt: skip

    def _lawful(
        self, step: int, z1: Any, z2: Any, t2: Any, encoder: Any, predictor: Any, teacher: Any
    ) -> dict[str, float]:
        from dynsim.monitor.live_laws import Laws

        if self._laws is None:
            timed = bool({"lr", "learning_rate"} & self.settings.keys())
            self._laws = Laws(self._flow, timed=timed, fresh=not self._steps)
        target = t2 if t2 is not None else z2

        def pair() -> tuple[np.ndarray, np.ndarray] | None:
            if target is None:
                return None
            own = _rows(z1, "z1") if self.probe or self.features is None else self.features
            return own, _rows(target, "t2")

        found = self._laws.record(step, encoder, predictor, teacher, pair)
        if "teacher_moved" in found:  # after a restart the way since then is all that can be measured
            before = [row["teacher_moved"] for row in self._rows if row.get("teacher_moved", 0.0) > 0]
            found["teacher_moved"] = max([found["teacher_moved"], *before[-1:]])
        return found

    def _keep(self, step: int, found: dict[str, float]) -> dict[str, float]:
        """Add a record, write it, and return what was asked for."""
        norms = (row["norm"] for row in (*self._rows, found))
        first = next((norm for norm in norms if norm > 0 and isfinite(norm)), None)
        if first is not None:  # features that are zero or lost are no start to compare with
            found["norm_ratio"] = found["norm"] / first
        for name, function in self._own.items():
            found[name] = _own_value(name, function, self.features)
        kept = {
            name: value
            for name, value in found.items()
            if self._chosen is None or _stem(name) in self._chosen or name in self._own or name == "norm"
        }
        self._steps.append(step)
        self._rows.append(kept)
        if self._out is not None:
            self._out.write(self.dataset)
        return dict(kept)

    @property
    def dataset(self) -> xr.Dataset:
        """Everything recorded so far, over `step`; of kind "training", as `dynsim.networks.train` returns it."""
        names = sorted(set().union(*self._rows))
        data = xr.Dataset(
            {name: ("step", np.array([row.get(name, np.nan) for row in self._rows], dtype=float)) for name in names},
            {"step": np.array(self._steps, dtype=np.int64)},
        )
        lost = bool(self._rows) and not all(isfinite(self._rows[-1].get(name, 0.0)) for name in MUST_BE_FINITE)
        data["status"] = ((), np.int8(Status.NOT_FINITE if lost else Status.OK), status_attributes())
        evaluation = (
            "features of a fixed batch in evaluation mode" if self.probe else "features of the training batch as given"
        )
        more = {"settings": self.settings} if self.settings else {}
        return stamp(data, kind="training", every=self.every, evaluation=evaluation, **self._sizes, **more)

    @property
    def alarm(self) -> str | None:
        """The first sign of a collapse in the records, as a sentence, or None."""
        most = self._sizes.get("prototypes")
        return first_alarm(self._steps, self._rows, None if most is None else log(most))

    def diagnose(self) -> Diagnosis:
        """Diagnose what was recorded, with the settings that were given."""
        from dynsim.monitor.diagnosis import diagnose

        if not self._rows:
            raise bad("monitor", "no records", f"at least one; every {self.every} steps one is made")
        return diagnose(self)

    def __repr__(self) -> str:
        last = f", last at step {self._steps[-1]}" if self._steps else ""
        return f"Monitor(every={self.every}): {len(self._steps)} records{last}"

    def _drop(self, step: int) -> None:
        keep = sum(one < step for one in self._steps)
        del self._steps[keep:], self._rows[keep:]
        self._laws = None

    def _take(self, stored: xr.Dataset) -> None:
        names = [str(name) for name in stored.data_vars if stored[name].dims == ("step",)]
        if "step" not in stored.coords or "norm" not in names:
            raise bad("out", str(self._out and self._out.place), "a folder that a Monitor has written, or none yet")
        self._steps = [int(step) for step in stored["step"].values]
        columns = {name: stored[name].values.astype(float) for name in names}
        self._rows = [
            {name: float(values[i]) for name, values in columns.items() if name == "norm" or not np.isnan(values[i])}
            for i in range(len(self._steps))
        ]
        self._sizes = {
            name: int(stored.attrs[name]) for name in ("dim", "samples", "prototypes") if name in stored.attrs
        }


def _chosen(measures: Any) -> tuple[set[str] | None, dict[str, Callable[[Any], Any]]]:
    """Names of measures to keep, all if None, and the user's own functions."""
    if measures is None:
        return None, {}
    if isinstance(measures, str) or not isinstance(measures, Sequence):
        raise bad("measures", measures, "a list of names and functions", kind=InvalidType)
    own = {getattr(one, "__name__", "own"): one for one in measures if callable(one)}
    names = [one for one in measures if not callable(one)]
    for name in names:
        if name not in NAMES:
            raise unknown("measure", name, NAMES)
    return set(names), own


def _own_value(name: str, function: Callable[[Any], Any], features: np.ndarray | None) -> float:
    value = function(features)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise bad(f"measure {name}", value, "a function that returns one number", kind=InvalidType) from None


def _stem(name: str) -> str:
    """Name of the measure of which a variable of one layer is."""
    return next((stem for stem in sorted(NAMES, key=len, reverse=True) if name.startswith(stem)), name)


def _is_batch(view: Any) -> bool:
    return bool(getattr(view, "shape", ())) and hasattr(view, "__len__") and len(view) > 1


def _probe(probe: Any) -> tuple[Any, ...]:
    if probe is None:
        return ()
    views = tuple(probe) if isinstance(probe, tuple | list) else (probe,)
    if len(views) > 2 or any(not _is_batch(view) for view in views):
        raise bad("probe", type(probe).__name__, "a batch of at least two samples, or a pair: two views of one")
    return views


def _first_rows(value: Any) -> Any:
    return value[:_MOST_ROWS] if hasattr(value, "shape") or isinstance(value, list | tuple) else value


def _rows(value: Any, name: str) -> np.ndarray:
    """Outputs as a matrix, of at most so many samples; of more axes the rest are flattened."""
    value = _first_rows(value)
    if getattr(value, "ndim", 2) > 2:
        value = value.reshape(len(value), -1)
    return as_features(value, name)


def _scalar(loss: Any) -> float:
    try:
        return float(loss.detach() if hasattr(loss, "detach") else loss)
    except (TypeError, ValueError, RuntimeError):
        raise bad("loss", type(loss).__name__, "one number", kind=InvalidType) from None
