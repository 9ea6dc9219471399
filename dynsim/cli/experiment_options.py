"""An Experiment on the command line: a file, and one option for every field."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_config", "add_fields", "experiment_of"]


def add_config(parser: argparse.ArgumentParser) -> None:
    """CONFIG and --seeds."""
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", help="experiment as .toml or .json; options override it"
    )
    parser.add_argument("--seeds", type=_seeds, default=3, metavar="N|LIST", help="5, or 0,3,7; default: 3")


def add_fields(parser: argparse.ArgumentParser) -> None:
    """One option for every field of an Experiment, in the groups and with the help of the fields' metadata."""
    from dataclasses import fields

    from dynsim.networks.experiment_fields import ExperimentFields

    groups: dict[str, Any] = {}
    for item in fields(ExperimentFields):
        name = item.metadata["group"]
        if name not in groups:
            groups[name] = parser.add_argument_group(name)
        _add(groups[name], item)


def experiment_of(args: argparse.Namespace) -> Any:
    """Return the experiment that the command describes: of its file, with what the options change."""
    from dataclasses import fields

    from dynsim.cli.arguments import assignments, named_texts
    from dynsim.networks import Experiment

    values = {item.name: getattr(args, f"field_{item.name}") for item in fields(Experiment)}
    given = {name: value for name, value in values.items() if value is not None}
    if "augmentation" in given:
        texts = [text for text in given["augmentation"] if text != "none"]
        given["augmentation"] = assignments("--augmentation", texts)
    if "knobs" in given:
        given["knobs"] = {
            name: _knob(text) for name, text in named_texts("--knobs", given["knobs"], "tau=0.1").items()
        }
    if args.config is None:
        return Experiment(**given)
    return Experiment.load(args.config).but(**given)


def _knob(text: str) -> float | str:
    """A number where the text is one, else the text: an expression in step, steps and t."""
    from dynsim.errors import ParseError
    from dynsim.symbolic.parser import parse

    try:
        value = parse(text)
    except ParseError:  # schedules have functions of their own; the experiment says what is wrong with the others
        return text
    return float(value) if value.is_number and value.is_finite and value.is_real else text


def _add(group: Any, item: Any) -> None:
    """Add the option of one field; what is not given stays as the experiment has it."""
    annotation, default = str(item.type), item.default_factory() if callable(item.default_factory) else item.default
    told = f"{item.metadata['help']}; {_shown(default)}".replace("%", "%%")
    settings: dict[str, Any] = {"dest": f"field_{item.name}", "default": None, "help": told}
    if annotation.startswith("bool"):
        settings["action"] = argparse.BooleanOptionalAction
    elif annotation.startswith("Mapping"):
        settings |= {"action": "append", "metavar": "NAME=VALUE,…"}
    elif annotation.startswith("tuple"):
        settings |= {"type": _names, "metavar": "NAMES"}
    elif annotation == "int | str":
        settings |= {"type": _whole_or_word, "metavar": "N|WORD"}
    elif annotation.startswith("int"):
        settings |= {"type": int, "metavar": "N"}
    elif annotation == "float | str":
        settings |= {"type": _number_or_text, "metavar": "X|TEXT"}
    elif annotation.startswith("float"):
        settings |= {"type": float, "metavar": "X"}
    else:
        settings["metavar"] = "NAME"
    group.add_argument(f"--{item.name.replace('_', '-')}", **settings)


def _shown(default: Any) -> str:
    if default is None:
        return "default: the usual"
    if isinstance(default, dict):
        return (
            "default: none"
            if not default
            else "default: " + ",".join(f"{name}={value:g}" for name, value in default.items())
        )
    if isinstance(default, tuple):
        return "default: " + ",".join(default)
    return f"default: {default:g}" if isinstance(default, float) else f"default: {default}"


def _seeds(text: str) -> int | list[int]:
    try:
        return [int(word) for word in text.split(",") if word.strip()] if "," in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got '{text}', expected a number of seeds or a list such as 0,3,7") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _whole_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdigit() else text
