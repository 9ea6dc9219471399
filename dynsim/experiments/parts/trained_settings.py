"""Networks in several settings, each trained with all seeds as one batch, side by side in one Dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["FULL_SEEDS", "hidden_layer", "trained_settings"]

FULL_SEEDS = 10  # of the larger version of an experiment
_MNIST_AUGMENTATION = {"rotation": 15.0, "scale": 0.15, "shift": 3.0, "contrast": 0.3, "noise": 0.1, "erasing": 9.0}


def hidden_layer(full: bool = False, **changes: Any) -> Experiment:
    """The network with hidden layer, batch normalisation, MLP predictor and cosine loss; in full on MNIST.

    There shifts and erased squares are larger, as the images are.

    Examples
    --------
    >>> from dynsim.experiments.parts.trained_settings import hidden_layer
    >>> hidden_layer().data, hidden_layer(full=True).data
    ('digits', 'mnist')
    """
    from dynsim.networks import Experiment

    return Experiment(**({"data": "mnist", "augmentation": _MNIST_AUGMENTATION} if full else {}), **changes)


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
