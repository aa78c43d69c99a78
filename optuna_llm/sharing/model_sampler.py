"""The frame of the samplers that ask a language model: the model, its budget, its failures.

How a study begins, and what happens when the model cannot be used, stand here.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Protocol

import optuna

from optuna_llm.chat import Budget
from optuna_llm.chat import Cassette
from optuna_llm.chat import Ledger
from optuna_llm.chat import connect
from optuna_llm.chat import is_none
from optuna_llm.chat import time_limits
from optuna_llm.errors import CassetteMissError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.expectations.knowledge import Knowledge
from optuna_llm.expectations.knowledge import OfTheModel
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.note import SaveNote
from optuna_llm.history.origin import Origin
from optuna_llm.history.queue import Queue
from optuna_llm.history.study_store import StudyStore
from optuna_llm.history.study_store import check_study
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prompts import AnonymousView
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import View
from optuna_llm.prompts.proposal import MIN_TOKEN_BUDGET
from optuna_llm.sharing.assistant import Assistant
from optuna_llm.sharing.assistant import Exchange
from optuna_llm.sharing.checks import check_file
from optuna_llm.sharing.checks import checked_count
from optuna_llm.sharing.checks import checked_docs
from optuna_llm.sharing.checks import checked_flag
from optuna_llm.sharing.checks import checked_prior
from optuna_llm.sharing.checks import checked_seed
from optuna_llm.sharing.checks import checked_space
from optuna_llm.sharing.checks import shown
from optuna_llm.sharing.given import Given
from optuna_llm.sharing.hybrid import HybridSampler
from optuna_llm.sharing.narration import tell_answer
from optuna_llm.sharing.options import Model
from optuna_llm.sharing.options import SharedArguments
from optuna_llm.sharing.options import with_defaults
from optuna_llm.sharing.proposal import Proposal
from optuna_llm.sharing.proposal import Turn
from optuna_llm.sharing.turns import STARTUP_SHARE
from optuna_llm.sharing.turns import is_turn


if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial
    from typing_extensions import Unpack

    from optuna_llm.chat import Message
    from optuna_llm.chat import Spending
    from optuna_llm.space.search_space import SearchSpace


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# What no later request can mend, and a user wants to know at once.
_WRONG_SET_UP = (ModelSetupError, MissingExtraError, ConfigurationError)


class DefaultBase(Protocol):
    """Makes a base sampler, such as the class :class:`optuna_llm.CQRSampler`."""

    def __call__(
        self,
        *,
        search_space: Mapping[str, BaseDistribution] | None,
        prior: EmbeddedPrior,
        knowledge: Sequence[Knowledge],
        sources: Any,
        n_trials: int | None,
        seed: int | None,
    ) -> BaseSampler:
        """Return the sampler of a study whose space may be announced, and what is known of it."""


class ModelSampler(HybridSampler, abc.ABC):
    """A hybrid sampler whose proposer is a language model; the frame of those that users meet.

    Args:
        model: The model; see :class:`~optuna_llm.sharing.options.SharedArguments`.
        n_startup_trials: Number of trials that count as start-up.
        n_candidates: Configurations asked for in one request.
        prompt_tokens: Token budget of what a prompt tells of the history.
        **shared: See :class:`~optuna_llm.sharing.options.SharedArguments`.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.MissingExtraError: ``notes`` without Optuna Dashboard.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    # Makes the base sampler where none is given.
    _default_base: ClassVar[DefaultBase]
    # Returns what saves a note with a trial, or raises MissingExtraError.
    _note_writer: ClassVar[staticmethod[[], SaveNote]]
    # The model's share of the trials while the base sampler still knows nothing.
    _startup_share = STARTUP_SHARE

    def __init__(
        self,
        model: Model,
        n_startup_trials: int,
        n_candidates: int,
        prompt_tokens: int,
        **shared: Unpack[SharedArguments],
    ) -> None:
        given = with_defaults(type(self).__name__, shared)
        told = Task.of(given["task"]).with_budget(given["n_trials"])
        docs = checked_docs(given["param_docs"])
        self._prompt = PromptOptions(
            task=told,
            param_docs=docs,
            token_budget=checked_count("prompt_tokens", prompt_tokens, MIN_TOKEN_BUDGET, 10**8),
        )
        self._anonymize = checked_flag("anonymize", given["anonymize"])
        if self._anonymize:
            self._prompt = replace(self._prompt, task=Task(n_trials=told.n_trials), param_docs={})
        space, seed = checked_space(given["search_space"]), checked_seed(given["seed"])
        self._prompt = replace(self._prompt, is_announced=bool(space))
        prior = checked_prior("prior", given["prior"]).within(told.context, told.scale)
        base = given["base_sampler"]
        if base is None:
            base = self._default_base(
                search_space=space,
                prior=prior,
                knowledge=[OfTheModel()],
                sources=given["sources"],
                n_trials=told.n_trials,
                seed=seed,
            )
        elif given["sources"] is not None:
            raise ConfigurationError(
                f"{shown('sources', given['sources'])}: only the default base sampler learns from"
                " sources; give them to your own one, such as CQRSampler(sources=...), or call"
                " warm_start."
            )
        super().__init__(
            base_sampler=base,
            given=Given(space, given["known_good"], docs, is_whole=True),
            prior=prior,
            n_startup_trials=n_startup_trials,
            seed=seed,
            on_error=given["on_error"],
            save_note=self._note_writer() if checked_flag("notes", given["notes"]) else None,
        )
        self._n_candidates = checked_count("n_candidates", n_candidates, 1)
        max_output_tokens = given["max_output_tokens"]
        if max_output_tokens is not None:
            max_output_tokens = checked_count("max_output_tokens", max_output_tokens, 1, 10**8)
        timeout, deadline = time_limits(model, given["timeout"], given["deadline"])
        chat_model = connect(
            model,
            model_name=given["model_name"],
            base_url=given["base_url"],
            api_key=given["api_key"],
            temperature=given["temperature"],
            timeout=timeout,
            deadline=deadline,
            max_retries=given["max_retries"],
            extra_body=given["extra_body"],
            prices=given["prices"],
        )
        budget = Budget(
            given["max_requests"], given["max_tokens"], given["max_cost"], given["max_seconds"]
        )
        cassette = given["cassette"]
        if cassette is not None:
            if not isinstance(cassette, Cassette):
                check_file("cassette", cassette)
                cassette = Cassette(cassette)
            recorded = cassette.models()
            if model is None and recorded and getattr(chat_model, "name", None) not in recorded:
                chat_model = None  # Nobody has asked for another model than the recorded one.
            if chat_model is not None or recorded or not cassette.needs_model:
                chat_model = cassette.wrap(chat_model, prices=given["prices"])
        self._assistant: Assistant | None = None
        if chat_model is None and not is_none(model):
            kind = type(self).__name__
            _logger.warning(
                f"{kind} has no language model and proposes with its embedded prior. To use"
                f' one, pass a name such as {kind}("gpt-5-mini") or {kind}("ollama/qwen3"), or'
                f' set OPTUNA_LLM_MODEL or a provider\'s key; {kind}("none") says that there is'
                " to be none."
            )
        if chat_model is not None:
            self._assistant = Assistant(chat_model, budget, max_output_tokens, deadline=deadline)

    def spending(self, study: optuna.Study) -> Spending:
        """Return what all workers have spent on a study: requests, tokens, money and time.

        Without a model that is nothing, or what earlier runs with a model have spent.
        """
        check_study(study)
        if self._assistant is None:
            return Ledger(StudyStore(study)).totals()
        return self._assistant.ledger(study).totals()

    # ---- what else it may be asked for

    @property
    def writes(self) -> bool:
        """Whether the model may be asked for texts: there is one, and it may see names."""
        return self._assistant is not None and not self._anonymize

    @property
    def task(self) -> Task:
        """What the user has said about the problem, as far as the model may know it."""
        return self._prompt.task

    @property
    def model_name(self) -> str:
        """The model's name; empty without one."""
        return "" if self._assistant is None else self._assistant.model.name

    def write(self, study: optuna.Study, messages: Sequence[Message]) -> str:
        """Ask the model for a text, within the budget of the study.

        Args:
            study: The study.
            messages: What to ask.

        Raises:
            OptunaLLMError: The budget is used up, or the model has not answered; only a wrong
                set-up at the first request, or any error with ``on_error="raise"``, is meant to
                end the run, and has ``is_final`` set.
        """
        assert self._assistant is not None
        first = not self._assistant.has_answered
        try:
            text = self._assistant.ask(self._assistant.ledger(study), messages, None).text
        except OptunaLLMError as error:
            error.is_final = first and isinstance(error, _WRONG_SET_UP)
            error.is_final |= self._on_error == "raise" or isinstance(error, CassetteMissError)
            raise
        self._assistant.has_answered = True
        return text

    # ---- what subclasses say

    @abc.abstractmethod
    def _request(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any], ahead: int = 0
    ) -> Callable[[], Exchange]:
        """Write the prompt that asks for candidates; calling the result asks the model.

        Args:
            turn: The trial.
            assistant: The model.
            base_params: What the trial itself runs; empty where the answer is to say so.
            ahead: 1 if the answer is for the next trial.
        """

    # ---- how a study begins

    def _from_design(self, turn: Turn) -> Proposal | None:
        """Ask for the zero-shot batch together with the first trial, if the space is known.

        A wrong set-up shows here, before the first expensive evaluation.
        """
        design = super()._from_design(turn)
        if design is None or turn.position > 0 or len(turn.space) == 0 or self._assistant is None:
            return design
        exchange = self._exchange(turn, self._assistant, design.params)
        if exchange.error is not None:
            self._report(turn, exchange.error)
        batch = exchange.candidates
        return replace(
            design,
            cost=exchange.spent(self._assistant.model.name),
            queue=Queue.holding(turn.space, batch, asked=len(batch)),
            statement=exchange.statement,
        )

    def _waiting_candidates(self, turn: Turn) -> list[Candidate]:
        """Return what is left of the zero-shot batch while the study is in start-up."""
        if not self._in_startup(turn.history):
            return []
        for o in reversed(turn.history.observations):
            batch = o.queue.waiting(turn.space)
            if batch:
                # Each of the model's turns begins with another one: workers that draw from the
                # batch at the same moment do not see each other's choice.
                coming = range(o.number + 1, turn.trial.number)
                first = sum(is_turn(n, self._startup_share) for n in coming) % len(batch)
                batch = batch[first:] + batch[:first]
                return [c for c in batch if not turn.tried.hold(c.params)]
        return []

    # ---- what is told

    def _write(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        proposal: Proposal,
        space: SearchSpace | None = None,
    ) -> None:
        super()._write(study, trial, proposal, space)
        if proposal.cost.requests:
            tell_answer(trial.number, proposal, self.spending(study))

    def _untried_usual(
        self, turn: Turn, view: View, begun: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the usual values of parameters that apply together, if they were not run yet.

        Args:
            turn: The trial.
            view: The study as the model is shown it.
            begun: What this trial runs; empty while that is open.
        """
        space = turn.space
        active = turn.outlook.active(self._prior.default(space.distributions))
        usual = self._prior.default({n: space.distributions[n] for n in active})
        tried = turn.tried.and_also(begun) if begun else turn.tried
        return None if tried.repeats(usual) else view.hide(usual)

    # ---- the model

    def _view(self, turn: Turn) -> View:
        """Return the study as the model may see it; prompts are written from nothing else."""
        view = AnonymousView if self._anonymize else View
        return view(turn.space, turn.history)

    def _exchange(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any]
    ) -> Exchange:
        """Ask for candidates, or take the answer that was asked for in the background."""
        exchange = assistant.collect(turn.study)
        if exchange is not None:
            # Ranges may have changed since it was asked for.
            exchange = exchange.legal(turn.space)
        else:
            first = not assistant.has_answered
            exchange = self._request(turn, assistant, base_params)()
            if first and isinstance(exchange.error, _WRONG_SET_UP):
                raise exchange.error
        if exchange.error is not None:
            self._raise_if_strict(exchange.error)
        return exchange

    def _raise_if_strict(self, error: Exception) -> None:
        # A cassette without the reply would turn a replay into another search.
        if self._on_error == "raise" or isinstance(error, CassetteMissError):
            raise error

    def _without_model(self, turn: Turn, cost: Cost, why: str) -> Proposal:
        """Return another proposal on a turn of the model that cannot be used."""
        other = self._from_prior(turn) if self._in_startup(turn.history) else None
        if other is None:
            why = f"{self._base} proposed, because {why}."
            return self._from_base(turn, "fallback", why, cost=cost)
        why = f"The embedded prior proposed, near the usual values, because {why}."
        return Proposal(other.params, Origin("fallback", why), cost)

    def _report(self, turn: Turn, error: Exception | None) -> None:
        """Say once that the model cannot be used, and once that it answers again."""
        asked = (o.cost for o in reversed(turn.history.observations))
        last = next((r for r in asked if r.model is not None and r.error != "paused"), None)
        was_away = last is not None and last.error is not None
        if error is not None and not was_away:
            other = "the embedded prior" if self._in_startup(turn.history) else self._base
            _logger.warning(
                f"Trial {turn.trial.number}: the language model cannot be used, {other}"
                f" proposes instead. {error}"
            )
        elif error is None and was_away:
            _logger.info(f"Trial {turn.trial.number}: the language model answers again.")
