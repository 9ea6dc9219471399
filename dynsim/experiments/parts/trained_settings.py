"""Networks in several settings, each trained with all seeds as one batch, side by side in one Dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from dynsim.experiments.parts.full_size import full_size

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["hidden_layer", "trained_settings"]


def hidden_layer(full: bool = False, **changes: Any) -> Experiment:
    """The network with hidden layer, batch normalisation, MLP predictor and cosine loss; in full on MNIST.

    Examples
    --------
    >>> from dynsim.experiments.parts.trained_settings import hidden_layer
    >>> hidden_layer().data, hidden_layer(full=True).data
    ('digits', 'mnist')
    """
    from dynsim.networks import Experiment

    return Experiment(**full_size(full), **changes)


def trained_settings(
    settings: Mapping[Any, Experiment],
    dimension: str,
    seeds: Any,
    report: Callable[[int, str], None] = lambda done, what: None,
) -> xr.Dataset:
    """Train every setting; what was recorded over `dimension`, `seed` and `step`.

    Parameters
    ----------
    settings : mapping
        ``{label: experiment}``; all record at the same steps.
    dimension : str
        Along which the labels lie.
    seeds : int or list
    report : callable
        ``report(done, what)`` after each.

    Returns
    -------
    xarray.Dataset
        Without flow times, which may differ; a seed that was lost is NaN from there on.
    """
    from dynsim.networks import train

    runs = []
    for done, (label, experiment) in enumerate(settings.items(), 1):
        data = train(experiment, seeds).drop_vars(["time", "status", "stopped_step"])
        runs.append(data.drop_attrs())
        report(done, f"{dimension} {label}")
    return xr.concat(runs, xr.DataArray(list(settings), dims=dimension, name=dimension))
