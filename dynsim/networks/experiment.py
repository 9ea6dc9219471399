"""Experiment: everything that defines a training run, as one immutable value that round-trips to text."""

from __future__ import annotations

import hashlib
import json
import tomllib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any

from dynsim.errors import InvalidType, bad
from dynsim.networks.experiment_fields import DIGITS_AUGMENTATION, MEASURES, ExperimentFields
from dynsim.networks.experiment_text import (
    RENAMED,
    as_html,
    as_name,
    as_text,
    refuse_functions,
    renamed,
    toml,
    unknown_field,
)
from dynsim.networks.images import Images
from dynsim.networks.validation import RULES, check_together

__all__ = ["DIGITS_AUGMENTATION", "Experiment"]


@dataclass(frozen=True)
class Experiment(ExperimentFields):
    """A self-supervised training run; every field is checked when it is made.

    The names are those of the toy: `alpha` multiplies the predictor's learning rate, `eta_p` and `eta_s` are the
    weight decays of predictor and encoder per unit of flow time (torch's ``weight_decay`` is `eta_s` for the
    encoder and `eta_p`/`alpha` for the predictor, whose learning rate is `alpha`·`lr`).

    `lr`, `teacher`, `alpha`, `eta_p`, `eta_s` and `temperature` may be text that gives a number at every step: an
    expression in step, steps and, but for `lr`, the flow time t, with cosine(a, b) and linear(a, b) from 0 to steps
    and warmup(n) = min(1, step/n), such as ``lr="warmup(50)*cosine(0.1, 0)"``.

    Parameters
    ----------
    data : str, Images, array, tensor or (images, labels)
        ``digits``, ``mnist``, the path of an ``.npz`` or of a folder of images, with or without one folder per class.
        A torch Dataset or DataLoader is read once into memory.
    augmentation : mapping or function
        Strength of each augmentation; 0 is none. rotation: degrees; scale, contrast: fraction; shift, erasing:
        pixels; noise: standard deviation. Or a function of a batch of images (batch, channels, height, width) that
        returns one view of each.
    encoder, norm, init : str
        ``linear``, ``mlp``, ``mlp-tanh``, ``cnn``; ``none``, ``batch`` (between the layers), ``batch-out`` (at the
        output too), ``batch-affine`` (there with scale and shift), ``layer``, ``layer-out``; ``default``,
        ``orthogonal``, ``zero``, ``identity``. An own encoder is a function without arguments that makes an nn.Module
        from (batch, channels, height, width) to (batch, dim); `norm`, `init`, `dim`, … are not for it.
    predictor : str
        ``none``, ``linear``, ``fixed``, ``mlp``, ``optimal``, or a function that makes an nn.Module from (batch, dim).
    objective : str
        ``cosine``, ``squared``, ``xbar``, ``alternating``, ``nt-xent``, ``barlow``, ``supervised``, ``vicreg``,
        ``barlow-simon``, ``spectral``, ``infonce``, ``lejepa``, ``dino``; or a loss as text (no bare word),
        such as ``"sq(p1 - sg(z2))/2"``, see `dynsim.networks.text_objective`. One without p1 and p2 has no predictor.
    branch : str
        ``stop``, ``full``, ``target``: which of the encoder's two gradient branches act.
    symmetric : bool
        Average the loss over the two orders of the views.
    teacher : float
        Coefficient m of the moving average ξ ← mξ + (1−m)θ that makes the targets; 0 is SimSiam, 1 a frozen teacher.
    optimiser, lr, momentum, schedule : str, float, float, str
        ``sgd``, ``adam``, ``adamw``, ``sign``, ``lbfgs``; `momentum` is sgd's, and β1 of Adam; schedule ``constant``
        or ``cosine``.
    alpha, eta_p, eta_s : float
        Learning-rate ratio of the predictor; weight decay of predictor and encoder per unit of flow time.
    steps, batch : int
        Gradient steps; images per step (all of them where there are fewer), or ``"full"`` for the deterministic full
        batch of the network's flow.
    dtype : str
        ``float32`` or ``float64``.
    measures, every : tuple of str, int
        What is recorded, and every how many steps: names in `dynsim.networks.measures.MEASURES`, such as ``spread``,
        ``rankme``, ``participation``, ``norm_ratio``, ``knn``, ``probe``, ``lidar``, ``alpha_req``, ``noise_share``,
        ``relative_speed_ratio``, ``loss_share``, ``balance``, ``teacher_distance``. An own one is a named function of
        the features (N, dim) of one seed, as a NumPy array, that returns a number.
    dim, depth, width, bias
        Of the encoder: features, layers, hidden units or channels, biases; None for the family's usual.
    init_scale : float
        Factor on the encoder's initial weights.
    predictor_norm, predictor_width, predictor_init, predictor_scale
        The same for the predictor; ``predictor_init="identity", predictor_scale=-1`` starts it at −1.
    ridge : float
        Of the optimal predictor, relative to the mean square of a feature.
    teacher_init : str
        ``copy`` of the encoder, ``random`` (another initialisation) or ``zero`` (cold).
    distance : str
        ``squared`` or ``cosine``, for objectives ``xbar`` and ``alternating``.
    views : int
        Views per image; with ``alternating`` the targets average `views` − 1 of them.
    alternating_steps : int
        Steps for which the targets of ``alternating`` are held.
    temperature, redundancy : float
        Of NT-Xent; of Barlow Twins.
    knobs : mapping
        Values of all other names in a text, or of a named objective's knobs: numbers, or text as for `lr`.
    prototypes : int
        K unit vectors whose products with the normalised encoder outputs are the scores s1 s2; None is 64.
    centre_momentum : float
        m of the running mean c ← mc + (1 − m)·mean(t1, t2), which starts at 0 and moves after a step; None is 0.9.
    strength : float
        Factor on all strengths of `augmentation`.
    subtract_mean : bool
        Subtract the mean training image.
    head : bool
        Also record what is measured of features behind the predictor, as ``spread_head`` and so on.
    decay_biases : bool
        Whether biases and the scales and shifts of normalisations decay like the weights.
    images : int
        Use only the first so many training images.
    fixed_views : int
        Pairs of views per image in a full batch.
    evaluate : int
        Largest number of training images, and of test images, that measures look at.
    deterministic : bool
        Ask torch for deterministic algorithms while training.

    Raises
    ------
    InvalidValue, InvalidType, UnknownName
        For a field that cannot be used, alone or with the others.

    See Also
    --------
    train : run it.

    Examples
    --------
    >>> from dynsim.networks import Experiment
    >>> experiment = Experiment(encoder="linear", predictor="linear", objective="squared", lr=0.02)
    >>> Experiment.from_toml(experiment.to_toml()) == experiment
    True
    >>> Experiment(branch="full", lr=0.05)
    Experiment(branch='full', lr=0.05)
    >>> Experiment(branch="fulll")
    Traceback (most recent call last):
        ...
    dynsim.errors.UnknownName: branch: got 'fulll', expected one of full, stop, target; did you mean 'full'?
    """

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            object.__setattr__(self, name, rule(name, getattr(self, name)))
        check_together(self)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Experiment) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return as_text(self.changed)

    def _repr_html_(self) -> str:
        return as_html(self.changed, _defaults())

    @property
    def changed(self) -> dict[str, Any]:
        """Fields that differ from their defaults."""
        usual, plain = _defaults(), self.to_dict()
        return {item.name: plain.get(item.name) for item in fields(self) if plain.get(item.name) != usual[item.name]}

    @property
    def measure_every(self) -> int:
        """Old name of `every`."""
        _warn("measure_every", stacklevel=3)
        return self.every

    @property
    def centre(self) -> bool:
        """Old name of `subtract_mean`."""
        _warn("centre", stacklevel=3)
        return self.subtract_mean

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        if isinstance(self.augmentation, Mapping):
            values["augmentation"] = dict(self.augmentation)
        values["knobs"] = dict(self.knobs)
        return _made, (values,)

    @property
    def digest(self) -> str:
        """SHA-256 of the fields, in hexadecimal; equal experiments have equal digests on every machine."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Fields as plain data without those that are None; data in memory appear as their digest."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["augmentation"] = (
            dict(self.augmentation) if isinstance(self.augmentation, Mapping) else self.augmentation
        )
        plain["knobs"] = dict(self.knobs) or None
        plain["measures"] = [as_name(measure) for measure in self.measures]
        plain |= {name: as_name(plain[name]) for name in ("encoder", "predictor", "augmentation")}
        if isinstance(self.data, Images):
            plain["data"] = f"sha256:{self.data.digest}"
        return {name: value for name, value in plain.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """Inverse of `to_dict`; fields that are left out have their defaults, names of 0.1 are read.

        Raises
        ------
        UnknownName
            For a key that is no field.
        """
        values = renamed(values)
        _check_names(values)
        refuse_functions(values)
        if str(values.get("data", "")).startswith("sha256:"):
            raise bad("data", values["data"], "a name or a path", "save data that live in memory as .npz first")
        return cls(**values)

    def to_toml(self) -> str:
        """Text that `from_toml` reads back."""
        return toml(self.to_dict())

    def to_json(self) -> str:
        """Text that `from_json` reads back."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_toml(cls, text: str) -> Experiment:
        """Experiment of a TOML text."""
        try:
            return cls.from_dict(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise bad("experiment", text, "TOML", str(error)) from None

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """Experiment of a JSON text."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise bad("experiment", text, "JSON", str(error)) from None
        if not isinstance(values, dict):
            raise bad("experiment", text, "a JSON object")
        return cls.from_dict(values)

    def save(self, path: str | Path) -> Path:
        """Write a ``.toml`` or ``.json`` file and return its path."""
        path = Path(path)
        text = self.to_json() if _is_json(path) else self.to_toml()
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise bad("path", str(path), "a file that can be written", str(error)) from None
        return path

    @classmethod
    def load(cls, path: str | Path) -> Experiment:
        """Read a ``.toml`` or ``.json`` file."""
        path = Path(path)
        json_file = _is_json(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise bad("path", str(path), "a readable .toml or .json file", str(error)) from None
        return cls.from_json(text) if json_file else cls.from_toml(text)

    def but(self, **changes: Any) -> Experiment:
        """The same experiment with some fields changed.

        Raises
        ------
        UnknownName
            For a name that is no field.

        Examples
        --------
        >>> from dynsim.networks import Experiment
        >>> Experiment().but(branch="full").branch
        'full'
        """
        return replace(self, **_todays(changes, stacklevel=3))


def _check_names(values: Mapping[str, Any]) -> None:
    known = [item.name for item in fields(Experiment)]
    for name in values:
        if name not in known:
            raise unknown_field(name, known)


def _defaults() -> dict[str, Any]:
    """Plain data of the defaults."""
    made = {item.name: item.default if item.default is not MISSING else None for item in fields(Experiment)}
    return made | {"augmentation": dict(DIGITS_AUGMENTATION), "measures": list(MEASURES), "knobs": None}


def _warn(old: str, stacklevel: int) -> None:
    warnings.warn(f"Experiment: '{old}' is now called '{RENAMED[old]}'", DeprecationWarning, stacklevel=stacklevel + 1)


def _todays(values: dict[str, Any], stacklevel: int) -> dict[str, Any]:
    """Keywords by today's names, with a warning for each old one; unknown ones are refused."""
    for old in RENAMED.keys() & values.keys():
        _warn(old, stacklevel + 1)
        if RENAMED[old] in values:
            raise bad(old, values[old], f"only '{RENAMED[old]}', which is its new name", kind=InvalidType)
    values = renamed(values)
    _check_names(values)
    return values


def _reading_names(init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def __init__(self: Experiment, *args: Any, **values: Any) -> None:
        init(self, *args, **_todays(values, stacklevel=3))

    return __init__


# The signature stays that of the fields; what is called with another name gets an answer and no bare TypeError.
Experiment.__init__ = _reading_names(Experiment.__init__)  # type: ignore[method-assign]


def _made(values: dict[str, Any]) -> Experiment:
    return Experiment(**renamed(values))


def _is_json(path: Path) -> bool:
    if path.suffix not in {".toml", ".json"}:
        raise bad("path", str(path), "a name that ends in .toml or .json")
    return path.suffix == ".json"
