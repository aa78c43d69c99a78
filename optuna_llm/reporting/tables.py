"""A study in numbers for people: what each proposer brought, and what the language model used."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
import math
import statistics
from typing import Any
from typing import Literal
from typing import get_args

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_llm.history.attributes import RATIONALE_KEY
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.attributes import shorten
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.origin import SOURCES
from optuna_llm.history.origin import Source
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number


# "other": a sampler that writes no record, for example one of Optuna's own.
Proposer = Source | Literal["other"]
PROPOSERS: tuple[Proposer, ...] = (*get_args(Source), "other")
LABELS: dict[Proposer, str] = {
    "prior": "prior knowledge",
    "llm": "language model",
    "agent": "agent",
    "base": "statistical sampler",
    "fallback": "fallback",
    "enqueued": "enqueued",
    "other": "other sampler",
}


@dataclass(frozen=True)
class SourceSummary:
    """What one proposer brought.

    Attributes:
        proposer: One of :data:`PROPOSERS`.
        trials: Number of its trials, running ones included.
        improvements: How many of them beat everything before them, see :func:`improvements`.
        infeasible_share: Share of its complete trials that break a constraint; None if none is
            complete.
        failure_share: Share of its finished trials that failed; None if none is finished.
        median_rank: Median rank, 1 is best, among complete and pruned trials; None without any.
        best: Its best feasible value as the objective returned it; None without one, and in a
            study with several objectives.
        median_regret: Median distance of its feasible values from the best one of the study; None
            as for ``best``.
        tokens: Prompt and completion tokens of the requests for its trials.
        cost: Price of these tokens; None if no price is known.
    """

    proposer: Proposer
    trials: int
    improvements: int
    failure_share: float | None
    infeasible_share: float | None
    median_rank: float | None
    best: float | None
    median_regret: float | None
    tokens: int
    cost: float | None


@dataclass(frozen=True)
class ModelUse:
    """What the language model has used, over all trials.

    Attributes:
        models: Names of the models that were asked.
        requests, prompt_tokens, completion_tokens, seconds: Sums.
        cost: Sum of the costs that are known, in the currency of the prices; None where none is.
        errors: Number of trials for which a request failed.
    """

    models: tuple[str, ...]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float
    errors: int


def proposer(observation: Observation) -> Proposer:
    """Return who proposed a trial."""
    label = observation.trial.user_attrs.get(SOURCE_KEY)
    return label if label in SOURCES else "other"


def rationale(observation: Observation) -> str:
    """Return why a trial was proposed, as far as its sampler has said it."""
    return str(observation.trial.user_attrs.get(RATIONALE_KEY, ""))


def is_infeasible(observation: Observation) -> bool:
    """Return whether a trial breaks a constraint, or has one that is not a number."""
    return not observation.violation <= 0


def has_constraints(history: History) -> bool:
    """Return whether any trial of the study has constraints."""
    return any(o.constraints for o in history.observations)


def by_proposer(observations: Iterable[Observation]) -> dict[Proposer, list[Observation]]:
    """Return the trials of each proposer that has any, in the order of :data:`PROPOSERS`."""
    groups: dict[Proposer, list[Observation]] = {name: [] for name in PROPOSERS}
    for o in observations:
        groups[proposer(o)].append(o)
    return {name: group for name, group in groups.items() if group}


def improvements(history: History) -> list[Observation]:
    """Return the trials that beat everything before them, by number; the first one does, too.

    With one objective these are the new best values, with several the new points of the Pareto
    front. Infeasible trials do not count.
    """
    front: list[tuple[float, ...]] = []
    found = []
    for o in history.complete:
        if o.values is None or is_infeasible(o) or any(_no_worse(f, o.values) for f in front):
            continue
        found.append(o)
        front = [f for f in front if not _no_worse(o.values, f)] + [o.values]
    return found


def _no_worse(values: Sequence[float], others: Sequence[float]) -> bool:
    return all(v <= w for v, w in zip(values, others, strict=True))


def summarize_sources(history: History) -> list[SourceSummary]:
    """Return what each proposer brought, in the order of :data:`PROPOSERS`."""
    ranks = {o.number: rank for rank, o in enumerate(history.ranking, start=1)}
    improved = {o.number for o in improvements(history)}
    summaries = []
    for name, trials in by_proposer(history.observations).items():
        failures = [o.state == TrialState.FAIL for o in trials if o.state.is_finished()]
        infeasible = [is_infeasible(o) for o in trials if o.values is not None]
        own_ranks = [ranks[o.number] for o in trials if o.number in ranks]
        values = [] if history.is_multi_objective else _feasible_values(trials)
        use = _model_use(o.cost for o in trials)
        summaries.append(
            SourceSummary(
                name,
                trials=len(trials),
                improvements=sum(o.number in improved for o in trials),
                failure_share=statistics.mean(failures) if failures else None,
                infeasible_share=statistics.mean(infeasible) if infeasible else None,
                median_rank=statistics.median(own_ranks) if own_ranks else None,
                best=trials[0].signs[0] * min(values) if values else None,
                median_regret=(
                    statistics.median(values) - min(_feasible_values(history.complete))
                    if values
                    else None
                ),
                tokens=use.prompt_tokens + use.completion_tokens,
                cost=use.cost,
            )
        )
    return summaries


def _feasible_values(observations: Iterable[Observation]) -> list[float]:
    """Return the first objective's finite values of feasible trials, lower is better."""
    values = (o.values[0] for o in observations if o.values is not None and not is_infeasible(o))
    return [v for v in values if math.isfinite(v)]


def summarize_model_use(history: History) -> ModelUse:
    """Return what the language model has used, as the trials' records say."""
    return _model_use(o.cost for o in history.observations)


def _model_use(given: Iterable[Cost]) -> ModelUse:
    records = list(given)
    costs = [r.cost for r in records if r.cost is not None]
    return ModelUse(
        models=tuple(sorted({r.model for r in records if r.model and r.requests})),
        requests=sum(r.requests for r in records),
        prompt_tokens=sum(r.prompt_tokens for r in records),
        completion_tokens=sum(r.completion_tokens for r in records),
        cost=sum(costs) if costs else None,
        seconds=sum(r.seconds for r in records),
        errors=sum(r.request_failed for r in records),
    )


def objective_labels(history: History) -> list[str]:
    """Return for each objective its name and direction."""
    return [
        f"{name} ({'maximized' if d == StudyDirection.MAXIMIZE else 'minimized'})"
        for name, d in zip(history.metric_names, history.directions, strict=True)
    ]


def show_value(value: Any) -> str:
    """Show a parameter's value in short: four significant digits, at most 40 characters."""
    if is_number(value):
        return format_number(value)
    return shorten(str(value), 40)


def columns(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Return rows as lines for a terminal, their cells one below the other.

    Args:
        rows: The cells, as many in each row.
        width: Characters of a line; in a terminal that is too narrow, and with headings in the
            first row, each cell of the others gets a line. None: as many as it takes.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if width is None or len(rows) < 2 or max(map(len, lines)) <= width:
        return lines
    heads = rows[0]
    return [
        line
        for row in rows[1:]
        for line in (
            f"  {heads[0]} {row[0]}",
            *(f"    {h} {c}" for h, c in zip(heads[1:], row[1:], strict=True) if c),
        )
    ]
