"""The data of an experiment: shipped, from the user's files, or already in memory."""

from __future__ import annotations

from pathlib import Path

from dynsim.errors import bad
from dynsim.networks.experiment import Experiment
from dynsim.networks.images import Images
from dynsim.networks.user_data import read_folder, read_npz
from dynsim.registry import find, listed

__all__ = ["load_images"]


def load_images(experiment: Experiment) -> Images:
    """Images of an experiment, limited to its number of training images.

    Raises
    ------
    InvalidValue, InvalidType
        Naming the file and what was expected of it.
    MissingExtra
        If the package that ships the data is not installed.

    Examples
    --------
    >>> from dynsim.networks.data_loading import load_images
    >>> from dynsim.networks.experiment import Experiment
    >>> load_images(Experiment(images=100)).train.shape
    (100, 1, 8, 8)
    """
    images = _images(experiment.data)
    return images if experiment.images is None else images.limited(experiment.images)


def _images(data: str | Images) -> Images:
    if isinstance(data, Images):
        return data
    shipped = listed("dynsim.networks.data")
    if data in shipped:
        loaded: Images = find("data", data, "dynsim.networks.data").load()
        return loaded
    path = Path(data).expanduser()
    if path.is_dir():
        return read_folder(path)
    if path.is_file() and path.suffix == ".npz":
        return read_npz(path)
    expected = f"{', '.join(sorted(shipped))}, an existing .npz file, or a folder with one folder of images per class"
    raise bad("data", data, expected)
