"""The fields of an Experiment: name, type, default, and what a command line says of each. Imports nothing heavy."""

# ruff: noqa: RUF009 — `_in` returns a dataclasses.field
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dynsim.choices import Branch, EncoderName, Initialisation, NetworkOptimiser, Norm, ObjectiveName, PredictorName

__all__ = ["DIGITS_AUGMENTATION", "MEASURES", "ExperimentFields"]

# Degrees, fraction, pixels, fraction, standard deviation, side of the erased square in pixels.
DIGITS_AUGMENTATION: Mapping[str, float] = {
    "rotation": 15.0, "scale": 0.15, "shift": 1.0, "contrast": 0.3, "noise": 0.1, "erasing": 3.0,
}  # fmt: skip

MEASURES = (
    "spread", "rankme", "participation", "norm_ratio", "knn", "probe", "relative_speed_ratio", "absolute_speed_ratio",
)  # fmt: skip


def _in(group: str, text: str, default: Any = None, *, make: Callable[[], Any] | None = None) -> Any:
    """A field of a group, with one line of help."""
    metadata = {"group": group, "help": text}
    return field(default_factory=make, metadata=metadata) if make else field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ExperimentFields:
    """What an `Experiment` holds, without its checks; ``metadata`` of each field has its group and a line of help.

    Examples
    --------
    >>> from dataclasses import fields
    >>> from dynsim.networks.experiment_fields import ExperimentFields
    >>> steps = next(item for item in fields(ExperimentFields) if item.name == "steps")
    >>> steps.metadata["group"], steps.metadata["help"], steps.default
    ('training', 'gradient steps', 300)
    """

    data: Any = _in("data", "digits, mnist, an .npz, or a folder of images", "digits")
    augmentation: Mapping[str, float] | Callable[[Any], Any] = _in(
        "data", "strength of each augmentation; or 'none'", make=lambda: DIGITS_AUGMENTATION
    )
    encoder: EncoderName | Callable[..., Any] = _in("encoder", "linear, mlp, mlp-tanh or cnn", "mlp")
    norm: Norm = _in("encoder", "none, batch, batch-out, batch-affine, layer or layer-out", "batch")
    init: Initialisation = _in("encoder", "default, orthogonal, zero or identity", "default")
    predictor: PredictorName | Callable[..., Any] = _in("predictor", "none, linear, fixed, mlp or optimal", "mlp")
    objective: ObjectiveName | str = _in(
        "objective", "a named objective, or a loss as text such as 'sq(p1 - sg(z2))/2'", "cosine"
    )
    branch: Branch = _in("objective", "stop, full or target: which gradient branches of the encoder act", "stop")
    symmetric: bool = _in("objective", "average the loss over the two orders of the views", True)
    teacher: float | str = _in("teacher", "m of the moving average; 0 is SimSiam, 1 a frozen teacher", 0.0)
    optimiser: NetworkOptimiser = _in("training", "sgd, adam, adamw, sign or lbfgs", "sgd")
    lr: float | str = _in("training", "learning rate, a number or text such as 'cosine(0.1, 0)'", 0.1)
    momentum: float = _in("training", "of sgd; beta_1 of Adam", 0.9)
    alpha: float | str = _in("training", "factor on the predictor's learning rate", 1.0)
    eta_p: float | str = _in("training", "weight decay of the predictor per unit of flow time", 0.0)
    eta_s: float | str = _in("training", "weight decay of the encoder per unit of flow time", 0.0)
    steps: int = _in("training", "gradient steps", 300)
    batch: int | str = _in("training", "images per step, or 'full' for the deterministic full batch", 64)
    dtype: Literal["float32", "float64"] = _in("training", "float32 or float64", "float32")
    measures: tuple[Any, ...] = _in("measuring", "what is recorded, by name", MEASURES)
    every: int = _in("measuring", "steps between two records", 10)
    dim: int = _in("encoder", "number of features", 32)
    depth: int | None = _in("encoder", "number of layers")
    width: int | None = _in("encoder", "hidden units or channels")
    bias: bool | None = _in("encoder", "whether its layers have biases")
    init_scale: float = _in("encoder", "factor on its initial weights", 1.0)
    predictor_norm: Norm = _in("predictor", "as --norm", "batch")
    predictor_width: int | None = _in("predictor", "hidden units")
    predictor_init: Initialisation = _in("predictor", "as --init", "default")
    predictor_scale: float = _in("predictor", "factor on its initial weights; -1 with identity starts at -1", 1.0)
    ridge: float = _in("predictor", "of the optimal predictor, relative to the mean square of a feature", 1e-3)
    teacher_init: Literal["copy", "random", "zero"] = _in("teacher", "copy of the encoder, random or zero", "copy")
    distance: Literal["squared", "cosine"] = _in("objective", "squared or cosine, for xbar and alternating", "squared")
    views: int = _in("data", "views per image", 2)
    alternating_steps: int = _in("objective", "steps for which the targets of alternating are held", 1)
    temperature: float | str = _in("objective", "of nt-xent", 0.5)
    redundancy: float = _in("objective", "of barlow", 5e-3)
    knobs: Mapping[str, Any] = _in("objective", "values of all other names in a text, or 'none'", make=dict)
    prototypes: int | None = _in("objective", "number of unit vectors whose products are the scores s1 s2")
    centre_momentum: float | None = _in("objective", "m of the running mean of the teacher's outputs")
    schedule: Literal["constant", "cosine"] = _in("training", "constant or cosine", "constant")
    strength: float = _in("data", "factor on all strengths of --augmentation", 1.0)
    subtract_mean: bool = _in("data", "subtract the mean training image", True)
    decay_biases: bool = _in("training", "let biases, scales and shifts decay like the weights", True)
    head: bool = _in("measuring", "also measure features behind the predictor", False)
    images: int | None = _in("data", "use only the first so many training images")
    fixed_views: int = _in("data", "pairs of views per image in a full batch", 4)
    evaluate: int = _in("measuring", "largest number of training images, and of test images, that are measured", 1000)
    deterministic: bool = _in("training", "ask torch for deterministic algorithms", True)

    @property
    def strengths(self) -> dict[str, float]:
        """Strength of every augmentation that acts, `strength` included."""
        if not isinstance(self.augmentation, Mapping):
            return {}
        scaled = {name: value * self.strength for name, value in self.augmentation.items()}
        return {name: value for name, value in scaled.items() if value > 0}
