"""The figures of the gallery, in one table: adding one is a file and a line here."""

from __future__ import annotations

from typing import NamedTuple

from dynsim.errors import InvalidValue
from dynsim.gallery.figure import STORED_ABOVE, Figure
from dynsim.registry import Registry
from dynsim.table import Table

__all__ = ["FIGURES", "list_figures"]


class Entry(NamedTuple):
    """Where a figure is, and what a list says of it without importing it; a test holds both to the figure."""

    summary: str
    cost: float
    needs: tuple[str, ...] = ()
    stored: bool = False
    at: str = ""  # file and attribute, where they do not follow from the name


NETWORKS = ("networks",)
# fmt: off
ENTRIES = {
    "alternating": Entry("SimSiam as alternating optimisation: with and without a predictor", 5),
    "architecture": Entry("The two branches drawn, with the terms of the gradient in their colours", 0.2),
    "article": Entry("The article's runs on one axis: the encoder in the three branches", 0.3),
    "article-full": Entry("The article's second plot: both branches of the encoder kept", 0.1, at="article:FULL"),
    "article-stop": Entry("The article's first plot: with stop-gradient", 0.1, at="article:STOP"),
    "article-target": Entry("The article's remark: only the encoder's second branch kept", 0.1, at="article:TARGET"),
    "basins": Entry("Which starts collapse, in the three branches, with and without noise", 15),
    "bifurcation-decay": Entry("Equilibria over weight decay, for several noise levels", 8),
    "collapse-map": Entry("Which weight decays and teacher's rates collapse", 10),
    "collapse-table": Entry("Encoder × loss × normalisation in the three branches: four measures", 560, NETWORKS),
    "compare": Entry("Toy, linear and real network of one configuration on shared axes", 20, NETWORKS, stored=True),
    "continuation": Entry("Equilibria of any system or typed loss over one parameter", 5),
    "cosine-vs-euclid": Entry("Cosine against Euclidean loss with a closed-form predictor", 6),
    "counter-examples": Entry("Settings in which stop-gradient may not save the network", 65, NETWORKS),
    "decay-map": Entry("Weight decay × noise × predictor's rate × branch: which encoders live", 3),
    "deep-image-prior": Entry("Deep image prior: a photograph from an untrained network", 70, NETWORKS),
    "dino": Entry("DINO: temperature and centre's rate at which prototypes live, cycle or collapse", 900, NETWORKS),
    "dirac-gan": Entry("The Dirac-GAN: gradient flow, steps and regularisers", 10),
    "direct-set": Entry("DirectPred and DirectCopy: thresholds and boundaries of a set predictor", 5),
    "eigenmodes": Entry("Which eigenmodes of the data survive weight decay, and when they grow", 4),
    "ema": Entry("A teacher by moving average: its rate and its start", 8),
    "embeddings": Entry("A map of the digits at the start, with and without stop-gradient", 30, NETWORKS, stored=True),
    "expansion": Entry("First-order expansion of the loss: sizes and variances", 40, NETWORKS, stored=True),
    "fast-lane": Entry("Does stop-gradient slow the encoder? Networks in the three branches", 140, NETWORKS),
    "fast-slow": Entry("Fast predictor, slow encoder: orbits and the slow manifold", 8),
    "features": Entry("Which features of the digits live under each method: reliability, amplitude", 12, NETWORKS),
    "jepa-vs-mae": Entry("Deep linear JEPA against MAE: which features, in which order", 4),
    "landscape": Entry("One loss, its minima as a cross, and the flows of the three branches", 0.4),
    "lattice": Entry("The ablation lattice on digits, with the matrix flow's prediction", 200, NETWORKS),
    "lejepa": Entry("LeJEPA's partial collapse: which noise shares die as λN falls", 90, NETWORKS),
    "loss-rise": Entry("The loss of the toy along its run, and the part of each block", 0.3),
    "matrix-flow": Entry("A linear network against the matrix flow: field, law, order", 30, NETWORKS, stored=True),
    "methods": Entry("The periodic table of collapse: survives iff, what kills it, what networks did", 500, NETWORKS),
    "modes-vs-toy": Entry("Modes of a linear network against the scalar toy", 35, NETWORKS, stored=True),
    "network-collapse": Entry("Spread, norm and loss of a network in the three branches", 15, NETWORKS, stored=True),
    "network-ema": Entry("Networks with a moving-average teacher: its rate and its start", 75, NETWORKS),
    "network-timescales": Entry("Who is ahead, predictor or encoder, by which measure", 140, NETWORKS),
    "network-weight-decay": Entry("Networks under weight decay: thresholds of modes, four measures", 75, NETWORKS),
    "noise": Entry("What minibatch noise does to a living state and a linear network, over the batch", 90, NETWORKS),
    "noise-closes-the-escape": Entry("Branches without stop-gradient, with and without noise", 1),
    "one-run": Entry("One run of any system or typed loss: states, plane, speeds, loss", 0.5),
    "optimisers": Entry("Which optimisers collapse the toy, over starts and steps", 50, stored=True),
    "optimisers-network": Entry("Which optimisers collapse a network", 100, NETWORKS),
    "portrait": Entry("Phase portrait of the three branches, or of any system", 6),
    "portrait-decay": Entry("The plane under weight decay: which starts collapse below and above its threshold", 3),
    "predictor-ratio": Entry("Faster and slower predictors: runs over the ratio of rates", 1),
    "prior": Entry("Pixels, untrained, self-supervised and supervised encoders compared", 250, NETWORKS),
    "spectrum": Entry("In how many directions features differ, over training, in the three branches", 30, NETWORKS,
                      stored=True, at="embeddings:SPECTRUM"),
    "step-size": Entry("Gradient descent over its step size, and the bound of stability", 60, stored=True),
    "stronger": Entry("Newton, Gauss–Newton, exact minimisation: toy, linear, hidden layer", 140, NETWORKS),
    "timescales": Entry("Measures of fast and slow over time, in the three branches", 0.5),
    "tipping": Entry("Parameters that move: late collapse, collapse by speed, loops", 120, NETWORKS),
    "who-is-fast": Entry("Shares of the way covered by predictor and encoder, per branch", 0.5),
    "world-model": Entry("Next latents on a ring and in a grid world: which eigenvectors live, which come first", 30,
                         NETWORKS),
    "xbar": Entry("The mean view as target: which settings collapse, which features serve", 120, NETWORKS),
}
# fmt: on

FIGURES: Registry[Figure] = Registry(
    "figure",
    {name: f"dynsim.gallery.{entry.at or name.replace('-', '_') + ':FIGURE'}" for name, entry in ENTRIES.items()},
)


def list_figures() -> Table:
    """Table of the figures: name, one line, cost in seconds on one core, and whether a stored run serves.

    See Also
    --------
    plot : draw one of them.

    Examples
    --------
    >>> import dynsim
    >>> "article-stop" in dynsim.list_figures()["name"]
    True
    """
    rows = []
    for name in sorted(FIGURES):
        try:
            entry = ENTRIES.get(name) or FIGURES[name]
        except InvalidValue as error:  # an installed package that cannot be loaded breaks its own line only
            rows.append({"name": name, "summary": str(error), "cost": "", "needs": ""})
            continue
        cost = f"{entry.cost:g} s" + (", stored" if entry.stored or entry.cost >= STORED_ABOVE else "")
        rows.append({"name": name, "summary": entry.summary, "cost": cost, "needs": " ".join(entry.needs)})
    return Table(rows, ("name", "summary", "cost", "needs"))
