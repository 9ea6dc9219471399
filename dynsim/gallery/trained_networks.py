"""Networks in several settings, each trained with all seeds as one batch, side by side in one Dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from dynsim.errors import bad
from dynsim.records import provenance

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["FULL_SEEDS", "full_size", "hidden_layer", "images_of", "refuse_branch", "seed_count", "trained_settings"]

FULL_SEEDS = 10


def full_size(full: bool, data: Any = None) -> dict[str, Any]:
    """Fields of an `Experiment`: augmentations grow with the pictures, from 8×8 to 28×28 pixels.

    Parameters
    ----------
    full : bool
        MNIST instead of the digits, where no `data` are given.
    data : optional
        Images, as `dynsim.networks.Experiment` takes them.

    Examples
    --------
    >>> full_size(False), full_size(True)["data"], full_size(True, "digits")
    ({}, 'mnist', {'data': 'digits'})
    """
    if data is None and not full:
        return {}
    if data is not None and not (isinstance(data, str) and data == "mnist"):
        return {"data": data}
    recipe = {"rotation": 15.0, "scale": 0.15, "shift": 3.0, "contrast": 0.3, "noise": 0.1, "erasing": 10.0}
    return {"data": "mnist", "augmentation": recipe}


def seed_count(given: int | None, full: bool, usual: int = 5) -> int:
    """As many seeds as the caller asks for, else ten in full, else the usual number.

    Examples
    --------
    >>> seed_count(None, False), seed_count(None, True), seed_count(2, True)
    (5, 10, 2)
    """
    if given is not None:
        return given
    return FULL_SEEDS if full else usual


def hidden_layer(full: bool = False, data: Any = None, **changes: Any) -> Experiment:
    """The network with hidden layer, batch normalisation, MLP predictor and cosine loss; in full on MNIST.

    Examples
    --------
    >>> hidden_layer().data, hidden_layer(full=True).data
    ('digits', 'mnist')
    """
    from dynsim.networks import Experiment

    return Experiment(**full_size(full, data), **changes)


def images_of(data: xr.Dataset) -> str:
    """What the networks behind a figure were trained on, as its caption calls it.

    Examples
    --------
    >>> import xarray as xr
    >>> images_of(xr.Dataset(attrs={"experiment": '{"data": "digits"}'}))
    'digits'
    """
    name = str(provenance(data).get("experiment", {}).get("data", "images"))
    return "own images" if name.startswith("sha256:") else name


def refuse_branch(fields: Mapping[str, Any]) -> None:
    """Refuse a branch where a figure shows all of them.

    Raises
    ------
    InvalidValue
        There is one among the fields.
    """
    if "branch" in fields:
        raise bad("branch", fields["branch"], "none", "this figure shows all three branches")


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
