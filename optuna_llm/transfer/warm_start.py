"""warm_start: a new study begins with the best of earlier ones, whatever its sampler is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from optuna_llm.history.attributes import RATIONALE_KEY
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.attributes import TRANSFERRED_KEY
from optuna_llm.history.attributes import shorten
from optuna_llm.history.study_store import check_study
from optuna_llm.transfer.plan import Transfer
from optuna_llm.transfer.plan import plan


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.prior import Scale


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def warm_start(
    study: Study,
    sources: Any,
    *,
    n: int = 5,
    search_space: Mapping[str, BaseDistribution] | None = None,
    rename: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    n_trials: int | None = None,
    scale: tuple[Scale | Mapping[str, float], Scale | Mapping[str, float]] | None = None,
) -> Transfer:
    """Let a study begin with the best trials of earlier ones; its space may have changed.

    The trials are enqueued, so this works with every sampler. They are the best trial of each
    source, the newest source first, then good ones that differ; never nearly the same twice, nor
    what the study has run already. The second one has the usual values, where most parameters are
    well known: a search without sources would begin with them.

    Values are matched by name, by ``rename``, and by the meaning of well-known hyperparameters
    (``eta`` is ``learning_rate``, ``log_lr`` its logarithm). They go through native units: snapped
    to steps, clipped where they are nearly inside, and left to the sampler where they are not
    legal any more; nothing illegal is enqueued. Each source counts by its own directions and
    ranks. Every transferred trial has the user attribute ``llm:transferred``, which says where it
    comes from.

    .. testcode::

        import optuna
        from optuna.distributions import FloatDistribution
        from optuna_llm import warm_start


        def objective(trial: optuna.Trial) -> float:
            return (trial.suggest_float("eta", 1e-3, 1.0, log=True) - 0.1) ** 2


        old = optuna.create_study(study_name="march")
        old.optimize(objective, n_trials=20)
        new = optuna.create_study(study_name="april")
        space = {"learning_rate": FloatDistribution(1e-4, 1.0, log=True)}
        print(warm_start(new, old, search_space=space))

    Args:
        study: The new study.
        sources: One source or a list of them: a study, ``(name, storage)``, a list of trials, a
            DataFrame (as of ``study.trials_dataframe()``, or a column for each parameter and one
            named ``value``), or the path of a CSV file with such columns. The newest comes first;
            where a source has no dates, the first one counts as the newest. ``"auto"``: studies
            of the same storage with the same user attribute ``llm:family``, or whose names differ
            only in a number, a date or a version at the end.
        n: How many trials to begin with at most.
        search_space: The distributions of the new study; those of its trials if it has any.
        rename: Names in the new study by names in the sources.
        fixed: Values of parameters where they are not parameters. Of a new one, what the sources'
            code used: it is enqueued. Of one that is gone, what the new code uses: only trials
            like that count.
        n_trials: How many trials the new study will have: a fifth of them at most is enqueued.
        scale: The sizes of the small problem that the sources have tuned and of the large one
            that this study tunes, such as ``({"width": 128}, {"width": 1024})``; each a
            :class:`~optuna_llm.Scale` or a mapping. Values move by the rules of the embedded
            prior, which the result names with their sources.

    Returns:
        What was transferred; printed, it is a table of how the sources fit, and of the trials.

    Raises:
        ConfigurationError: An argument is wrong, a source cannot be read, or nobody knows the
            search space. A source without use (empty, of other objectives, no common parameter) is
            none: a warning says why it is left aside.
    """
    check_study(study)
    transfer = plan(
        study,
        sources,
        n=n,
        search_space=search_space,
        rename=rename,
        fixed=fixed,
        n_trials=n_trials,
        scale=scale,
    )
    for reason in transfer.unused:
        _logger.warning(f"Not transferred: {reason}")
    for start in transfer.starts:
        labels = {SOURCE_KEY: "enqueued", RATIONALE_KEY: "The usual values, for comparison."}
        if start.point is not None:
            labels[TRANSFERRED_KEY] = start.origin
            labels[RATIONALE_KEY] = shorten(f"Transferred from {start.origin}.")
        study.enqueue_trial(start.params, user_attrs=labels)
    return transfer
