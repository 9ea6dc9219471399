"""Second moments of the views of an experiment: all that a linear network, and the toy, see of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from dynsim.arguments import a_whole
from dynsim.errors import InvalidType, bad
from dynsim.networks.datasets import load_images
from dynsim.networks.experiment import Experiment
from dynsim.networks.measures.arrays import array_of
from dynsim.networks.seeds import common_generator
from dynsim.networks.views import Source, noise_moments

__all__ = ["SecondMoments", "augmented_views", "second_moments"]

_MOST_VIEWS = 10**6
_STREAM = 3  # of the random numbers that all seeds share


class SecondMoments(tuple[np.ndarray, np.ndarray]):
    """The pair (Σ_d, Σ_s), with what was done to it.

    Attributes
    ----------
    signal, view : array
        Σ_d = E[x̄x̄ᵀ] and Σ_s = E[xxᵀ], (d, d) each.
    projected : float
        ‖change of Σ_d‖/‖Σ_d‖ (Frobenius) by which the unbiased estimate was made positive semidefinite; 0 where it
        was so already, and where the moments are exact.
    """

    projected: float

    def __new__(cls, signal: np.ndarray, view: np.ndarray, projected: float = 0.0) -> SecondMoments:
        """Make the pair."""
        pair = super().__new__(cls, (signal, view))
        pair.projected = projected
        return pair

    @property
    def signal(self) -> np.ndarray:
        """Σ_d."""
        return self[0]

    @property
    def view(self) -> np.ndarray:
        """Σ_s."""
        return self[1]

    def __repr__(self) -> str:
        size = len(self[0])
        traces = ", ".join(f"trace {name} {np.trace(one):.4g}" for name, one in zip(("Σ_d", "Σ_s"), self, strict=True))
        done = f"Σ_d projected by {self.projected:.2g}" if self.projected else "nothing projected"
        return f"SecondMoments of {size} dimensions: {traces}, {done}"


def second_moments(
    source: Any,
    views: Any = 32,
    *,
    number: int = 32,
    subtract_mean: bool = True,
    seed: int = 0,
) -> SecondMoments:
    """Σ_d = E[x̄x̄ᵀ] and Σ_s = E[xxᵀ] of views x with mean x̄ given the image: what `matrix_flow` and `features` take.

    Exact for an experiment with Gaussian noise (or none). Otherwise unbiased means, Σ_d over pairs of *distinct*
    views. An unbiased Σ_d need not be positive semidefinite; its negative eigenvalues are set to zero, Σ_s − Σ_d is
    kept, and `projected` says how much that was.

    Parameters
    ----------
    source : Experiment, or array
        An experiment's data and augmentation count. Or one's own first views (N, d), or, with a function in `views`,
        images (N, …).
    views : int, array or function
        Of an experiment, how many views of each image are made, at least 2. Else the second views (N, d), row by row;
        or a function of the images that returns one view of each.
    number : int
        How many views such a function makes, at least 2.
    subtract_mean : bool
        Of one's own views: subtract the mean over images and views, or else the constant direction is a feature.
    seed : int
        Of torch's global generator, where the function draws from it.

    Returns
    -------
    SecondMoments
        The pair (Σ_d, Σ_s), float64, with `projected`.

    Raises
    ------
    InvalidType, InvalidValue
        For anything that is no experiment and no views, or fewer than two views.

    References
    ----------
    Tian, Chen & Ganguli, arXiv:2102.06810 (2021), for the flow that these moments generate.

    See Also
    --------
    dynsim.features : which features of these moments live.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import Experiment, second_moments
    >>> signal, view = second_moments(Experiment(augmentation={"noise": 0.5}))
    >>> bool(np.allclose(view - signal, 0.25 * np.eye(64)))
    True
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(1000, 3)) * [1.0, 0.5, 0.0]
    >>> found = second_moments(x, lambda images: images + 0.1 * rng.normal(size=images.shape))
    >>> bool(np.linalg.eigvalsh(found.signal)[0] >= 0), round(float(found.view[0, 0] - found.signal[0, 0]), 2)
    (True, 0.01)
    """
    if isinstance(source, Experiment):
        return _of_experiment(source, _at_least_two("views", views))
    if isinstance(views, int):
        expected = "a dynsim.networks.Experiment, or views with their second views, second_moments(x1, x2)"
        raise bad("source", source, expected, kind=InvalidType)
    made = _made_views(source, views, _at_least_two("number", number), seed) if callable(views) else (source, views)
    return _of_views(made, subtract_mean=subtract_mean)


def _at_least_two(name: str, value: Any) -> int:
    return a_whole(name, value, 2, _MOST_VIEWS, f"a whole number of at least 2 and at most {_MOST_VIEWS:.0e}")


def _of_experiment(experiment: Experiment, views: int) -> SecondMoments:
    source = Source(experiment.but(dtype="float64"), load_images(experiment), torch.device("cpu"))
    if source.augmenter.only_noise:
        signal, view = noise_moments(source)
        return SecondMoments(signal.numpy(), view.numpy())
    images, stream = source.images, [common_generator(_STREAM)]
    made = ((source.augmenter(images[None], stream, 1)[0, 0] - source.mean).numpy() for _ in range(views))
    return _of_views(made, subtract_mean=False)


def _made_views(images: Any, function: Callable[[Any], Any], number: int, seed: int) -> Iterator[Any]:
    """Views by one's own function; torch's global generator is set before and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(number):
            view = function(images)
            if np.shape(view)[:1] != np.shape(images)[:1]:
                expected = f"a function that returns one view of each of the {len(images)} images"
                raise bad("views", f"a view of shape {tuple(np.shape(view))}", expected)
            yield view


def _of_views(made: Iterable[Any], *, subtract_mean: bool) -> SecondMoments:
    """Moments of views of the same images, one set after the other, in one pass."""
    total = squares = None
    count = 0
    for item in made:
        array = array_of(item, "views", "arrays (N, d) of numbers", 2)
        rows = array.reshape(len(array), -1)
        if not np.isfinite(rows).all():
            raise bad("views", "NaN or infinite numbers", "finite numbers")
        if total is None or squares is None:
            total, squares = np.zeros_like(rows), np.zeros((rows.shape[1], rows.shape[1]))
        elif rows.shape != total.shape:
            raise bad("views", f"shape {rows.shape}", f"the shape of the first, {total.shape}", "row i shows image i")
        total, squares, count = total + rows, squares + rows.T @ rows, count + 1
    if total is None or squares is None or len(total) < 2:
        raise bad("views", 0 if total is None else len(total), "at least two images")
    number = len(total)
    mean = total.mean(0) / count if subtract_mean else np.zeros(total.shape[1])
    least = number - 1 if subtract_mean else number
    centred = total - count * mean
    view = (squares - count * number * np.outer(mean, mean)) / (count * least)
    signal = (centred.T @ centred / least - count * view) / (count * (count - 1))
    return _projected((signal + signal.T) / 2, (view + view.T) / 2)


def _projected(signal: np.ndarray, view: np.ndarray) -> SecondMoments:
    """The nearest positive semidefinite Σ_d, with Σ_s − Σ_d, the noise within images, as it was."""
    values, vectors = np.linalg.eigh(signal)
    if values[0] >= 0:
        return SecondMoments(signal, view)
    change = (vectors * np.minimum(values, 0.0)) @ vectors.T
    share = float(np.linalg.norm(change) / np.linalg.norm(signal))
    kept = signal - change
    return SecondMoments((kept + kept.T) / 2, view - (change + change.T) / 2, share)


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
