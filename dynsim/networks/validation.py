"""What each field of an `Experiment` accepts, and which fields exclude each other."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Mapping, Set
from math import inf, isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dynsim.arguments import a_number, a_word
from dynsim.errors import InvalidType, bad, unknown
from dynsim.integrate.schedules import Schedule
from dynsim.names import letter_name
from dynsim.networks.experiment_fields import ExperimentFields
from dynsim.networks.images import DATASETS, Images
from dynsim.networks.objectives import Objective, objective_of
from dynsim.networks.schedules import scheduled, values_of
from dynsim.networks.text_objective import check_size
from dynsim.registry import registry

__all__ = ["RULES", "check_together"]

Rule = Callable[[str, Any], Any]

NORMS = ("none", "batch", "batch-out", "batch-affine", "layer", "layer-out")


def _number(at_least: float = -inf, *, above: float = -inf, below: float = inf, at_most: float = inf) -> Rule:
    bounds = [
        text.format(value)
        for text, value in (
            ("≥ {:g}", at_least),
            ("> {:g}", above),
            ("≤ {:g}", at_most),
            ("< {:g}", below),
        )
        if isfinite(value)
    ]
    expected = " ".join(["a finite number", " and ".join(bounds)]).strip()

    def rule(name: str, value: Any) -> float:
        number = a_number(name, value, expected)
        if not (at_least <= number <= at_most and above < number < below):
            raise bad(name, value, expected)
        return number

    return rule


def _or_schedule(rule: Rule) -> Rule:
    """A number, or text that gives one at every step, which `check_together` looks at."""

    def checked(name: str, value: Any) -> Any:
        if isinstance(value, str):
            if name == "lr" and Schedule(value).depends_on_time:
                raise bad(name, value, "text in step and steps", "the flow time is made of the learning rate")
            schedule = Schedule(value)
            return value if schedule.changes else rule(name, schedule.at(0, 1))
        return rule(name, value)

    return checked


def _whole(at_least: int, *, or_none: bool = False, or_text: str = "") -> Rule:
    more = " or None" if or_none else f" or '{or_text}'" if or_text else ""
    expected = f"a whole number ≥ {at_least}{more}"

    def rule(name: str, value: Any) -> Any:
        if (or_none and value is None) or (or_text and isinstance(value, str) and value == or_text):
            return value
        if isinstance(value, bool):
            raise bad(name, value, expected, kind=InvalidType)
        try:
            number = operator.index(value)
        except TypeError:
            raise bad(name, value, expected, kind=InvalidType) from None
        if number < at_least:
            raise bad(name, value, expected)
        return number

    return rule


def _choice(*choices: str) -> Rule:
    def rule(name: str, value: Any) -> str:
        return a_word(name, value, choices)

    return rule


def _member(kind: str, *, own: bool = False) -> Rule:
    def rule(name: str, value: Any) -> Any:
        table = registry(kind)
        if own and hasattr(value, "named_parameters") and not isinstance(value, type):
            advice = "every seed starts from weights of its own: lambda: MyModule()"
            raise bad(name, type(value).__name__, "a function that makes a module", advice, kind=InvalidType)
        if own and callable(value):
            return value
        if not isinstance(value, str) or value not in table:
            raise unknown(name, value, tuple(table))
        return value

    return rule


def _truth(*, or_none: bool = False) -> Rule:
    def rule(name: str, value: Any) -> bool | None:
        if isinstance(value, bool) or (or_none and value is None):
            return value
        raise bad(name, value, f"True{', None' if or_none else ''} or False", kind=InvalidType)

    return rule


def _data(name: str, value: Any) -> str | Images:
    if isinstance(value, Images):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        if value not in DATASETS and not set(value) & set("/\\.") and not Path(value).exists():
            raise unknown(name, value, tuple(DATASETS), "or the path of a folder of images or of an .npz file")
        return value
    if _is_torch_data(value):
        from dynsim.networks.datasets import images_of_torch_data

        return images_of_torch_data(value)
    if isinstance(value, tuple) and len(value) == 2:
        return Images.of(value[0], value[1])
    return Images.of(value)


def _is_torch_data(value: Any) -> bool:
    torch = sys.modules.get("torch")  # what is not imported cannot have made the value
    data = None if torch is None else torch.utils.data
    return data is not None and isinstance(value, data.Dataset | data.DataLoader)


def _augmentation(name: str, value: Any) -> Any:
    if callable(value):
        return value
    if not isinstance(value, Mapping):
        expected = "a mapping of augmentation to strength, such as {'noise': 0.1}"
        raise bad(name, value, expected, "an empty one for none", kind=InvalidType)
    table = registry("augmentation")
    for key in value:
        if key not in table:
            raise unknown(name, key, tuple(table))
    return MappingProxyType(
        {key: _number(0.0, below=table[key].below)(f"{name}[{key!r}]", value[key]) for key in sorted(value)}
    )


def _objective(name: str, value: Any) -> str:
    """A name or a text; `check_together` reads it with its knobs."""
    if not isinstance(value, str):
        raise bad(name, value, "the name of an objective, or a loss as text", kind=InvalidType)
    return value.strip()


def _knobs(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise bad(name, value, "a mapping of knobs to numbers, such as {'tau': 0.1}", kind=InvalidType)
    rule, checked = _or_schedule(_number()), {}
    for key in sorted(value, key=str):
        if not isinstance(key, str):
            raise bad(name, key, "the name of a knob", kind=InvalidType)
        plain = "".join(letter_name(letter) or letter for letter in key)  # as the text reads it
        checked[plain] = rule(f"{name}[{key!r}]", value[key])
    return MappingProxyType(checked)


def _or_none(rule: Rule) -> Rule:
    return lambda name, value: None if value is None else rule(name, value)


def _measures(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | Set | Mapping) or not hasattr(value, "__iter__"):  # a set has no order to hash
        raise bad(name, value, "a list of names of measures", kind=InvalidType)
    table = registry("measure")
    for measure in value:
        if callable(measure):
            if not getattr(measure, "__name__", "<").isidentifier():
                raise bad(name, measure, "a function with a name, which the variable gets", "write it with def")
        elif measure not in table:
            raise unknown(name, measure, tuple(table))
    return tuple(dict.fromkeys(value))


_NUMBERS: Mapping[str, Rule] = {
    "teacher": _number(0.0, at_most=1.0),
    "lr": _number(above=0.0),
    "alpha": _number(above=0.0),
    "eta_p": _number(0.0),
    "eta_s": _number(0.0),
    "temperature": _number(above=0.0),
}

RULES: Mapping[str, Rule] = {
    "data": _data,
    "augmentation": _augmentation,
    "encoder": _member("encoder", own=True),
    "norm": _choice(*NORMS),
    "init": _member("initialisation"),
    "predictor": _member("predictor", own=True),
    "objective": _objective,
    "knobs": _knobs,
    "prototypes": _whole(2, or_none=True),
    "centre_momentum": _or_none(_number(0.0, at_most=1.0)),
    "branch": _choice("stop", "full", "target"),
    "symmetric": _truth(),
    "teacher": _or_schedule(_NUMBERS["teacher"]),
    "optimiser": _member("network-optimiser"),
    "lr": _or_schedule(_NUMBERS["lr"]),
    "momentum": _number(0.0, below=1.0),
    "alpha": _or_schedule(_NUMBERS["alpha"]),
    "eta_p": _or_schedule(_NUMBERS["eta_p"]),
    "eta_s": _or_schedule(_NUMBERS["eta_s"]),
    "steps": _whole(0),
    "batch": _whole(2, or_text="full"),
    "dtype": _choice("float32", "float64"),
    "measures": _measures,
    "every": _whole(1),
    "dim": _whole(1),
    "depth": _whole(1, or_none=True),
    "width": _whole(1, or_none=True),
    "bias": _truth(or_none=True),
    "init_scale": _number(),
    "predictor_norm": _choice(*NORMS),
    "predictor_width": _whole(1, or_none=True),
    "predictor_init": _member("initialisation"),
    "predictor_scale": _number(),
    "ridge": _number(0.0),
    "teacher_init": _choice("copy", "random", "zero"),
    "distance": _choice("squared", "cosine"),
    "views": _whole(2),
    "alternating_steps": _whole(1),
    "temperature": _or_schedule(_NUMBERS["temperature"]),
    "redundancy": _number(0.0),
    "schedule": _choice("constant", "cosine"),
    "strength": _number(0.0),
    "subtract_mean": _truth(),
    "decay_biases": _truth(),
    "head": _truth(),
    "images": _whole(5, or_none=True),
    "fixed_views": _whole(1),
    "evaluate": _whole(5),
    "deterministic": _truth(),
}


def _check_schedules(experiment: ExperimentFields) -> None:
    """Raise where a scheduled number leaves its range at a step."""
    if isinstance(experiment.lr, str) and experiment.schedule != "constant":
        raise bad("schedule", experiment.schedule, "'constant' where lr is text", "write lr='cosine(0.1, 0)'")
    for name in scheduled(experiment):
        values = values_of(experiment, name)[: max(experiment.steps, 1)]
        least = 0.0 if name == "lr" else None  # a warm-up starts at 0
        for value in (values.min(), values.max()):
            if value != least:
                _NUMBERS[name](f"{name} = {getattr(experiment, name)}", float(value))


def _check_outputs(experiment: ExperimentFields, objective: Objective) -> None:
    """Raise where prototypes, centre and objective do not go together, or matrices do not fit into memory."""
    scores = bool(objective.symbols & {"s1", "s2"})
    if experiment.prototypes is not None and not scores:
        advice = "write s1 or s2 for their scores"
        raise bad("prototypes", experiment.prototypes, f"None with objective '{experiment.objective}'", advice)
    if experiment.centre_momentum is not None and "centre" not in objective.symbols:
        advice = "write centre for the running mean of the teacher's outputs"
        raise bad("centre_momentum", experiment.centre_momentum, f"None with '{experiment.objective}'", advice)
    if isinstance(experiment.batch, int):
        check_size(objective.matrices, 1, experiment.batch, max(experiment.dim, experiment.prototypes or 0))
    for value in experiment.knobs.values():
        if isinstance(value, str):
            Schedule(value).at(0, experiment.steps, 0.0)


def check_together(experiment: ExperimentFields) -> None:
    """Raise for fields that are fine alone but not together.

    Raises
    ------
    InvalidValue
        Naming the field to change and the one it clashes with.
    """
    objective = objective_of(experiment.objective, experiment.knobs)
    _check_outputs(experiment, objective)
    one_branch = objective.one_branch
    if one_branch and experiment.branch == "target":
        raise bad(
            "branch",
            "target",
            f"'stop' or 'full' with objective '{experiment.objective}'",
            "it has no stop-gradient, so there is no second branch",
        )
    if one_branch and experiment.predictor == "optimal":
        raise bad(
            "predictor",
            "optimal",
            f"another one with objective '{experiment.objective}'",
            "there is no target to regress on",
        )
    _check_schedules(experiment)
    has_teacher = isinstance(experiment.teacher, str) or experiment.teacher > 0
    held = has_teacher or experiment.objective == "alternating"
    if held and experiment.branch != "stop":
        why = "teacher > 0" if has_teacher else "objective 'alternating'"
        raise bad("branch", experiment.branch, f"'stop' with {why}", "its target does not move with the encoder")
    if held and not objective.has_teacher:
        advice = "write t1 or t2 for the teacher's outputs" if objective.symbols else "it has no target"
        raise bad("teacher", experiment.teacher, f"0 with objective '{experiment.objective}'", advice)
    if has_teacher and experiment.objective == "alternating":
        raise bad("teacher", experiment.teacher, "0 with objective 'alternating'", "its target is held already")
    if experiment.optimiser == "lbfgs" and experiment.batch != "full":
        raise bad("batch", experiment.batch, "'full' with optimiser 'lbfgs'", "curvature needs a fixed loss")
    if experiment.head and experiment.predictor in ("none", "optimal"):
        raise bad(
            "head", True, f"False with predictor '{experiment.predictor}'", "there is nothing behind it to measure"
        )
    if experiment.views != 2 and experiment.objective != "alternating":
        raise bad(
            "views", experiment.views, f"2 with objective '{experiment.objective}'", "only 'alternating' has more"
        )
    for name, strength in experiment.strengths.items():
        limit = registry("augmentation")[name].below
        if strength >= limit:
            raise bad("strength", experiment.strength, f"augmentation['{name}']·strength < {limit:g}")
