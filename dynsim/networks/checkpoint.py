"""Checkpoints: written atomically, read safely, refused where they belong to another run."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dynsim.errors import bad
from dynsim.networks.experiment import Experiment

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, experiment: Experiment, seeds: Sequence[int], state: dict[str, Any]) -> None:
    """Write under a temporary name, then rename: a reader sees the old file or the new one, never half of one."""
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            torch.save({"digest": experiment.digest, "seeds": list(seeds), "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(
    path: Path, experiment: Experiment, seeds: Sequence[int], device: torch.device, data: str
) -> dict[str, Any] | None:
    """State of the run, or None if there is no file yet; `data` is the digest of the images.

    Raises
    ------
    InvalidValue
        If the file is no checkpoint, or a damaged one, or one of another experiment, other images or other seeds; or
        it cannot be written.
    """
    if not path.parent.is_dir():
        raise bad("checkpoint", str(path), "a file in a folder that exists")
    _check_writable(path)
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the sums of what it reads
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(damaged)
        kept = torch.load(path, map_location="cpu", weights_only=True)
        digest, numbers, state = kept["digest"], kept["seeds"], kept["state"]
        images, place = state["data"], state["device"]
    except Exception as error:  # torch raises many kinds for a file that is not its own, with unsafe advice
        reason = str(error) if isinstance(error, OSError) else "remove the file, or take another path"
        raise bad("checkpoint", str(path), "a checkpoint written by dynsim.networks.train", reason) from None
    if digest != experiment.digest:
        raise bad("checkpoint", str(path), "a checkpoint of this experiment", "take another path or remove the file")
    if numbers != list(seeds):
        raise bad("checkpoint", str(path), f"a checkpoint of seeds {list(seeds)}, not of {numbers}")
    if images != data:
        raise bad("checkpoint", str(path), "a checkpoint of these images", "the data have changed since")
    if place != device.type:
        raise bad("device", device.type, f"'{place}', on which the run of {path} began")
    return dict(state)


def _check_writable(path: Path) -> None:
    """Find out before training, not at its end, whether the folder takes the file."""
    probe = _temporary(path)
    try:
        probe.touch()
    except OSError as error:
        raise bad("checkpoint", str(path), "a file that can be written", str(error)) from None
    probe.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}.part")
