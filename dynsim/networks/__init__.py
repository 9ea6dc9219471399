"""The same flows on real networks: data, augmentations, encoders, predictors, objectives, training, measures.

Importing this package imports no torch; the first name that needs it does.

Examples
--------
>>> from dynsim import networks
>>> experiment = networks.Experiment(branch="full", steps=20)
>>> experiment.encoder, experiment.branch
('mlp', 'full')
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dynsim.errors import missing_extra

# public name -> module that defines it; no public function shares its name with a module of this package.
_HOME = {
    "Experiment": "experiment",
    "Images": "images",
    "deep_image_prior": "image_prior",
    "fit": "training",
    "flow": "network_flow",
    "initial_state": "network_flow",
    "photograph": "datasets",
    "second_moments": "view_moments",
    "train": "training",
}
_WITHOUT_TORCH = {"Experiment", "Images", "measures", "photograph"}

__all__ = [
    "Experiment",
    "Images",
    "deep_image_prior",
    "fit",
    "flow",
    "initial_state",
    "measures",
    "photograph",
    "second_moments",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dynsim.networks' has no attribute {name!r}")
    if name not in _WITHOUT_TORCH and find_spec("torch") is None:
        raise missing_extra("torch", "networks", "real networks")
    if name == "measures":
        return import_module("dynsim.networks.measures")
    value = getattr(import_module(f"dynsim.networks.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
