"""The data of an experiment: shipped, from the user's files, or already in memory."""

from __future__ import annotations

from dynsim.networks.experiment import Experiment
from dynsim.networks.images import Images
from dynsim.registry import find

__all__ = ["load_images"]


def load_images(experiment: Experiment) -> Images:
    """Images of an experiment, limited to its number of training images.

    Examples
    --------
    >>> from dynsim.networks.data_loading import load_images
    >>> from dynsim.networks.experiment import Experiment
    >>> load_images(Experiment(images=100)).train.shape
    (100, 1, 8, 8)
    """
    data = experiment.data
    images = data if isinstance(data, Images) else find("data", data, "dynsim.networks.data").load()
    return images if experiment.images is None else images.limited(experiment.images)
