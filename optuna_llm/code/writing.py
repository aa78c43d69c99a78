"""New versions of a function by a language model: when it is its turn, and what it writes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna_llm.code.source import Source
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.history.births import Birth
from optuna_llm.history.births import births_in
from optuna_llm.history.history import History
from optuna_llm.history.versions import Stored
from optuna_llm.history.versions import number_in
from optuna_llm.history.versions import stored_choice
from optuna_llm.prompts.new_version import Contract
from optuna_llm.prompts.new_version import Tried
from optuna_llm.prompts.new_version import version_messages
from optuna_llm.prompts.proposal import repair_messages
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


_MAX_FAILURES = 3


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
        check: Returns a version's source, or raises ConfigurationError where it is none or known.
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
        failures = [born.error for born in asked.values() if born.error and not born.is_away]
        failures += [
            o.failure for o in history.failed if o.trial.params.get(self.name) == o.number
        ]
        request = version_messages(
            sampler.task, wanted, self.contract, tried, failures[-_MAX_FAILURES:]
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
                messages = repair_messages(request, reply, [str(error)])
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
            count = sum(1 for other in history.observations if _runs(other, self.name, number))
            source = self.tuned(self.known[number].value, number, o.trial.params)
            found[number] = Tried(number, source, results.named(o), count)
        return list(reversed(found.values()))


def _runs(o: Observation, name: str, number: int) -> bool:
    return bool(o.trial.params.get(name) == number)
