"""The user's own run: what it records while it trains, and what has happened to it.

`Monitor` is called once per step of a plain training loop, `attach` listens to a model by forward hooks,
`LightningMonitor` is a callback of Lightning's Trainer. All give a Dataset that `dynsim.diagnose` and `dynsim.draw`
take. Importing this package imports no torch.

Examples
--------
>>> import numpy as np
>>> from dynsim import monitor
>>> m = monitor.Monitor(every=10)
>>> z = np.random.default_rng(0).normal(size=(100, 8))
>>> sorted(m.record(0, z))[:3], m.record(5, z)
(['alpha_req', 'dead_share', 'mean_share'], None)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# public name -> module that defines it
_HOME = {"LightningMonitor": "lightning_callback", "Monitor": "recording", "attach": "hooks"}

__all__ = ["LightningMonitor", "Monitor", "attach"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dynsim.monitor' has no attribute {name!r}")
    value = getattr(import_module(f"dynsim.monitor.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
