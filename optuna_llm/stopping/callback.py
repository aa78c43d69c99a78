"""The callback of `study.optimize` that stops all workers of a study when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import optuna

from optuna_llm.stopping.mark import Mark
from optuna_llm.stopping.rules import Rule
from optuna_llm.stopping.rules import checked_count
from optuna_llm.stopping.verdicts import MIN_TRIALS
from optuna_llm.stopping.verdicts import Verdict
from optuna_llm.stopping.verdicts import checked_budget
from optuna_llm.stopping.verdicts import checked_rules
from optuna_llm.stopping.verdicts import judge


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


class StopWhenDone:
    """A callback of ``study.optimize`` that stops a study when it is done, in all its workers.

    After each trial the study is judged (:func:`optuna_llm.stopping.verdict`). The first worker
    that finds it done leaves a mark in the storage, and every other one stops after the trial
    that it is at. Nothing is lost, and any sampler may be at work.

    A study that was stopped goes on with a larger ``n_trials``, or after
    :func:`optuna_llm.stopping.resume`.

    Example:
        .. code-block:: python

            study.optimize(objective, n_trials=100, callbacks=[StopWhenDone(n_trials=100)])

    Args:
        rule: One of the rules of :mod:`optuna_llm.stopping`, or several, of which any may decide;
            by default :class:`~optuna_llm.stopping.ExpectedImprovement`.
        n_trials: The announced number of trials of all workers together: a quarter of them is
            always run, and when all are finished, the study is done.
        min_trials: So many finished trials come first.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    def __init__(
        self,
        rule: Rule | Sequence[Rule] | None = None,
        *,
        n_trials: int | None = None,
        min_trials: int = MIN_TRIALS,
    ) -> None:
        self._rules = checked_rules(rule)
        self._n_trials = checked_budget(n_trials)
        self._min_trials = checked_count("min_trials", min_trials)

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Stop the study if it is done."""
        found = self.verdict(study)
        if found.done:
            _logger.info(f"The study is done after {found.n_trials} trials: {found.sentence}")
            study.stop()

    def verdict(self, study: Study, *, leave_mark: bool = True) -> Verdict:
        """Return whether a study is done, or was stopped before.

        For loops that ask and tell: call it after each trial.

        Args:
            study: The study.
            leave_mark: Whether all workers are to stop, if it is done.
        """
        before = Mark.read(study)
        mark = before.announced(self._n_trials)
        if mark.stopped is not None:
            return Verdict(True, mark.sentence, n_trials=mark.stopped)
        found = judge(study, self._rules, mark.budget, self._min_trials, mark.begun)
        if found.done:
            mark = replace(mark, stopped=found.n_trials, sentence=found.sentence)
        if leave_mark and mark != before:
            mark.write(study)
        return found
