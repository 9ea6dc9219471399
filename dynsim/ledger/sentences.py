"""The sentences: what is claimed, by whom and where, and what decides it. Light enough to be listed at once.

A sentence is in our own words. Where the source was read at that place, `place` says so; `quoted` marks what is known
from quotation only. What could not be read at all is not here.
"""

from __future__ import annotations

from dynsim.ledger.contract import Claim

__all__ = ["SENTENCES"]

SU, SU_AT = "Su Jianlin (2020)", "kexue.fm/archives/7980"
TOY, MODES = "dynsim.ledger.toy_checks", "dynsim.ledger.mode_checks"
METHODS, GAMES = "dynsim.ledger.method_checks", "dynsim.ledger.game_checks"
CODE, NETWORKS = "dynsim.ledger.code_checks", "dynsim.ledger.network_checks"
SPEED = "dynsim.ledger.speed_checks"

# fmt: off
ARTICLE = (
    Claim(
        id="three-branches",
        sentence="From φ = 0.6, θ = 0.1 the toy's encoder survives with stop-gradient; it collapses without, and with "
        "the second branch only.",
        source=SU, place="the toy and its two figures", paper=SU_AT, quoted=True, decided_by="dynsim plot article",
        decide=f"{TOY}:three_branches", cost=2,
    ),
    Claim(
        id="stop-gradient-prevents",
        sentence="Stop-gradient is what prevents collapse.",
        source=SU, place="introduction: key components, after Chen & He", paper=SU_AT,
        decided_by="dynsim plot basins", decide=f"{TOY}:stop_prevents", cost=0.5,
    ),
    Claim(
        id="flow-not-minima",
        sentence="Stop-gradient changes the flow, not the minima: what saves the encoder is no descent of the loss.",
        source=SU, place="the dynamical argument", paper=SU_AT, quoted=True, decided_by="dynsim plot loss-rise",
        decide=f"{TOY}:loss_rises", cost=0.5,
    ),
    Claim(
        id="predictor-is-fast",
        sentence="The predictor is the fast part, so that the encoder has no time to collapse.",
        source=SU, place="the dynamical argument", paper=SU_AT, quoted=True,
        decided_by="dynsim plot network-timescales",
        decide=f"{SPEED}:predictor_is_fast", cost=1, note="from its stored run",
    ),
    Claim(
        id="fast-lane",
        sentence="The second branch is a fast lane for the encoder: stop-gradient slows it.",
        source=SU, place="the dynamical argument", paper=SU_AT, quoted=True, decided_by="dynsim plot fast-lane",
        decide=f"{SPEED}:fast_lane", cost=1, note="from its stored run",
    ),
    Claim(
        id="teacher-unneeded",
        sentence="A moving-average teacher is not necessary: SimSiam is BYOL with its coefficient at 0.",
        source=SU, place="section on SimSiam", paper=SU_AT, decided_by="dynsim plot ema",
        decide=f"{TOY}:teacher_unneeded", cost=1.5,
    ),
    Claim(
        id="alternation-restates",
        sentence="Reading SimSiam as alternating optimisation only restates the question.",
        source=SU, place="introduction", paper=SU_AT, decided_by="dynsim plot alternating",
        decide=f"{TOY}:alternation_restates", cost=0.5,
    ),
    Claim(
        id="predictor-is-key",
        sentence="Besides stop-gradient the predictor is what keeps SimSiam from collapse.",
        source=SU, place="section on SimSiam: key components, after Chen & He", paper=SU_AT,
        decided_by='method("no-predictor").flow(), method("fixed-predictor").flow()',
        decide=f"{TOY}:predictor_is_key", cost=0.5,
    ),
    Claim(
        id="neither-stronger-nor-weaker",
        sentence="SimSiam works because its optimisers follow gradients and are neither stronger nor weaker.",
        source=SU, place="introduction", paper=SU_AT, decided_by="dynsim plot optimisers",
        decide=f"{MODES}:neither_stronger_nor_weaker", cost=3,
    ),
    Claim(
        id="two-views-are-twice",
        sentence="The loss of two views is twice that of one view against its mean, for any network.",
        source=SU, place="first-order expansion, where it is an approximation", paper=SU_AT, quoted=True,
        decided_by="dynsim plot expansion", decide=f"{TOY}:two_views_are_twice", cost=0.1,
    ),
    Claim(
        id="variance-grows",
        sentence="Without stop-gradient and predictor the estimate of the loss has the larger variance.",
        source=SU, place="first-order expansion", paper=SU_AT, quoted=True, decided_by="dynsim plot expansion",
        decide=f"{TOY}:variance_grows", cost=0.1,
    ),
    Claim(
        id="mean-view-target",
        sentence="With the mean view as target, E‖F(Tx) − F(x̄)‖² collapses (the article leaves it open).",
        source=SU, place="the question at its end", paper=SU_AT, quoted=True, decided_by="dynsim plot xbar",
        decide=f"{TOY}:mean_view_target", cost=0.5,
    ),
)

PAPERS = (
    Claim(
        id="full-always-collapses",
        sentence="In the linear case the loss without stop-gradient and teacher always leads to collapse.",
        source="Ponce, Terver, Hebert & Arbel (2025)", place="abstract", paper="2507.01028",
        decided_by="dynsim plot noise-closes-the-escape", decide=f"{TOY}:full_collapses", cost=1.5,
    ),
    Claim(
        id="no-potential",
        sentence="Stop-gradient follows the gradient of no function, neither of its loss nor of another smooth one.",
        source="Ponce, Terver, Hebert & Arbel (2025)", place="abstract", paper="2507.01028",
        decided_by="the curl of the derived field", decide=f"{TOY}:no_potential", cost=0.5,
    ),
    Claim(
        id="decay-threshold",
        sentence="A linear feature survives weight decay η iff η < λ_d²/(4λ_s).",
        source="Tian, Chen & Ganguli (2021)", place="the eigenmode's equations", paper="2102.06810", quoted=True,
        decided_by="dynsim plot bifurcation-decay", decide=f"{MODES}:decay_threshold", cost=1,
    ),
    Claim(
        id="balance-law",
        sentence="With equal decays WWᵀ − PᵀP/α vanishes as e^(−2ηt), whatever the data.",
        source="Tian, Chen & Ganguli (2021)", place="the invariant parabola of the eigenmodes", paper="2102.06810",
        quoted=True, decided_by="dynsim plot matrix-flow", decide=f"{MODES}:balance_law", cost=0.5,
    ),
    Claim(
        id="optimal-predictor",
        sentence="With the best predictor at every instant and semi-gradients a linear representation cannot "
        "collapse: WWᵀ is conserved.",
        source="Tang et al. (2022)", place="the idealised setup, as its abstract calls it", paper="2212.03319",
        quoted=True, decided_by='matrix_flow(…, predictor="optimal")', decide=f"{MODES}:optimal_predictor",
        cost=0.5,
    ),
    Claim(
        id="faster-predictor",
        sentence="A faster predictor is crucial to preventing collapse.",
        source="Tang et al. (2022)", place="abstract", paper="2212.03319", decided_by="dynsim plot predictor-ratio",
        decide=f"{MODES}:faster_predictor", cost=1,
    ),
    Claim(
        id="cosine-conserves-norms",
        sentence="The cosine loss conserves the norm of the representation.",
        source="Halvagal, Laborieux & Zenke (2023)", place="dynamics under cosine similarity", paper="2212.04858",
        quoted=True, decided_by="dynsim plot cosine-vs-euclid", decide=f"{MODES}:cosine_conserves", cost=1.5,
    ),
    Claim(
        id="eigenvalues-multiply",
        sentence="The predictor's eigenvalues act as learning-rate multipliers, which IsoLoss takes away.",
        source="Halvagal, Laborieux & Zenke (2023)", place="abstract", paper="2212.04858",
        decided_by='system("euclidean", variant="isoloss")', decide=f"{MODES}:eigenvalues_multiply", cost=0.5,
    ),
    Claim(
        id="decay-drops-noisy-features",
        sentence="Weight decay is a threshold that discards features of high variance under augmentation.",
        source="Wang, Chen, Du & Tian (2021)", place="abstract", paper="2110.04947",
        decided_by="dynsim plot direct-set", decide=f"{MODES}:noisy_features_fall", cost=0.5,
    ),
    Claim(
        id="stepwise-learning",
        sentence="Embeddings are learned one dimension after the other, in well-separated steps.",
        source="Simon et al. (2023)", place="abstract", paper="2303.15438", decided_by='solve(system("barlow"), …)',
        decide=f"{MODES}:stepwise", cost=1,
    ),
    Claim(
        id="collapsing-solutions-exist",
        sentence="Collapsing solutions do exist for the loss and architecture of SimSiam.",
        source="Chen & He (2021)", place="abstract", paper="2011.10566",
        decided_by="dynsim plot network-collapse", note="the check takes fewer seeds and steps",
        decide=f"{NETWORKS}:collapse_minimises", cost=8, needs=("networks",),
    ),
    Claim(
        id="stop-gradient-on-digits",
        sentence="On a real network with BatchNorm stop-gradient is essential to preventing collapse.",
        source="Chen & He (2021)", place="abstract", paper="2011.10566",
        decided_by="dynsim plot network-collapse", note="the check takes fewer seeds and steps",
        decide=f"{NETWORKS}:digits", cost=12,
        needs=("networks",),
    ),
    Claim(
        id="stop-gradient-on-a-linear-network",
        sentence="A linear encoder and predictor under squared error shrink without stop-gradient only.",
        source="Tian, Chen & Ganguli (2021)", place="linear networks; here on digits", paper="2102.06810",
        quoted=True, decided_by="dynsim plot lattice", note="the check trains one of its settings",
        decide=f"{NETWORKS}:linear_digits", cost=8,
        needs=("networks",),
    ),
    Claim(
        id="spectral-end",
        sentence="A linear feature under the spectral contrastive loss ends at w² = λ_d/λ_s².",
        source="HaoChen et al. (2021)", place="the loss; its end is derived here", paper="2106.04156", quoted=True,
        decided_by='method("spectral").flow()', decide=f"{MODES}:spectral_ends", cost=0.5,
    ),
    Claim(
        id="negatives-prevent",
        sentence="Negative pairs prevent collapse without stop-gradient or predictor.",
        source="Chen & He (2021)", place="introduction, on contrastive learning", paper="2011.10566",
        decided_by='method("infonce").flow()', decide=f"{MODES}:negatives_prevent", cost=0.5,
    ),
    Claim(
        id="gan-circles",
        sentence="Where distributions are not absolutely continuous unregularised GAN training need not converge: the "
        "Dirac-GAN circles.",
        source="Mescheder, Geiger & Nowozin (2018)", place="abstract", paper="1801.04406",
        decided_by="dynsim plot dirac-gan", decide=f"{GAMES}:circles", cost=1,
    ),
    Claim(
        id="gradient-penalty-damps",
        sentence="Zero-centred gradient penalties converge.",
        source="Mescheder, Geiger & Nowozin (2018)", place="abstract; the critical strength is derived here",
        paper="1801.04406", decided_by="dynsim plot dirac-gan", decide=f"{GAMES}:damped", cost=0.5,
    ),
    Claim(
        id="instance-noise-damps",
        sentence="Instance noise converges.",
        source="Mescheder, Geiger & Nowozin (2018)", place="abstract; the critical variance is derived here",
        paper="1801.04406", decided_by="dynsim plot dirac-gan", decide=f"{GAMES}:instance_noise", cost=0.5,
    ),
    Claim(
        id="wgan-gp-never-settles",
        sentence="WGAN-GP with finitely many discriminator updates per step does not always reach the equilibrium.",
        source="Mescheder, Geiger & Nowozin (2018)", place="abstract", paper="1801.04406",
        decided_by="dynsim plot dirac-gan", decide=f"{GAMES}:never_settles", cost=2,
    ),
    Claim(
        id="imaginary-eigenvalues",
        sentence="Eigenvalues without real part keep simultaneous gradient steps from converging, however small.",
        source="Mescheder, Nowozin & Geiger (2017)", place="abstract; tried on the Dirac-GAN", paper="1705.10461",
        decided_by='optimise(system("dirac-gan"), …)', decide=f"{GAMES}:simultaneous_diverges", cost=1.5,
    ),
)

PUBLIC_CODE = (
    Claim(
        id="vicreg-hinge",
        sentence="VICReg's variance hinge at its default coefficients lets no feature die, however noisy.",
        source="VICReg's code (a fork)", place="main_vicreg.py, VICReg.forward",
        paper="facebookresearch/vicreg", decided_by='method("vicreg").flow()', decide=f"{METHODS}:hinge_keeps",
        cost=0.5,
    ),
    Claim(
        id="dino-hot-teacher",
        sentence="A teacher that is too hot keeps DINO from leaving its uniform state; what counts is τ_t < rτ_s.",
        source="DINO's code", place="main_dino.py, DINOLoss: comment on the temperature's warm-up",
        paper="facebookresearch/dino", decided_by='method("dino").flow()', decide=f"{METHODS}:hot_teacher", cost=1.5,
    ),
    Claim(
        id="lejepa-small-batches",
        sentence="LeJEPA works with very small batches.",
        source="Balestriero & LeCun (2025)", place="MINIMAL.md, Why LeJEPA", paper="rbalestr-lab/lejepa",
        decided_by='method("lejepa").flow()', decide=f"{METHODS}:small_batches", cost=2,
    ),
    Claim(
        id="barlow-rows-stay-apart",
        sentence="Barlow Twins' redundancy term keeps rows from reading one and the same feature.",
        source="Barlow Twins' code", place="main.py, BarlowTwins.forward", paper="facebookresearch/barlowtwins",
        decided_by='method("barlow", rows=…)', decide=f"{METHODS}:rows_stay_apart", cost=1,
    ),
    Claim(
        id="consensus-factor",
        sentence="The notebook's consensus field is the gradient of both players' losses with the penalty ½γ‖v‖².",
        source="GAN_stability's code", place="notebooks/diracgan/gans.py, GAN_Consensus",
        paper="LMescheder/GAN_stability", decided_by="derivation in dynsim/ledger/code_checks.py",
        decide=f"{CODE}:consensus_factor", cost=1,
    ),
    Claim(
        id="cosine-without-stop",
        sentence="The notebook's update for the cosine loss without stop-gradient is the derivative of that loss.",
        source="implicit-var-reg's code", place="notebooks/toy_networks.ipynb, next_W: cos_simsiam_nosg",
        paper="fmi-basel/implicit-var-reg", decided_by="derivation in dynsim/ledger/code_checks.py",
        decide=f"{CODE}:cosine_without_stop", cost=1,
    ),
)
# fmt: on

SENTENCES = (*ARTICLE, *PAPERS, *PUBLIC_CODE)
