"""A trained network with what was measured on its way: for features of one's own images and one's own measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray
from torch import Tensor

from dynsim.errors import bad, unknown
from dynsim.networks.images import Images
from dynsim.networks.measures import MEASURES
from dynsim.networks.measures.recorded import own_measure
from dynsim.networks.network import Weights, named_parameters
from dynsim.networks.seeds import generator, seed_list
from dynsim.networks.snapshot import Snapshot
from dynsim.networks.views import Source

__all__ = ["Trained"]


@dataclass(frozen=True, eq=False)
class Trained:
    """All seeds of an experiment after training; `dynsim.networks.fit` makes one.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `train` returns.
    images : Images
        The data; ``images.train``, ``images.test`` and their labels are what features and probes want.
    snapshot : Snapshot
        The last moment of the run.
    source : Source
        Augmentations and centring.
    """

    dataset: xarray.Dataset
    images: Images
    snapshot: Snapshot
    source: Source

    def features(self, pictures: Any) -> Tensor:
        """Features of pictures, (seeds, N, dim).

        Batch normalisation uses the statistics of views of training images.

        Parameters
        ----------
        pictures : array-like
            (N, channels, height, width), scaled as in `images`.

        Raises
        ------
        InvalidValue
            For another shape.
        """
        return self.snapshot.features((self._pictures(pictures) - self.source.mean)[None, None])

    def directional_derivative(self, pictures: Any, directions: Any) -> Tensor:
        """How features change with the pictures: J(x)δ with J = ∂F/∂x, (seeds, number, N, dim).

        Batch normalisation is held at the statistics of views of training images, as in `features`.

        Parameters
        ----------
        pictures : array-like
            x, (N, channels, height, width).
        directions : array-like
            δ, (number, N, channels, height, width): several for each picture.

        Raises
        ------
        InvalidValue
            For another shape.
        """
        x = self._pictures(pictures) - self.source.mean
        delta = torch.as_tensor(directions, dtype=x.dtype, device=x.device)
        if delta.ndim != 5 or delta.shape[1:] != x.shape:
            raise bad("directions", f"shape {tuple(delta.shape)}", f"(number, {', '.join(map(str, x.shape))})")
        x = x.repeat(len(delta), 1, 1, 1, 1)[None].requires_grad_()
        features = self.snapshot.encoded(x)
        cotangent = torch.zeros_like(features, requires_grad=True)
        (pulled,) = torch.autograd.grad(features, x, cotangent, create_graph=True)  # Jᵀv, linear in v
        (change,) = torch.autograd.grad(pulled, cotangent, delta[None])
        return change.permute(0, 2, 3, 1)

    def views(self, pictures: Any, number: int = 1, *, seed: int = 0) -> Tensor:
        """Random views of pictures, (number, N, channels, height, width), before centring, as `features` wants them.

        Parameters
        ----------
        pictures : array-like
            (N, channels, height, width).
        number : int
            Views of each picture.
        seed : int
            Of the augmentations.

        Raises
        ------
        InvalidValue
            For another shape, or no seed.
        """
        x = self._pictures(pictures)
        stream = [generator(seed_list([seed])[0], "views", x.device)]
        return torch.cat([self.source.augmenter(x[None], stream, 1)[0] for _ in range(number)])

    def parameters(self, seed: int) -> dict[str, np.ndarray]:
        """Parameters of one seed of the run, named as in `dynsim.networks.flow`.

        Raises
        ------
        InvalidValue
            For a seed that was not trained.
        """
        seeds = self.dataset["seed"].values.tolist()
        if seed not in seeds:
            raise bad("seed", seed, f"one of {seeds}")
        parts = named_parameters(self.snapshot.network, self.snapshot.weights)
        return {name: value[seeds.index(seed)].cpu().numpy() for name, value in parts.items()}

    def measured(self, **encoder: Any) -> dict[str, np.ndarray]:
        """What the experiment measures, on the same images, if the encoder had other weights.

        Parameters
        ----------
        **encoder
            Parameters to replace, (seeds, *shape), named as in `dynsim.networks.flow`: those that a theory foretells.

        Returns
        -------
        dict
            ``{measure: array (seeds,)}``, on the data of the run, with its initial weights as the start.

        Raises
        ------
        UnknownName, InvalidValue
            For a parameter that the encoder does not have, or of another shape.

        Examples
        --------
        >>> from dynsim.networks import Experiment, fit
        >>> trained = fit(Experiment(encoder="linear", steps=1, images=100, measures=["norm_ratio"]), seeds=1)
        >>> abs(float(trained.measured(W=0 * trained.parameters(0)["W"][None])["norm_ratio"][0]))
        0.0
        """
        now, last = self.snapshot.weights, self.snapshot
        layout = last.network.encoder_layout
        parts = layout.split(now.encoder)
        for name, value in encoder.items():
            if name not in parts:
                raise unknown("encoder parameter", name, parts)
            tensor = torch.as_tensor(value, dtype=now.encoder.dtype, device=now.encoder.device)
            if tensor.shape != parts[name].shape:
                raise bad(name, f"shape {tuple(tensor.shape)}", f"{tuple(parts[name].shape)}, one per seed")
            parts[name] = tensor
        weights = Weights(now.predictor, layout.join(parts), now.teacher)
        moment = Snapshot(last.network, weights, last.evaluation, time=last.time, initial=last.initial)
        found: dict[str, Any] = {}
        for one in last.network.plan.measures:
            found |= (own_measure(one) if callable(one) else MEASURES[one]).record(moment)
        return {name: torch.as_tensor(value).detach().double().cpu().numpy() for name, value in found.items()}

    def _pictures(self, pictures: Any) -> Tensor:
        shape = self.source.pixels.shape[1:]
        tensor = torch.as_tensor(pictures, device=self.source.device)
        if tensor.ndim != 4 or tensor.shape[1:] != shape:
            raise bad("pictures", f"shape {tuple(tensor.shape)}", f"(N, {', '.join(map(str, shape))})")
        return self.source.floats(tensor)
