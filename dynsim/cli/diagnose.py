"""Say whether an encoder has collapsed, of what kind, why, and what to turn, from what it puts out.

Several files are checkpoints in order. Arrays (.npy) need no torch; tensors (.pt) are read without unpickling code.

dynsim diagnose emb.npy --paired emb2.npy --initial emb0.npy --set lr=.1,weight_decay=1e-4
dynsim diagnose logits.npy --paired logits2.npy --outputs logits --set tau_t=.07,tau_s=.1 --html report.html
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim diagnose`."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+",
        help="outputs (samples × dimensions), .npy or .pt; several: a series; or a Dataset, .nc or .zarr",
    )  # fmt: skip
    parser.add_argument("--paired", metavar="FILE", help="a second view of the same samples, row by row")
    parser.add_argument("--labels", metavar="FILE", help="classes, one per sample")
    parser.add_argument("--initial", metavar="FILE", help="outputs at the start of training")
    parser.add_argument("--teacher", metavar="FILE", help="the teacher's outputs; with --initial: has it moved?")
    parser.add_argument(
        "--outputs", choices=("embedding", "logits", "probabilities"), default="embedding", help="default: embedding"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE,…", dest="settings", action="append", default=[],
        help="words of training code: lr=0.1,weight_decay=1e-4,ema=0.996,tau_t=0.07,tau_s=0.1",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--html", metavar="FILE", help="write a report as one HTML file")
    parser.add_argument(
        "--fail-on", choices=("collapse", "unsure"),
        help="exit with status 3 if it has collapsed (unsure: also if that stays open)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print the diagnosis; the exit status is 3 where `--fail-on` applies."""
    from dynsim.cli.arguments import words_or_numbers
    from dynsim.cli.output import check_out
    from dynsim.monitor.array_files import read_array
    from dynsim.monitor.diagnosis import diagnose
    from dynsim.storage import write_text

    check_out("--html", args.html, (".html", ".htm"))
    settings = words_or_numbers("--set", args.settings)
    beside = {
        name: read_array(f"--{name}", path)
        for name in ("paired", "labels", "initial", "teacher")
        if (path := getattr(args, name)) is not None
    }
    found = diagnose(_source(args.files), outputs=args.outputs, settings=settings, **beside)
    if args.html:
        write_text(args.html, found.to_html())
    print(found.to_json() if args.json else found)
    failed = found.collapsed is True or (args.fail_on == "unsure" and found.collapsed is None)
    return 3 if args.fail_on and failed else 0


def _source(files: list[str]) -> Any:
    from dynsim.monitor.array_files import read_array
    from dynsim.storage import looked_at, open_dataset

    if len(files) == 1:
        place = looked_at("FILE", files[0], "an existing file")
        if place.is_dir() or place.suffix in (".nc", ".zarr"):
            return open_dataset(place)
        return read_array("FILE", files[0])
    return [read_array("FILE", path) for path in files]
