"""One line on each finished trial: who proposed it, how good it was, what the model has cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm.chat import Ledger
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.study_store import StudyStore
from optuna_llm.space.numbers import format_number


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


class Progress:
    """A callback of ``study.optimize`` that shows a line on each finished trial.

    Source and value of the trial, the best so far, and what all workers have spent on the language
    model; all of it from the storage, so that any worker may show it, of any sampler.

    Example:
        .. code-block:: python

            study.optimize(objective, n_trials=50, callbacks=[Progress()])

        Beside a progress bar: ``Progress(show=bar.set_postfix_str)``, for ``bar = tqdm(...)``.

    Args:
        show: What is called with the line; ``print`` by default.

    Raises:
        optuna_llm.errors.ConfigurationError: ``show`` is no function.
    """

    def __init__(self, show: Callable[[str], object] = print) -> None:
        if not callable(show):
            raise ConfigurationError(
                f"show={show!r:.80} must be a function of one text, such as print"
            )
        self._show = show

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Show the line of a trial that has just finished."""
        self._show(progress_line(study, trial))


def progress_line(study: Study, trial: FrozenTrial) -> str:
    """Return the line on one finished trial."""
    parts = [f"trial {trial.number}", str(trial.user_attrs.get(SOURCE_KEY, "other sampler"))]
    if trial.values is None or trial.state != TrialState.COMPLETE:
        parts.append(trial.state.name.lower())
    else:
        parts.append(", ".join(map(format_number, trial.values)))
    if len(study.directions) > 1:
        parts.append(f"{len(study.best_trials)} on the front")
    else:
        parts += _best(study)
    spent = Ledger(StudyStore(study)).totals()
    if spent.requests:
        parts.append(str(spent))
    return " | ".join(parts)


def _best(study: Study) -> list[str]:
    try:
        best = study.best_trial
    except ValueError:  # No trial is complete, or feasible.
        return []
    assert best.value is not None
    return [f"best {format_number(best.value)} (trial {best.number})"]
