"""Public names and where they are defined, for type checkers and editors; a test holds them to ``__all__``."""

from dynsim.networks import measures as measures
from dynsim.networks.datasets import photograph as photograph
from dynsim.networks.experiment import Experiment as Experiment
from dynsim.networks.image_prior import deep_image_prior as deep_image_prior
from dynsim.networks.images import Images as Images
from dynsim.networks.network_flow import flow as flow
from dynsim.networks.network_flow import initial_state as initial_state
from dynsim.networks.training import fit as fit
from dynsim.networks.training import train as train
from dynsim.networks.view_moments import second_moments as second_moments
