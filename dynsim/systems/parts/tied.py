"""One weight decay for predictor and encoder, where a reader says simply η."""

from __future__ import annotations

from dynsim.symbolic.flow import Flow

__all__ = ["with_parameter"]


def with_parameter(flow: Flow, name: str) -> Flow:
    """Return the flow with η_p = η_s = η if `name` is "eta" and the flow knows only the two apart.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.systems.building import with_parameter
    >>> with_parameter(dynsim.system("scalar"), "eta").parameters
    ('alpha', 'eta', 'sigma2')
    """
    if name == "eta" and name not in flow.parameters and {"eta_p", "eta_s"} <= set(flow.parameters):
        return flow.fix(eta_p="eta", eta_s="eta")
    return flow
