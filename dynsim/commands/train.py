"""Train a network with several seeds and print what was measured, or write it to a file."""

from __future__ import annotations

import argparse

from dynsim.commands.parts.experiment_fields import experiment_fields
from dynsim.errors import bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import xarray


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim train`: its own, and one for every field of an Experiment."""
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", help="experiment as .toml or .json; options override it"
    )
    parser.add_argument("--seeds", type=_seeds, default=3, metavar="N|LIST", help="5, or 0,3,7; default: 3")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: cpu")
    parser.add_argument("--checkpoint", metavar="FILE", help="save the run there on the way, and go on from it")
    parser.add_argument("--out", metavar="FILE", help="write every seed and step to FILE.nc")
    parser.add_argument("--save-config", metavar="FILE", help="write the experiment to FILE.toml or FILE.json")
    parser.add_argument("--rows", type=int, default=11, help="rows of the printed table; default: 11")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    for heading, text, fields in experiment_fields():
        group = parser.add_argument_group(heading.replace("_", "-"), text.replace("%", "%%"))
        for name, annotation, default in fields:
            _add(group, name, annotation, default)


def run(args: argparse.Namespace) -> int:
    """Train, then print or write."""
    from dynsim.commands.parts.output import print_json, rows_of
    from dynsim.commands.parts.progress import reporter
    from dynsim.networks import train
    from dynsim.records import provenance
    from dynsim.table import Table

    if args.rows < 2:
        raise bad("--rows", args.rows, "at least 2")
    _check_out(args.out)
    experiment = _experiment(args)
    if args.save_config:
        experiment.save(args.save_config)
    with reporter("train") as progress:
        data = train(experiment, args.seeds, device=args.device, checkpoint=args.checkpoint, progress=progress)
    if args.out:
        from dynsim.experiments.parts.stored import save_dataset

        print(save_dataset(data, args.out))
        return 0
    mean = data[_measured(data)].mean("seed", skipna=True)
    if args.json:
        last = {name: data[name].isel(step=-1).values.tolist() for name in mean.data_vars}
        print_json({"rows": rows_of(mean, args.rows), "last": last, "provenance": provenance(data)})
        return 0
    print(Table(rows_of(mean, args.rows)))
    print(f"means over {data.sizes['seed']} seeds")
    for seed, stopped in zip(data["seed"].values, data["stopped_step"].values, strict=True):
        if stopped >= 0:
            print(f"seed {seed}: numbers no longer finite at step {stopped}")
    return 0


def _experiment(args: argparse.Namespace) -> Any:
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
    return [int(word) for word in text.split(",") if word.strip()] if "," in text else int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _whole_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdigit() else text


def _check_out(path: str | None) -> None:
    """Refuse a file that cannot be written before any training is done."""
    if path is None:
        return
    from pathlib import Path

    if Path(path).suffix != ".nc":
        raise bad("--out", path, "a name that ends in .nc", "seeds × steps do not fit a flat table")
    if not Path(path).parent.is_dir():
        raise bad("--out", path, "a file in an existing folder")


def _measured(data: xarray.Dataset) -> list[str]:
    return [str(name) for name in data.data_vars if data[name].dims == ("seed", "step")]
