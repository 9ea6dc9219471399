"""One loss, three branches: the gradient flow with stop-gradient, without it, and of the second branch only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.averaging import expected
from dynsim.symbolic.distributions import read_random
from dynsim.symbolic.expectation import Average
from dynsim.symbolic.expressions import default_roles, expression, name_of, names_of, stopped_states
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Rule, Track
from dynsim.symbolic.stop_gradient import has_stop_gradient, release

__all__ = ["BRANCHES", "gradient_flow"]

BRANCHES = ("stop", "full", "target")


def gradient_flow(
    loss: Any,
    states: Any,
    *,
    random: Any = None,
    branch: str = "stop",
    rates: Mapping[Any, Any] | None = None,
    decay: Mapping[Any, Any] | None = None,
    track: Mapping[Any, tuple[Any, Any]] | None = None,
    roles: Mapping[str, Any] | None = None,
) -> Flow:
    """Derive the gradient flow of a loss in one of its three branches.

    Parameters
    ----------
    loss : expression, number or str
        Scalar and real; may contain `stop_gradient`. Text goes through `parse`.
    states : sequence of str or Symbol
        What moves, in this order. Every other symbol is a parameter.
    random : mapping or str, optional
        What is drawn anew for every sample: ``{name: Normal(…) | Uniform(…) | Discrete(…)}``, a tuple of names for a
        joint distribution, or text, ``"x ~ normal(0, lambda_d), n ~ normal(0, sigma2)"``. In the loss, ``E(…)``,
        ``var``, ``std``, ``cov``, ``corr`` average over the random symbols inside, ``E(…, n)`` over those named only,
        and what is left outside is averaged as a whole. A stop-gradient acts on each sample.
    branch : {"stop", "full", "target"}
        As written; stop-gradients removed; or, for every state inside a stop-gradient, the gradient of
        "full" minus that of "stop" (of the encoder's two branches only the second), the others as in "stop".
    rates : mapping, optional
        ``{state: learning-rate ratio}``; multiplies the gradient.
    decay : mapping, optional
        ``{state: weight decay}``, per unit of flow time, not multiplied by the rate.
    track : mapping, optional
        ``{teacher: (source, rate)}``: the teacher follows the source instead of descending.
    roles : mapping, optional
        ``{"predictor": …, "encoder": …, "teacher": …}``. By default the teachers are the keys of `track`, the
        encoder is every state inside a stop-gradient or followed by a teacher, the predictor is the rest.

    Returns
    -------
    Flow

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A loss that is complex or no scalar, a state that is not in it, a key that is no state, a
        stop-gradient where nothing is differentiated, branch "target" of a loss without stop-gradient, a random
        symbol that is a state or does not occur, an average that does not exist.

    References
    ----------
    Su Jianlin, kexue.fm/archives/7980 (2020); Chen & He, arXiv:2011.10566.

    Examples
    --------
    >>> from dynsim import gradient_flow
    >>> loss = "(phi*theta - sg(theta))^2/2"
    >>> for branch in ("stop", "full", "target"):
    ...     print(gradient_flow(loss, "phi, theta", branch=branch).rhs[1].factor())
    -phi*theta*(phi - 1)
    -theta*(phi - 1)**2
    theta*(phi - 1)

    Two views with noise of variance σ²:

    >>> loss = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
    >>> views = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
    >>> gradient_flow(loss, "phi, theta", random=views).rhs[0].expand()
    -phi*sigma2*theta**2 - phi*theta**2 + theta**2
    """
    names = names_of("states", states)
    drawn = {} if random is None else read_random(random)
    written = None if drawn else expression("loss", loss)
    if written is None or written.has(Average):
        written = expected({"loss": loss}, drawn, names)["loss"]
    if branch not in BRANCHES:
        raise bad("branch", branch, "'stop', 'full' or 'target'")
    if branch == "target" and not has_stop_gradient(written):
        raise bad(
            "branch",
            branch,
            "'stop' or 'full'",
            "the loss has no stop_gradient, so there is no second branch",
        )
    rates, decay = _per_state("rates", rates, names), _per_state("decay", decay, names)
    followed = _tracked(track, names)
    for name in set(followed) & (set(rates) | set(decay)):
        raise bad("track", name, "a state with neither rate nor decay", "a teacher does not descend the loss")

    stopped = tuple(name for name in stopped_states(written, names) if name not in followed)
    everything = release(written)
    # The gradient of (everything − written) is what flows through the stop-gradients alone: the second branch.
    losses = {"stop": written, "full": everything, "target": everything - written}
    rules: dict[str, Rule] = {}
    for name in names:
        descended = written if branch == "target" and name not in stopped else losses[branch]
        rules[name] = followed.get(name) or Descend(
            descended, rates.get(name, sympy.S.One), decay.get(name, sympy.S.Zero)
        )
    chosen = roles if roles is not None else default_roles(written, names, rules)
    return Flow.of(rules, roles=chosen).describe(loss=written, branch=branch, random=drawn)


def _per_state(argument: str, values: Mapping[Any, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
    if values is not None and not isinstance(values, Mapping):
        raise bad(argument, values, "a mapping {state: value}", kind=InvalidType)
    result = {name_of(argument, key): value for key, value in (values or {}).items()}
    for key in result:
        if key not in names:
            raise unknown(f"state in {argument}", key, names)
    return result


def _tracked(track: Mapping[Any, tuple[Any, Any]] | None, names: tuple[str, ...]) -> dict[str, Track]:
    result = {}
    for name, pair in _per_state("track", track, names).items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise bad(f"track['{name}']", pair, "a pair (source, rate)", kind=InvalidType)
        result[name] = Track(*pair)
    return result
