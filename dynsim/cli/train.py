"""Train a network with several seeds and print what was measured, or write it to a file."""

from __future__ import annotations

import argparse
from contextlib import suppress

from dynsim.cli.experiment_options import add_config, add_fields, experiment_of
from dynsim.errors import DynsimError, bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import xarray


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim train`: its own, and one for every field of an Experiment."""
    add_config(parser)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: cpu")
    parser.add_argument("--checkpoint", metavar="FILE", help="save the run there on the way, and go on from it")
    parser.add_argument("--out", metavar="FILE", help="write every seed and step to FILE.nc")
    parser.add_argument("--save-config", metavar="FILE", help="write the experiment to FILE.toml or FILE.json")
    parser.add_argument("--rows", type=int, default=11, help="rows of the printed table; default: 11")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    add_fields(parser)


def run(args: argparse.Namespace) -> int:
    """Train, then print or write."""
    from dynsim.cli.output import check_out, print_json, rows_of
    from dynsim.cli.progress_line import reporter
    from dynsim.networks import train
    from dynsim.records import provenance
    from dynsim.table import Table

    if args.rows < 2:
        raise bad("--rows", args.rows, "at least 2")
    check_out("--out", args.out, (".nc",))
    check_out("--save-config", args.save_config, (".toml", ".json"))
    experiment = experiment_of(args)
    if args.save_config:
        experiment.save(args.save_config)
    with reporter("train") as progress:
        data = train(experiment, args.seeds, device=args.device, checkpoint=args.checkpoint, progress=progress)
    if args.out:
        from dynsim.storage import save_dataset

        print(save_dataset(data, args.out))
        _tell_lost(data)
        return 0
    mean = data[_measured(data)].mean("seed", skipna=True)
    if args.json:
        last = {name: data[name].isel(step=-1).values.tolist() for name in mean.data_vars}
        print_json({"rows": rows_of(mean, args.rows), "last": last, **_status(data), "provenance": provenance(data)})
        return 0
    print(Table(rows_of(mean, args.rows)))
    print(f"means over {data.sizes['seed']} seeds")
    _tell_lost(data)
    _tell_collapse(data)
    return 0


def _status(data: xarray.Dataset) -> dict[str, list[Any]]:
    from dynsim.status import Status

    return {
        "seed": data["seed"].values.tolist(),
        "status": [Status(int(code)).name.lower() for code in data["status"].values],
        "stopped_step": data["stopped_step"].values.tolist(),
    }


def _tell_lost(data: xarray.Dataset) -> None:
    for seed, stopped in zip(data["seed"].values, data["stopped_step"].values, strict=True):
        if stopped >= 0:
            print(f"seed {seed}: numbers no longer finite at step {stopped}")


def _tell_collapse(data: xarray.Dataset) -> None:
    from dynsim.networks.collapse import closing_sentence

    with suppress(DynsimError):  # nothing was measured that could tell
        print(closing_sentence(data))


def _measured(data: xarray.Dataset) -> list[str]:
    return [str(name) for name in data.data_vars if data[name].dims == ("seed", "step")]
