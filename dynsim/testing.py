"""What a user's own test imports: assert that the encoder does not collapse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.errors import bad
from dynsim.field import Dynamics
from dynsim.networks.measures.arrays import features_of
from dynsim.records import provenance
from dynsim.symbolic.sources import as_field

__all__ = ["assert_no_collapse"]


def assert_no_collapse(
    subject: Any,
    initial: Any = None,
    parameters: Mapping[Any, Any] | None = None,
    *,
    paired: Any = None,
    floor: float = 0.1,
    reference: float | None = None,
) -> None:
    """Pass if the encoder survives, raise `AssertionError` that says what happened if not.

    Representations are judged by `dynsim.networks.collapse.judge`: spread, ranks, norm against its start, assignments,
    dead units, the teacher, kNN, whatever is there.

    Parameters
    ----------
    subject : Flow, Field, xarray.Dataset, array, tensor or monitor
        A flow is judged by where its run ends (`outcome`). A run of a flow by what it recorded: the norm of every
        encoder state must stay above `floor` times its first value. A Dataset of `networks.train` or of a monitor
        (anything with a ``dataset``), over any dimensions, by its last record. Features (N, d), or a stack of such,
        by their measures.
    initial : mapping or array, optional
        The start: of a flow, by default the system's own; of features, those at initialisation, of which the norm
        must not vanish.
    parameters : mapping, optional
        For a flow; what is left out takes the system's default.
    paired : array, optional
        A second view of the features, row by row; it must be judged healthy as well.
    floor : float
        For runs of flows, between 0 and 1.
    reference : float, optional
        kNN accuracy that this method reaches where all is well.

    Raises
    ------
    AssertionError
        The encoder collapses, or it stays undecided whether it does.
    InvalidType, InvalidValue
        Nothing that could be judged.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> from dynsim.testing import assert_no_collapse
    >>> assert_no_collapse(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1})
    >>> assert_no_collapse(dynsim.system("toy", branch="full"), {"phi": 0.6, "theta": 0.1})
    Traceback (most recent call last):
        ...
    AssertionError: collapse of theta: phi → 0.612702, theta → 0: collapse (exact: αθ₀² ≤ (1−φ₀)²: ...
    >>> assert_no_collapse(np.random.default_rng(0).normal(size=(500, 32)))
    >>> assert_no_collapse(np.ones((500, 32)))
    Traceback (most recent call last):
        ...
    AssertionError: collapse: constant: all samples have the same direction (spread ...
    """
    source = getattr(subject, "dataset", subject)
    if isinstance(source, xr.Dataset):
        if initial is not None or parameters is not None:
            raise bad("initial, parameters", (initial, parameters), "nothing beside a Dataset")
        _assert_run(source, floor, reference)
    elif isinstance(subject, list | tuple) or isinstance(getattr(subject, "shape", None), tuple):
        _assert_features(subject, initial)
        if paired is not None:
            _assert_features(paired, None)
    else:
        _assert_flow(as_field(subject), initial, parameters)


def _assert_flow(flow: Dynamics, initial: Any, parameters: Mapping[Any, Any] | None) -> None:
    if initial is None:
        initial = {name: flow.defaults[name] for name in flow.states if name in flow.defaults}
    found = outcome(flow, initial, parameters)
    encoder = ", ".join(flow.roles.get("encoder", ()))
    if not encoder:
        raise bad("flow", flow, "a flow with an encoder", "pass roles={'encoder': …} when making it")
    if found.collapsed is None:
        raise AssertionError(f"undecided whether {encoder} collapses: {found}")
    if found.collapsed:
        raise AssertionError(f"collapse of {encoder}: {found}")


def _assert_features(features: Any, initial: Any) -> None:
    from dynsim.networks import measures
    from dynsim.networks.collapse import judge

    z = features_of(features)
    found = {name: np.asarray(getattr(measures, name)(z)) for name in ("spread", "rankme", "participation")}
    if initial is not None:
        found["norm_ratio"] = np.asarray(measures.norm_ratio(z, initial))
    for place in np.ndindex(z.shape[:-2]):
        here = {name: float(value[place]) for name, value in found.items()}
        _raise_unless_healthy(judge(here, dimensions=z.shape[-1], samples=z.shape[-2]), place)


def _raise_unless_healthy(judgement: Any, where: Any) -> None:
    if judgement.collapsed is False:
        return
    at = f" at {where}" if where else ""
    if judgement.collapsed is None:
        raise AssertionError(f"undecided whether it collapses{at}: {judgement}\n{judgement.evidence}")
    raise AssertionError(f"collapse{at}: {judgement}\n{judgement.evidence}")


def _assert_run(dataset: xr.Dataset, floor: float, reference: float | None) -> None:
    encoder = provenance(dataset).get("flow", {}).get("roles", {}).get("encoder", [])
    names = [name for name in encoder if name in dataset]
    if not names:
        if "flow" in provenance(dataset):
            raise bad("dataset", list(dataset.data_vars), "a run of a flow with an encoder, or of a network")
        from dynsim.networks.collapse import judge_run

        found = judge_run(dataset, reference=reference)
        for place in np.ndindex(found.shape):
            at = [
                f"{name} {found.coords[name].values[i]}" if name in found.coords else f"{name} number {i}"
                for name, i in zip(found.dims, place, strict=True)
            ]
            _raise_unless_healthy(found.values[place], ", ".join(at))
        return
    along = "time" if "time" in dataset[names[0]].dims else "step"
    square = sum(
        (dataset[name] ** 2).sum([d for d in dataset[name].dims if d.endswith(("_row", "_column"))]) for name in names
    )
    norm = np.sqrt(square)
    least = norm.min(along) / norm.isel({along: 0})
    if not bool((least >= floor).all()):
        share = float(least.min())
        raise AssertionError(f"collapse of {', '.join(names)}: down to {share:.3g} of the start, below {floor:g}")
