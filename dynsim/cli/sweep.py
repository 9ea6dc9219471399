"""Run a study of thousands of runs, go on where it was stopped, or say how far it is."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add `dynsim sweep run` and `dynsim sweep status` with their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = actions.add_parser("run", help="run a study, or go on where it was stopped")
    run.add_argument("study", metavar="STUDY", help="a .toml or .json file, or a study that comes with the package")
    run.add_argument("--out", metavar="STORE", required=True, help="folder or URL of the Zarr store")
    workers = run.add_mutually_exclusive_group()
    workers.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, such as tcp://host:8786")
    workers.add_argument("--workers", metavar="N", type=int, help="processes on this machine; default: one per core")
    run.add_argument("--retry-failed", action="store_true", help="run failed tasks again")
    run.add_argument("--json", action="store_true", help="machine-readable output")
    status = actions.add_parser("status", help="how far a store is, and which tasks failed")
    status.add_argument("store", metavar="STORE", help="folder or URL of the Zarr store")
    status.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Run, or print the status; the exit status is 1 if tasks failed."""
    from dynsim.studies.status import sweep_status

    if args.action == "status":
        return _print_status(sweep_status(args.store), args.json)
    _sweep(args)
    return _print_status(sweep_status(args.out), args.json)


def _sweep(args: argparse.Namespace) -> None:
    import logging
    from contextlib import nullcontext

    from dynsim.cli.progress_line import reporter
    from dynsim.errors import DynsimError
    from dynsim.studies.cluster import cluster
    from dynsim.studies.running import run_study

    for name in ("distributed", "tornado.application"):  # what they lose is said in one line here
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with cluster(args.scheduler) if args.scheduler else nullcontext() as executor, reporter("sweep") as progress:
        try:
            data = run_study(
                args.study, args.out, executor, progress, workers=args.workers, retry_failed=args.retry_failed
            )
            data.close()
        except RuntimeError as error:
            if isinstance(error, DynsimError):  # stopped half-way, which is no mistake in the command
                _stop(error)
            raise


def _stop(error: Exception) -> None:
    import sys

    print(f"dynsim: {error}", file=sys.stderr)
    raise SystemExit(1) from None


def _print_status(status: dict[str, Any], as_json: bool) -> int:
    from dynsim.cli.output import print_json

    if as_json:
        print_json(status)
    else:
        sizes = " × ".join(f"{name} {size}" for name, size in status["sizes"].items()) or "one run"
        left = status["tasks"] - status["done"] - status["failed"]
        print(f"{status['study'] or 'study'}: {sizes}")
        print(f"{status['done']} done, {status['failed']} failed, {left} unfinished of {status['tasks']} tasks")
        if status["driver"]:
            print(f"process {status['driver']['pid']} on {status['driver']['host']} works on it")
        for failure in status["failures"]:
            cell = ", ".join(f"{name} {value}" for name, value in failure["cell"].items())
            print(f"failed: {cell}: {failure['message']}")
        if status["failed"] > len(status["failures"]):
            print(f"… and {status['failed'] - len(status['failures'])} more")
    return 1 if status["failed"] else 0
