"""New versions of a function by a language model: when it is its turn, and what it writes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm.code.source import Source
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.history.births import Birth
from optuna_llm.history.births import births_in
from optuna_llm.history.history import History
from optuna_llm.history.versions import Stored
from optuna_llm.history.versions import number_in
from optuna_llm.history.versions import stored_choice
from optuna_llm.history.versions import versions_of
from optuna_llm.prompts.new_version import Contract
from optuna_llm.prompts.new_version import Tried
from optuna_llm.prompts.new_version import Unranked
from optuna_llm.prompts.new_version import correction_messages
from optuna_llm.prompts.new_version import version_messages
from optuna_llm.prompts.text import Results
from optuna_llm.replies.source import read_source
from optuna_llm.sharing.model_sampler import ModelSampler
from optuna_llm.sharing.turns import INITIAL_SHARES
from optuna_llm.sharing.turns import WINDOW
from optuna_llm.sharing.turns import earned_share
from optuna_llm.sharing.turns import is_left_alone
from optuna_llm.sharing.turns import is_turn


if TYPE_CHECKING:
    from optuna import Trial

    from optuna_llm.chat import Message
    from optuna_llm.history.history import Observation


class TwinError(ConfigurationError):
    """A version does the same as a known one.

    Args:
        number: Of the known one.
        by_results: Whether it returns the same, else it is written alike.
    """

    def __init__(self, number: int, *, by_results: bool) -> None:
        alike = "both return the same on all examples"
        if not by_results:
            alike = "they differ in names, comments, numbers and ranges at most"
        super().__init__(f"it does the same as version {number}: {alike}")
        self.number = number


@dataclass(frozen=True)
class Written:
    """What came of a turn of the model.

    Attributes:
        source: The new version; None where it has written none that can be run.
        birth: What is to be stored of it.
    """

    source: Source | None
    birth: Birth


@dataclass(frozen=True)
class Writer:
    """A model that writes versions of one function for one trial.

    Attributes:
        trial: The trial, running.
        contract: What a version has to keep.
        name: Name of the function.
        known: The versions so far.
        check: Returns a version's source, or raises ConfigurationError where it is none, and
            TwinError where it is known.
        tuned: Returns a version's source with the numbers of some parameters.
    """

    trial: Trial
    contract: Contract
    name: str
    known: Mapping[int, Stored]
    check: Callable[[str], Source]
    tuned: Callable[[str, int, Mapping[str, float]], str]

    def written(self) -> Written | None:
        """Return a new version, if it is the model's turn; else None."""
        sampler, number = self.trial.study.sampler, self.trial.number
        if not isinstance(sampler, ModelSampler) or not sampler.writes or not self.known:
            return None
        frozen = self.trial.study._storage.get_trial(self.trial._trial_id)
        history = History.from_study(self.trial.study, frozen)
        births = births_in([o.trial for o in history.observations], self.name)
        asked = {n: born for n, born in births.items() if born.by == "llm"}
        if not is_turn(number, self._share(history, asked)):
            return None
        away = [(n, born.is_away) for n, born in sorted(asked.items(), reverse=True)]
        if is_left_alone(away, number):
            return None
        return self._asked(sampler, history, asked)

    def _share(self, history: History, asked: Mapping[int, Birth]) -> float:
        """Return the share of the trials that the model's versions have earned for new ones."""

        def is_own(o: Observation) -> bool:
            return o.number in asked and not asked[o.number].error

        recent = self.trial.number - WINDOW
        n_refused = sum(
            1 for n, born in asked.items() if n >= recent and born.error and not born.is_away
        )
        return earned_share(
            history, is_own, lambda o: o.number not in asked, INITIAL_SHARES["llm"], n_refused
        )

    def _asked(
        self, sampler: ModelSampler, history: History, asked: Mapping[int, Birth]
    ) -> Written:
        """Ask for a version, and once more where the first one cannot be run."""
        tried = self._tried(history)
        wanted = ", ".join(Results(history).direction(i) for i in range(len(history.directions)))
        request = version_messages(
            sampler.task, wanted, self.contract, tried, self._unranked(history, asked, tried)
        )
        best = tried[-1].number if tried else min(self.known)
        birth = Birth(parent=best, by="llm", model=sampler.model_name)
        messages: list[Message] = request
        for _ in range(2):
            try:
                reply = sampler.write(self.trial.study, messages)
            except OptunaLLMError as error:
                if error.is_final:
                    raise
                return Written(None, birth.refused(str(error), is_away=True))
            text, reason = read_source(reply, self.name)
            try:
                if not text:
                    raise ConfigurationError(f"it holds no function {self.name!r}")
                return Written(self.check(text), birth.for_reason(reason))
            except ConfigurationError as error:
                birth = birth.refused(str(error))
                twin = self._compared(tried, error)
                messages = correction_messages(request, reply, str(error), twin)
        return Written(None, birth)

    def _tried(self, history: History) -> list[Tried]:
        """Return the versions that have results, from worst to best."""
        results = Results(history)
        found: dict[int, Tried] = {}
        for o in history.ranking:
            if o.values is None or stored_choice(o.trial, self.name) is None:
                continue
            number = number_in(o.trial, self.name)
            if number in found or number not in self.known:
                continue
            states = [t.state for t in history.observations if _runs(t, self.name, number)]
            source = self.tuned(self.known[number].value, number, o.trial.params)
            n_failed = states.count(TrialState.FAIL)
            found[number] = Tried(number, source, results.named(o), len(states), n_failed)
        return list(reversed(found.values()))

    def _compared(self, tried: Sequence[Tried], error: ConfigurationError) -> Tried | None:
        """Return the version that a refused one equals, as the model has seen it if it has."""
        if not isinstance(error, TwinError):
            return None
        as_written = Tried(error.number, self.known[error.number].value, "", 0)
        return next((t for t in tried if t.number == error.number), as_written)

    def _unranked(
        self, history: History, asked: Mapping[int, Birth], tried: Sequence[Tried]
    ) -> list[Unranked]:
        """Return the versions without a result and those refused, the newest last."""
        found = {
            n: Unranked(None, born.error)
            for n, born in asked.items()
            if born.error and not born.is_away
        }
        for o in history.failures_of_parameters:
            queued = o.trial.system_attrs.get("fixed_params", {}).get(self.name)
            if isinstance(queued, str) and self.name not in o.trial.params:
                found[o.number] = Unranked(None, o.failure)
        ranked = {t.number for t in tried}
        for number in versions_of([o.trial for o in history.observations], self.name):
            if number not in ranked:
                found[number] = Unranked(number, self._why_unranked(history, number))
        return [found[n] for n in sorted(found)]

    def _why_unranked(self, history: History, number: int) -> str:
        if number not in self.known:
            return "it does not keep what is asked for today"
        trials = [o for o in history.observations if _runs(o, self.name, number)]
        failed = [o.failure for o in trials if o.state == TrialState.FAIL]
        if failed:
            return f"failed: {failed[-1]}"
        is_running = not all(o.state.is_finished() for o in trials)
        return "still running" if is_running or not trials else "stopped before its end"


def _runs(o: Observation, name: str, number: int) -> bool:
    return bool(o.trial.params.get(name) == number)
