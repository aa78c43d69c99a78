"""A run as it goes on: a line on each finished trial, or a bar in a terminal.

All of it is read from the storage, so that any worker may show it, of any sampler.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from datetime import datetime
import logging
import math
import sys
import threading
from typing import TYPE_CHECKING
from typing import Any

from optuna.trial import TrialState

from optuna_llm.chat import Ledger
from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.recorded import recorded_quantiles
from optuna_llm.history.attributes import SOURCE_KEY
from optuna_llm.history.history import History
from optuna_llm.history.settings import settings_of
from optuna_llm.history.study_store import StudyStore
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import whole_number


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from typing_extensions import Self


_LEVELS = (0.1, 0.9)
# Trials of several threads end at the same moment; callbacks may be pickled, locks may not.
_one_at_a_time = threading.Lock()
# The newest trials by whose pace the time left is told.
_PACE_OF = 20


class Progress:
    """A callback of ``study.optimize`` that shows how a run gets on.

    Of each finished trial its source, its value, and where 80 % of such values were expected
    before it; of the study the best value, what all workers have spent on the language model, of
    how much they may, and the time left. In a terminal that is a bar, elsewhere a line for each
    trial.

    Example:
        .. code-block:: python

            study.optimize(objective, n_trials=50, callbacks=[Progress(n_trials=50)])

    Args:
        show: What is called with the line of each trial, such as ``print`` or ``logger.info``;
            there is no bar then.
        n_trials: How many trials the study will have, those of other workers and of earlier runs
            included. By default what its sampler was told; where nobody has said it, neither the
            time left nor a share is shown.
        timeout: Seconds after which the run ends, as you give it to ``study.optimize``.
        bar: Whether there is a bar; None: where the standard error is a terminal.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
    """

    def __init__(
        self,
        show: Callable[[str], object] | None = None,
        *,
        n_trials: int | None = None,
        timeout: float | None = None,
        bar: bool | None = None,
    ) -> None:
        if show is not None and not callable(show):
            raise ConfigurationError(
                f"show={show!r:.80} must be a function of one text, such as print"
            )
        if n_trials is not None and (whole_number(n_trials) or 0) < 1:
            raise ConfigurationError(
                f"n_trials={n_trials!r:.80} must be a positive whole number, or None where it is"
                " not known"
            )
        if timeout is not None and not (is_number(timeout) and timeout > 0):
            raise ConfigurationError(
                f"timeout={timeout!r:.80} must be a positive number of seconds, or None"
            )
        self._show = show
        self._n_trials = n_trials
        self._timeout = timeout
        self._has_bar = show is None and (sys.stderr.isatty() if bar is None else bool(bar))
        self._began: datetime | None = None
        self._bar: _Bar | None = None

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Show what has come of a trial that has just finished."""
        if self._began is None:
            self._began = trial.datetime_start or datetime.now()
        state = _State(study, trial, self._n_trials, self._began, self._timeout)
        if not self._has_bar:
            (self._show or _say)(" | ".join(state.of_trial() + state.of_study()))
            return
        with _one_at_a_time:
            if self._bar is None:
                self._bar = _Bar(state.n_trials, state.n_finished - 1)
            self._bar.set(state.n_finished, " | ".join(state.of_study() + state.of_trial()))
        if state.n_trials is not None and state.n_finished >= state.n_trials:
            self.close()

    def write(self, text: str) -> None:
        """Print a text, above the bar if there is one."""
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text)

    def close(self) -> None:
        """Leave the bar as it is and give the terminal back; more trials begin a new one."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bar": None}


def _say(line: str) -> None:
    print(line, flush=True)


def progress_line(
    study: Study,
    trial: FrozenTrial,
    n_trials: int | None = None,
    began: datetime | None = None,
) -> str:
    """Return the line on one finished trial.

    Args:
        study: The study.
        trial: The trial.
        n_trials: How many trials the study will have; None: as its sampler was told.
        began: When this run began; None where no time is to be told.
    """
    state = _State(study, trial, n_trials, began)
    return " | ".join(state.of_trial() + state.of_study())


class _State:
    """How a study stands when a trial has finished."""

    def __init__(
        self,
        study: Study,
        trial: FrozenTrial,
        n_trials: int | None,
        began: datetime | None,
        timeout: float | None = None,
    ) -> None:
        self._study, self._trial = study, trial
        self._began, self._timeout = began, timeout
        self._history = History.from_study(study)
        runs = settings_of(study)
        self._limits = runs[-1].arguments if runs else {}
        self.n_trials = n_trials or (runs[-1].n_trials if runs else None)
        over = [o for o in self._history.observations if o.state.is_finished()]
        self._over = [o for o in over if not o.is_interrupted]

    @property
    def n_finished(self) -> int:
        """Number of finished trials, interrupted ones left out."""
        return len(self._over)

    def of_trial(self) -> list[str]:
        """Return number, source, value, and what was expected."""
        trial = self._trial
        source = str(trial.user_attrs.get(SOURCE_KEY, "other sampler"))
        parts = [f"trial {trial.number}", source]
        if trial.values is None or trial.state != TrialState.COMPLETE:
            parts.append(trial.state.name.lower())
        else:
            parts.append(", ".join(map(format_number, trial.values)))
        own = next((o for o in self._history.observations if o.number == trial.number), None)
        expected = None if own is None else recorded_quantiles(self._history, own, _LEVELS)
        if expected is not None:
            parts.append("expected {} to {}".format(*map(format_number, expected)))
        return parts

    def of_study(self) -> list[str]:
        """Return the best value, what is left of time, and what was spent on the model."""
        parts = []
        if self._history.is_multi_objective:
            parts.append(f"{len(self._history.pareto_front)} on the front")
        else:
            best = self._history.best
            if best is not None and best.violation == 0:
                assert best.trial.value is not None
                parts.append(f"best {format_number(best.trial.value)} (trial {best.number})")
        return [*parts, *self._left(), *self._spent()]

    def _left(self) -> list[str]:
        """Return how many trials are to come, and how long they and the timeout may take."""
        n_left = None if self.n_trials is None else max(self.n_trials - self.n_finished, 0)
        seconds = math.inf
        if self._began is not None:
            now = datetime.now()
            ends = sorted(
                end
                for o in self._over
                if (end := o.trial.datetime_complete) is not None and end >= self._began
            )
            ends = [self._began, *ends][-_PACE_OF - 1 :]
            if n_left is not None and len(ends) > 1:
                seconds = n_left * (ends[-1] - ends[0]).total_seconds() / (len(ends) - 1)
            if self._timeout is not None:
                passed = (now - self._began).total_seconds()
                seconds = min(seconds, max(self._timeout - passed, 0.0))
        if n_left == 0:
            return []
        parts = [] if n_left is None else [f"{n_left} to go"]
        if math.isfinite(seconds):
            parts.append(f"{_duration(seconds)} left")
        return [", ".join(parts)] if parts else []

    def _spent(self) -> list[str]:
        """Return requests, tokens and money, each with its limit where there is one."""
        spent = Ledger(StudyStore(self._study)).totals()
        if not spent.requests:
            return []

        def of(limit: str) -> str:
            most = self._limits.get(limit)
            return f" of {most:,}" if is_number(most) else ""

        failed = f", {spent.failed_requests} failed" * bool(spent.failed_requests)
        tokens = spent.prompt_tokens + spent.completion_tokens
        cost = "unknown" if spent.cost is None else f"{spent.cost:.4f}"
        parts = [
            f"{spent.requests} requests{of('max_requests')}{failed}",
            f"{tokens:,} tokens{of('max_tokens')}",
            f"cost {cost}{of('max_cost')}",
            f"{spent.seconds:.1f} s{of('max_seconds')} of waiting",
        ]
        return [", ".join(parts)]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class _Bar:
    """A bar of tqdm, which Optuna brings along; what is logged meanwhile appears above it.

    Args:
        total: How many trials there will be; None where nobody knows.
        initial: How many there were before.
    """

    def __init__(self, total: int | None, initial: int) -> None:
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        self._stack = contextlib.ExitStack()
        count = (
            "{n_fmt} trials"
            if total is None
            else "{percentage:3.0f}%|{bar:10}| {n_fmt}/{total_fmt}"
        )
        self._bar = tqdm(
            total=total,
            initial=initial,
            dynamic_ncols=True,
            bar_format=count + " [{elapsed}{postfix}]",
        )
        self._stack.callback(self._bar.close)
        self._stack.enter_context(logging_redirect_tqdm(loggers=[logging.getLogger("optuna")]))

    def set(self, n: int, text: str) -> None:
        """Show a number of trials and a text; what has no room is cut."""
        self._bar.n = n
        self._bar.set_postfix_str(text)

    def write(self, text: str) -> None:
        """Print a text above the bar."""
        self._bar.write(text)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._stack.close()
