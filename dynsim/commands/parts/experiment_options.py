"""An Experiment on the command line: a file, and one option for every field."""

from __future__ import annotations

import argparse

from dynsim.commands.parts.experiment_fields import experiment_fields

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
    """One option for every field of an Experiment, grouped and explained as its docstring does."""
    for heading, text, fields in experiment_fields():
        group = parser.add_argument_group(heading.replace("_", "-"), text.replace("%", "%%"))
        for name, annotation, default in fields:
            _add(group, name, annotation, default)


def experiment_of(args: argparse.Namespace) -> Any:
    """Return the experiment that the command describes: of its file, with what the options change."""
    from dynsim.commands.parts.arguments import assignments
    from dynsim.networks import Experiment

    given = {
        name: getattr(args, f"field_{name}")
        for _, _, fields in experiment_fields()
        for name, _, _ in fields
        if getattr(args, f"field_{name}") is not None
    }
    if "augmentation" in given:
        texts = [text for text in given["augmentation"] if text != "none"]
        given["augmentation"] = assignments("--augmentation", texts)
    if args.config is None:
        return Experiment(**given)
    return Experiment.load(args.config).but(**given)


def _add(group: Any, name: str, annotation: str, default: Any) -> None:
    """Add the option of one field; what is not given stays as the experiment has it."""
    option, shown = f"--{name.replace('_', '-')}", _shown(default)
    settings: dict[str, Any] = {"dest": f"field_{name}", "default": None, "help": shown}
    if annotation.startswith("bool"):
        settings["action"] = argparse.BooleanOptionalAction
    elif annotation.startswith("Mapping"):
        settings |= {"action": "append", "metavar": "NAME=VALUE,…", "help": f"or 'none'; {shown}"}
    elif annotation.startswith("tuple"):
        settings |= {"type": _names, "metavar": "NAMES"}
    elif annotation == "int | str":
        settings |= {"type": _whole_or_word, "metavar": "N|WORD"}
    elif annotation.startswith("int"):
        settings |= {"type": int, "metavar": "N"}
    elif annotation.startswith("float"):
        settings |= {"type": float, "metavar": "X"}
    else:
        settings["metavar"] = "NAME"
    group.add_argument(option, **settings)


def _shown(default: Any) -> str:
    if default is None:
        return "default: the usual"
    if isinstance(default, dict):
        return "default: " + ",".join(f"{name}={value:g}" for name, value in default.items())
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


def _whole_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdigit() else text
