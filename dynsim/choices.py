"""The words that arguments take where these are a fixed few, for type checkers and editors.

Tests hold them to the tables. What a user registered under a name of its own is passed with ``# type: ignore`` under a
strict checker, or, of encoders and predictors, as a function.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "Branch",
    "EncoderName",
    "EngineName",
    "FlowOptimiser",
    "Initialisation",
    "NetworkOptimiser",
    "NoiseMethod",
    "Norm",
    "PredictorName",
    "Solver",
]

Branch = Literal["stop", "full", "target"]
Solver = Literal["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA", "compiled"]
EngineName = Literal["auto", "compiled", "scipy", "exact"]
NoiseMethod = Literal["auto", "euler-maruyama", "weak-2", "minibatch"]
FlowOptimiser = Literal[
    "gd",
    "momentum",
    "nesterov",
    "rmsprop",
    "adam",
    "sign",
    "newton",
    "gauss-newton",
    "simultaneous",
    "alternating",
    "alternating-minimisation",
]
NetworkOptimiser = Literal["sgd", "adam", "adamw", "sign", "lbfgs"]
EncoderName = Literal["linear", "mlp", "mlp-tanh", "cnn"]
PredictorName = Literal["none", "linear", "fixed", "mlp", "optimal"]
ObjectiveName = Literal[
    "cosine",
    "squared",
    "xbar",
    "alternating",
    "nt-xent",
    "barlow",
    "supervised",
    "vicreg",
    "barlow-simon",
    "spectral",
    "infonce",
    "lejepa",
    "dino",
]
Norm = Literal["none", "batch", "batch-out", "batch-affine", "layer", "layer-out"]
Initialisation = Literal["default", "orthogonal", "zero", "identity"]
