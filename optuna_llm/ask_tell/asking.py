"""What to try next: trials to run, suggestions to weigh, configurations to judge."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.ask_tell.telling import COMMENT_KEY
from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.judgement import Judgement
from optuna_llm.expectations.judgement import judge as judged
from optuna_llm.history.attributes import RATIONALE_KEY
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.attributes import shorten
from optuna_llm.history.stored import storage_errors
from optuna_llm.history.suggestions import waiting
from optuna_llm.sharing.given import checked_against
from optuna_llm.sharing.given import fixed_params


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optuna_llm.ask_tell.desk import Desk
    from optuna_llm.history.history import History
    from optuna_llm.history.history import Observation


MAX_ASKED = 100


def ask(desk: Desk, n: int = 1) -> dict[str, Any]:
    """Begin trials, and say what to run in them.

    Args:
        desk: The study.
        n: How many trials.

    Returns:
        ``proposals``: for each trial ``trial`` (its number), ``params``, ``source`` (who proposes
        it), ``why``, and what is expected of it, as :func:`judge` says it.

    Raises:
        ConfigurationError: The study has no space, or ``n`` is none.
        StorageError: The storage does not answer.
    """
    if not 1 <= n <= MAX_ASKED:
        raise ConfigurationError(f"n={n} trials are not possible; ask for 1 to {MAX_ASKED}")
    with storage_errors():
        trials = desk.begin(n)
        whole = desk.history()
        numbers = {t.number for t in trials}
        begun = [o for o in whole.observations if o.number in numbers]
        # What runs is taken for observed: nothing would be expected of it any more.
        others = tuple(o for o in whole.observations if o.number not in numbers)
        history = replace(whole, observations=others)
        found = judged(desk.space(history), history, [o.trial.params for o in begun])
    return {
        "proposals": [
            {
                "trial": o.number,
                "params": dict(o.trial.params),
                **_origin(o.trial),
                **_expectation(j, history),
            }
            for o, j in zip(begun, found, strict=True)
        ]
    }


def judge(desk: Desk, configurations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what the surrogate of the study expects of configurations; nothing is stored.

    Args:
        desk: The study.
        configurations: Native values by name; whole ones are judged best.

    Returns:
        ``judgements``, one for each: ``params``; ``verdict``: ``worth a trial``, ``vetoed`` or
        ``too early`` (to tell); ``why``; ``expected``: quantiles 0.1, 0.5 and 0.9 of each
        objective; ``risk``: the probability to fail; ``feasible``: that to meet all constraints;
        ``nearest``: the finished trial that is most like it; ``rank`` of ``of``: its place
        among the sampler's own candidates.

    Raises:
        ConfigurationError: A configuration is not legal, or nothing is known of the parameters.
        StorageError: The storage does not answer.
    """
    with storage_errors():
        history = desk.history()
    space = desk.space(history)
    checked = _checked(desk, configurations, history)
    return {
        "judgements": [
            {"params": dict(j.params), "verdict": j.verdict, "why": j.why}
            | _expectation(j, history)
            for j in judged(space, history, checked)
        ]
    }


def enqueue(
    desk: Desk, configurations: Sequence[Mapping[str, Any]], why: str = "", *, must: bool = False
) -> dict[str, Any]:
    """Leave suggestions of an agent for coming trials.

    They wait for the turns that the agent has earned, and can be vetoed there.

    Args:
        desk: The study.
        configurations: Native values by name. What is missing the sampler fills in.
        why: The reason, kept with the trials that run them.
        must: Run them in the next trials whatever is expected of them. They count as the user's,
            not as the agent's.

    Returns:
        ``enqueued``: names of the suggestions, or nothing with ``must``; ``repeated``: those of
        them that were tried before and so are not run, if any; ``waiting``: how many suggestions
        wait now; ``share``: the share of coming trials that the agent has.

    Raises:
        ConfigurationError: A configuration is not legal, or nothing is known of the parameters.
        StorageError: The storage does not answer.
    """
    with storage_errors():
        names: list[str] = []
        checked = _checked(desk, configurations, desk.history())
        if must:
            for params in checked:
                attributes = {COMMENT_KEY: shorten(why)} if why else None
                desk.study.enqueue_trial(params, user_attrs=attributes)
        else:
            names = desk.sampler.suggest(desk.study, *checked, why=why)
        found = desk.sampler.suggestions(desk.study)
        share = round(desk.sampler.share(desk.study), 2)
    tried = [s.name for s in found if s.fate == "repeated" and s.name in names]
    beside = {"waiting": len(waiting(found)), "share": share}
    return {"enqueued": names, **({"repeated": tried} if tried else {}), **beside}


def _checked(
    desk: Desk, configurations: Sequence[Mapping[str, Any]], history: History
) -> list[dict[str, Any]]:
    """Return configurations whose values are legal, and apply beside each other."""
    desk.space(history)  # Raises where there are no parameters yet.
    checked = checked_against("configurations", configurations, history.distributions)
    for index, params in enumerate(checked):
        desk.setup.conditions.check(f"configurations[{index}]", params)
    return checked


def _origin(trial: FrozenTrial) -> dict[str, str]:
    """Say who proposes a trial, and why."""
    attributes = trial.user_attrs
    other = "enqueued" if fixed_params(trial) else "other"
    # What a user has said of an enqueued trial comes before what the sampler says of it.
    said = (attributes.get(key, "") for key in (COMMENT_KEY, RATIONALE_KEY))
    return {"source": attributes.get(SOURCE_KEY, other), "why": " ".join(filter(None, said))}


def _expectation(j: Judgement, history: History) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if j.expected is not None:
        found["expected"] = {
            name: {str(level): value for level, value in own.items()}
            for name, own in zip(history.metric_names, j.expected, strict=True)
        }
    if j.risk is not None:
        found["risk"] = j.risk
    if j.feasible is not None:
        found["feasible"] = j.feasible
    if j.nearest is not None:
        found["nearest"] = _neighbour(j.nearest, j.distance)
    if j.rank is not None:
        found |= {"rank": j.rank, "of": j.of}
    return found


def _neighbour(o: Observation, distance: float) -> dict[str, Any]:
    told: dict[str, Any] = {"trial": o.number, "distance": distance}
    if o.values is None:
        return told | {"state": o.state.name.lower()}
    return told | {"values": [s * v for s, v in zip(o.signs, o.values, strict=True)]}
