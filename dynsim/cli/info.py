"""Show versions, optional parts and threads."""

from __future__ import annotations

import argparse

_EXTRAS = {
    "networks": ("torch", "scikit-learn"),
    "fast": ("llvmlite",),
    "notebooks": ("jupyterlab", "ipywidgets"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim info`."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(args: argparse.Namespace) -> int:
    """Print what this installation consists of."""
    import os
    import platform

    from dynsim.cli.output import print_json
    from dynsim.records import versions

    extras = {}
    for extra, packages in _EXTRAS.items():
        found = versions(*packages)
        missing = [package for package in packages if package not in found]
        extras[extra] = (
            f'not installed: pip install "dynsim[{extra}]"'
            if missing
            else ", ".join(f"{package} {found[package]}" for package in packages)
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        **versions("matplotlib", "h5netcdf"),
        "platform": platform.platform(),
        "threads": cores,
        **{f"extra {name}": told for name, told in extras.items()},
    }
    if args.json:
        print_json(facts)
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
    return 0
