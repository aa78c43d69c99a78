"""The verdict on a study: whether it is done, and why, whatever sampler has run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.stopping.remaining import Remaining
from optuna_llm.stopping.rules import ExpectedImprovement
from optuna_llm.stopping.rules import Finding
from optuna_llm.stopping.rules import Rule
from optuna_llm.stopping.rules import checked_count


if TYPE_CHECKING:
    from optuna import Study


MIN_TRIALS = 20
# A quarter of what was announced is always run.
_LEAST_SHARE = 0.25


@dataclass(frozen=True)
class Verdict:
    """Whether a study is done.

    Attributes:
        done: Whether it is.
        sentence: Why, for people.
        rule: Name of the rule that has decided, or that has been asked last; empty where none
            was asked.
        left: What that rule expects of further trials, in units of the objective; None where it
            expects nothing.
        worth: What that is held against, likewise.
        n_trials: Number of finished trials.
    """

    done: bool
    sentence: str
    rule: str = ""
    left: float | None = None
    worth: float | None = None
    n_trials: int = 0

    def __str__(self) -> str:
        return f"{'Done' if self.done else 'Go on'}: {self.sentence}"


def verdict(
    study: Study,
    rule: Rule | Sequence[Rule] | None = None,
    *,
    n_trials: int | None = None,
    min_trials: int = MIN_TRIALS,
) -> Verdict:
    """Return whether a study is done.

    Any sampler may have run it. A study is never done while its first ``min_trials`` trials, or a
    quarter of the announced ones, are not finished, while enqueued trials wait, or while no trial
    has met all constraints; only a :class:`~optuna_llm.stopping.Target` counts earlier.

    Args:
        study: A study with one objective.
        rule: One of those in :mod:`optuna_llm.stopping`, or several, of which any may decide; by
            default :class:`~optuna_llm.stopping.ExpectedImprovement`.
        n_trials: The announced number of trials; when they are finished, the study is done.
        min_trials: So many finished trials come first.

    Raises:
        ConfigurationError: An argument is wrong, or there are several objectives.
    """
    rules = checked_rules(rule)
    budget = checked_budget(n_trials)
    least = checked_count("min_trials", min_trials)
    return judge(study, rules, budget, least)


def judge(
    study: Study, rules: Sequence[Rule], budget: int | None, least: int, begun: int = 0
) -> Verdict:
    """Return the verdict, of checked arguments.

    Args:
        study: The study.
        rules: The rules.
        budget: The announced number of trials.
        least: So many finished trials come first.
        begun: At which of them the study was resumed.
    """
    history = History.from_study(study)
    if history.is_multi_objective:
        raise ConfigurationError(
            f"study={study.study_name!r} has {len(history.directions)} objectives; rules that stop"
            " are for one."
        )
    waiting = len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
    return _judge(history, rules, budget, least, begun, waiting)


def _judge(
    history: History,
    rules: Sequence[Rule],
    budget: int | None,
    least: int,
    begun: int = 0,
    waiting: int = 0,
) -> Verdict:
    n = sum(o.state.is_finished() for o in history.observations)
    if budget is not None and n >= budget:
        return Verdict(True, f"all {budget} announced trials are finished.", n_trials=n)
    remaining = Remaining(history) if n else None
    if remaining is None or not remaining.feasible:
        lack = "finished" if not history.complete else "met the constraints with a finite value"
        return Verdict(False, f"no trial has {lack} yet.", n_trials=n)
    if budget is not None:
        least = max(least, round(_LEAST_SHARE * (budget - begun)))
    least += begun
    early = ""
    if n < least:
        early = f"{n} trials are finished, and {least} come first."
    elif waiting:
        early = f"{waiting} enqueued trials wait."
    asked = [rule for rule in rules if rule.at_once or not early]
    found: tuple[str, Finding] = ("", Finding(False, early))
    for rule in asked:
        found = type(rule).__name__, rule(remaining)
        if found[1].done:
            break
    name, finding = found
    if not finding.done and early:
        name, finding = "", Finding(False, early)
    return Verdict(finding.done, finding.sentence, name, finding.left, finding.worth, n)


def checked_rules(rule: Any) -> tuple[Rule, ...]:
    """Return the rules; the default one where none is given."""
    rules = (ExpectedImprovement(),) if rule is None else rule
    rules = tuple(rules) if isinstance(rules, Sequence) else (rules,)
    if not rules or not all(
        callable(r) and hasattr(r, "at_once") and not isinstance(r, type) for r in rules
    ):
        raise ConfigurationError(
            f"rule={rule!r:.80} must be one of optuna_llm.stopping's rules, such as Patience(20),"
            " or several of them."
        )
    return rules


def checked_budget(n_trials: Any) -> int | None:
    """Return an announced number of trials."""
    return None if n_trials is None else checked_count("n_trials", n_trials)
