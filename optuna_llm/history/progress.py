"""How far a study has come: the share of an announced number of trials that is spent."""

from __future__ import annotations

from optuna_llm.history.history import History


def spent_share(history: History, n_trials: int | None) -> float:
    """Return the share of the announced trials that were begun before the current one.

    Trials of all states count, for each has used up one. A number that nobody has announced, or
    that the study has passed, says nothing of how much is left: then nothing counts as spent.

    Args:
        history: The study, without the current trial.
        n_trials: How many trials the study will have; None where nobody knows.

    Returns:
        0 at the beginning, below 1 at the last announced trial.
    """
    n_begun = len(history.observations)
    return n_begun / n_trials if n_trials is not None and n_begun < n_trials else 0.0
