"""Second moments of the views of an experiment: all that a linear network, and the toy, see of the data."""

from __future__ import annotations

import numpy as np
import torch

from dynsim.errors import InvalidType, bad
from dynsim.networks.datasets import load_images
from dynsim.networks.experiment import Experiment
from dynsim.networks.seeds import common_generator
from dynsim.networks.views import Source, noise_moments

__all__ = ["augmented_views", "second_moments"]

_STREAM = 3  # of the random numbers that all seeds share


def second_moments(experiment: Experiment, views: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Σ_d = E[x̄x̄ᵀ] and Σ_s = E[xxᵀ] of the centred training views x with mean x̄ given the image.

    Exact for Gaussian noise (or none). Otherwise means over `views` views of every image, Σ_d over pairs of
    *distinct* views, which is unbiased.

    Parameters
    ----------
    experiment : Experiment
        Its data and augmentation count.
    views : int
        Views per image, at least 2.

    Returns
    -------
    tuple of array
        Both (pixels, pixels), float64.

    Raises
    ------
    InvalidType, InvalidValue
        For anything that is no experiment, or fewer than two views.

    References
    ----------
    Tian, Chen & Ganguli, arXiv:2102.06810 (2021), for the flow that these moments generate.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import Experiment, second_moments
    >>> signal, view = second_moments(Experiment(augmentation={"noise": 0.5}))
    >>> bool(np.allclose(view - signal, 0.25 * np.eye(64)))
    True
    """
    if not isinstance(experiment, Experiment):
        raise bad("experiment", experiment, "a dynsim.networks.Experiment", kind=InvalidType)
    if not isinstance(views, int) or views < 2:
        raise bad("views", views, "a whole number of at least 2")
    source = Source(experiment.but(dtype="float64"), load_images(experiment), torch.device("cpu"))
    if source.augmenter.only_noise:
        signal, view = noise_moments(source)
        return signal.numpy(), view.numpy()
    images, number = source.images, source.number
    stream = [common_generator(_STREAM)]
    total = torch.zeros_like(images).flatten(1)
    view = torch.zeros(total.shape[1], total.shape[1], dtype=total.dtype)
    for _ in range(views):
        x = (source.augmenter(images[None], stream, 1)[0, 0] - source.mean).flatten(1)
        total, view = total + x, view + x.T @ x / number
    signal = (total.T @ total / number - view) / (views * (views - 1))
    return signal.numpy(), (view / views).numpy()


def augmented_views(experiment: Experiment, views: int = 16) -> np.ndarray:
    """Views of every training image as the experiment makes them, flat: (views, images, pixels), float64.

    As many of `views` as fit into 400 MB, at least two.

    Examples
    --------
    >>> from dynsim.networks import Experiment
    >>> from dynsim.networks.view_moments import augmented_views
    >>> augmented_views(Experiment(images=100), views=3).shape
    (3, 100, 64)
    """
    source = Source(experiment.but(dtype="float64"), load_images(experiment), torch.device("cpu"))
    stream = [common_generator(_STREAM)]
    images = source.images
    count = max(2, min(views, int(5e7 / images.numel())))
    made = (source.augmenter(images[None], stream, 1)[0, 0] - source.mean for _ in range(count))
    return np.stack([view.flatten(1).numpy() for view in made])
