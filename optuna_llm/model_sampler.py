"""The frame of the samplers that ask a language model: the model, its budget, its failures.

How a study begins, what happens when the model cannot be used, and all arguments that these
samplers have in common stand here.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import inspect
import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import TypedDict

import optuna

from optuna_llm.assistant import Assistant
from optuna_llm.assistant import Candidate
from optuna_llm.assistant import Exchange
from optuna_llm.chat import Budget
from optuna_llm.chat import Cassette
from optuna_llm.chat import connect
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import CassetteMissError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.errors import ModelSetupError
from optuna_llm.history import History
from optuna_llm.hybrid import HybridSampler
from optuna_llm.hybrid import Proposal
from optuna_llm.hybrid import Turn
from optuna_llm.hybrid import native
from optuna_llm.prompts import AnonymousView
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import View
from optuna_llm.provenance import Record
from optuna_llm.provenance import decode_params
from optuna_llm.provenance import encode_params
from optuna_llm.provenance import shorten
from optuna_llm.schedule import is_turn
from optuna_llm.space import SearchSpace


if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from optuna_llm.chat import Spending


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

Model = Any
"""A model name, an ``openai`` client, a callable ``prompt -> str``, or a ``ChatModel``."""

# What no later request can mend, and a user wants to know at once.
_WRONG_SET_UP = (ModelSetupError, MissingExtraError, ConfigurationError)
# Samples of the embedded prior among which the surrogate chooses one after start-up,
_PRIOR_CANDIDATES = 64
# their spread, in units of the prior's own, and when every other one moves to the best trial.
_PRIOR_SPREAD = 0.7
_MIN_TRIALS_TO_CENTRE = 3


class SharedArguments(TypedDict, total=False):
    """The arguments that all samplers with a language model share; see :class:`ModelSampler`."""

    model_name: str | None
    base_url: str | None
    api_key: str | Callable[[], str] | None
    task: str | Task | None
    param_docs: Mapping[str, str] | None
    known_good: Sequence[Mapping[str, Any]] | None
    search_space: Mapping[str, BaseDistribution] | None
    base_sampler: BaseSampler | None
    seed: int | None
    on_error: Literal["fallback", "raise"]
    max_requests: int | None
    max_tokens: int | None
    max_cost: float | None
    max_seconds: float | None
    prices: tuple[float, float] | None
    temperature: float | None
    max_output_tokens: int | None
    timeout: float
    deadline: float
    max_retries: int
    extra_body: Mapping[str, Any] | None
    cassette: Cassette | str | os.PathLike[str] | None
    anonymize: bool
    notes: bool


class ModelSampler(HybridSampler, abc.ABC):
    """A hybrid sampler whose proposer is a language model; its arguments are all subclasses'.

    Args:
        model: A model name (``"gpt-5-mini"``, ``"ollama/qwen3"``, any LiteLLM name with the extra
            ``[litellm]``), an ``openai.OpenAI`` or ``openai.AzureOpenAI`` client together with
            ``model_name``, a callable ``prompt -> str``, or an object with the method
            ``complete`` of :class:`optuna_llm.chat.ChatModel`. None takes the environment
            variable ``OPTUNA_LLM_MODEL``, else a provider's key found in the environment with
            that provider's default model, else no model: the embedded prior takes its place.
        n_startup_trials: Number of trials that count as start-up.
        n_candidates: Configurations asked for in one request.
        prompt_tokens: Token budget of what a prompt tells of the history.
        model_name: The model to ask for, where ``model`` is a client.
        base_url: Address of an OpenAI-compatible server, such as ``http://127.0.0.1:8000/v1``.
        api_key: The key, or a callable that returns it. None reads the environment. Never stored.
        task: What is tuned, as text or as :class:`optuna_llm.Task`. It is sent to the model.
        param_docs: What a parameter means, by name. It is sent to the model.
        known_good: Configurations (or parts of one) to try first.
        search_space: The whole search space. With it the model is asked before the first trial is
            known; without it from the second trial on.
        base_sampler: Any Optuna sampler; the default is :class:`optuna_llm.CQRSampler`.
        seed: Seed of all random decisions of this sampler and of the default base sampler.
        on_error: ``"fallback"``: the base sampler takes over when the model cannot be used, the
            trial says so, and after three failures in a row the model is left alone for a growing
            number of trials; ``"raise"``: the error is raised.
        max_requests: Limit of requests to the model, for the whole study.
        max_tokens: Limit of prompt and completion tokens together, for the whole study.
        max_cost: Limit of money, in the currency of ``prices``, for the whole study.
        max_seconds: Limit of the time spent in requests, for the whole study.
        prices: Price of a million prompt tokens and of a million completion tokens. None takes
            LiteLLM's table where LiteLLM is installed.
        temperature: Sent to the model if given.
        max_output_tokens: Sent to the model if given.
        timeout: Seconds until one request is given up and tried again.
        deadline: Seconds until all tries of a request are given up.
        max_retries: Times that a request is tried again after a passing fault.
        extra_body: Sent with every request, for options of a particular server.
        cassette: A :class:`optuna_llm.chat.Cassette`, or the path of one, that records the
            exchanges with the model or replays them. One in mode "replay" needs no model.
        anonymize: Send neither names, labels, texts nor error messages: parameters are ``p1``,
            ``p2``, ..., choices ``option_a``, ``option_b``, ..., and ``task`` (but for
            ``n_trials``) and ``param_docs`` stay on this machine. Numbers are sent as they are:
            ranges, values, results. The model then knows nothing of the problem but its numbers;
            the embedded prior still reads the names, locally, and its usual values are sent.
        notes: Save a note with each trial, for Optuna Dashboard, that says who proposed it and
            what else there was to choose from (extra ``[dashboard]``).

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.MissingExtraError: ``notes`` without Optuna Dashboard.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    # The model's share of the trials while the base sampler still knows nothing.
    _startup_share = 0.65

    def __init__(
        self,
        model: Model = None,
        *,
        n_startup_trials: int,
        n_candidates: int,
        prompt_tokens: int,
        model_name: str | None = None,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        task: str | Task | None = None,
        param_docs: Mapping[str, str] | None = None,
        known_good: Sequence[Mapping[str, Any]] | None = None,
        search_space: Mapping[str, BaseDistribution] | None = None,
        base_sampler: BaseSampler | None = None,
        seed: int | None = None,
        on_error: Literal["fallback", "raise"] = "fallback",
        max_requests: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        max_seconds: float | None = None,
        prices: tuple[float, float] | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        timeout: float = 60.0,
        deadline: float = 120.0,
        max_retries: int = 2,
        extra_body: Mapping[str, Any] | None = None,
        cassette: Cassette | str | os.PathLike[str] | None = None,
        anonymize: bool = False,
        notes: bool = False,
    ) -> None:
        told = Task.of(task)
        self._prompt = PromptOptions(
            task=told,
            param_docs={} if param_docs is None else param_docs,
            token_budget=prompt_tokens,
        )
        self._anonymize = anonymize
        if anonymize:
            self._prompt = replace(self._prompt, task=Task(n_trials=told.n_trials), param_docs={})
        super().__init__(
            base_sampler=base_sampler,
            search_space=search_space,
            known_good=known_good,
            context=told.context,
            seed=seed,
            on_error=on_error,
            notes=notes,
        )
        self._n_startup_trials = checked_count("n_startup_trials", n_startup_trials, 0)
        self._n_candidates = checked_count("n_candidates", n_candidates, 1)
        if max_output_tokens is not None:
            checked_count("max_output_tokens", max_output_tokens, 1)
        chat_model = connect(
            model,
            model_name=model_name,
            base_url=base_url,
            api_key=api_key,
            temperature=temperature,
            timeout=timeout,
            deadline=deadline,
            max_retries=max_retries,
            extra_body=extra_body,
            prices=prices,
        )
        budget = Budget(max_requests, max_tokens, max_cost, max_seconds)
        if cassette is not None:
            tape = cassette if isinstance(cassette, Cassette) else Cassette(cassette)
            if chat_model is not None or not tape.needs_model:
                chat_model = tape.wrap(chat_model)
        self._assistant: Assistant | None = None
        if chat_model is None:
            kind = type(self).__name__
            _logger.warning(
                f"{kind} has no language model and proposes with its embedded prior. To use"
                f' one, pass a name such as {kind}("gpt-5-mini") or {kind}("ollama/qwen3"), or'
                " set OPTUNA_LLM_MODEL or a provider's key."
            )
        else:
            self._assistant = Assistant(chat_model, budget, max_output_tokens)

    def __init_subclass__(cls) -> None:
        """Let help and completion show every argument in place of ``**shared``."""
        super().__init_subclass__()
        _, *own = inspect.signature(cls.__init__).parameters.values()
        shared = inspect.signature(ModelSampler.__init__).parameters
        named = [p for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [shared[n] for n in SharedArguments.__annotations__]
        cls.__signature__ = inspect.Signature([*named, *more])  # type: ignore[attr-defined]

    def spending(self, study: optuna.Study) -> Spending:
        """Return what all workers have spent on a study: requests, tokens, money and time."""
        if self._assistant is None:
            raise ConfigurationError(
                f"{type(self).__name__} has no language model, so nothing was spent."
            )
        return self._assistant.ledger(study).totals()

    # ---- what subclasses say

    @abc.abstractmethod
    def _request(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any], ahead: int = 0
    ) -> Callable[[], Exchange]:
        """Write the prompt that asks for candidates; calling the result asks the model.

        Args:
            turn: The trial.
            assistant: The model.
            base_params: What the base sampler would try.
            ahead: 1 if the answer is for the next trial.
        """

    # ---- how a study begins

    def _in_startup(self, history: History) -> bool:
        return len(history.observations) - len(history.failed) < self._n_startup_trials

    def _from_design(self, turn: Turn) -> Proposal | None:
        """Ask for the zero-shot batch together with the first trial, if the space is known.

        A wrong set-up shows here, before the first expensive evaluation.
        """
        design = super()._from_design(turn)
        if design is None or turn.position > 0 or len(turn.space) == 0 or self._assistant is None:
            return design
        exchange = self._exchange(turn, self._assistant, design.params)
        record = replace(design.record, **spent_on(exchange, self._assistant.model.name))
        if exchange.error is not None:
            self._report(turn, exchange.error)
            return replace(design, record=replace(record, error=error_name(exchange.error)))
        batch = [for_later(turn.space, c) for c in exchange.candidates]
        return replace(design, record=replace(record, candidates=batch, asked=len(batch)))

    def _waiting_candidates(self, turn: Turn) -> list[Candidate]:
        """Return what is left of the zero-shot batch while the study is in start-up."""
        if not self._in_startup(turn.history):
            return []
        for o in reversed(turn.history.observations):
            if o.record is not None and o.record.candidates:
                batch = [from_earlier(turn.space, c) for c in o.record.candidates]
                # Each of the model's turns begins with another one: workers that draw from the
                # batch at the same moment do not see each other's choice.
                coming = range(o.number + 1, turn.trial.number)
                first = sum(is_turn(n, self._startup_share) for n in coming) % len(batch)
                batch = batch[first:] + batch[:first]
                return [c for c in batch if not turn.space.duplicates(c.params, turn.tried)]
        return []

    def _from_prior(self, turn: Turn) -> Proposal | None:
        """Return a sample around the usual or the best values, the most promising of many.

        The surrogate has a say once it has seen some trials; until then the first sample counts.
        """
        best = turn.history.best if len(turn.history.complete) >= _MIN_TRIALS_TO_CENTRE else None
        n_samples = 1 if self._in_startup(turn.history) else _PRIOR_CANDIDATES
        around_best = [
            best is not None and (turn.trial.number + i) % 2 == 1 for i in range(n_samples)
        ]
        samples = [
            self._prior.sample(
                turn.space.distributions,
                turn.rng,
                spread=_PRIOR_SPREAD,
                centre=best.params if best is not None and near else None,
            )
            for near in around_best
        ]
        new = [i for i, s in enumerate(samples) if not turn.space.duplicates(s, turn.tried)]
        if not new:
            return None
        chosen = new[turn.outlook.order([samples[i] for i in new])[0]]
        if turn.outlook.is_hopeless(samples[chosen]):
            return self._from_base(turn, vetoed="prior")
        centre = "the best trial's" if around_best[chosen] else "the usual"
        why = f"Near {centre} values" + (
            "." if len(new) == 1 else f", best of {len(new)} samples."
        )
        return Proposal(samples[chosen], Record("prior", why))

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
            candidates = (
                replace(c, params=native(c.params, turn.space)) for c in exchange.candidates
            )
            usable = tuple(c for c in candidates if c.params)
            exchange = replace(exchange, candidates=usable)
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

    def _without_model(self, turn: Turn, error: str, why: str, **spent: Any) -> Proposal:
        """Return another proposal on a turn of the model that cannot be used."""
        record: dict[str, Any] = {**spent, "error": error}
        other = self._from_prior(turn) if self._in_startup(turn.history) else None
        if other is None:
            why = f"{self._base} proposed, because {why}."
            return self._from_base(turn, "fallback", why, **record)
        why = f"Near the usual values, because {why}."
        return Proposal(other.params, replace(Record("fallback", why), **record))

    def _report(self, turn: Turn, error: Exception | None) -> None:
        """Say once that the model cannot be used, and once that it answers again."""
        asked = (o.record for o in reversed(turn.history.observations) if o.record)
        last = next((r for r in asked if r.model is not None and r.error != "paused"), None)
        was_away = last is not None and last.error is not None
        if error is not None and not was_away:
            _logger.warning(
                f"Trial {turn.trial.number}: the language model cannot be used, {self._base}"
                f" proposes instead. {error}"
            )
        elif error is None and was_away:
            _logger.info(f"Trial {turn.trial.number}: the language model answers again.")


def restored(exchange: Exchange, view: View) -> Exchange:
    """Return an exchange about a view of a study with the user's names in its candidates."""
    candidates = (
        replace(c, params=view.restore(c.params), reason=view.restore_text(c.reason))
        for c in exchange.candidates
    )
    return replace(exchange, candidates=tuple(candidates))


def completed(
    params: Mapping[str, Any], space: SearchSpace, filler: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill in what a candidate lacks; optional parameters that it declines stay out."""
    wanted = [n for n in space.names if n in params or n not in space.optional]
    return {n: params.get(n, filler.get(n)) for n in wanted if n in params or n in filler}


def for_later(space: SearchSpace, candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as it stands in a record."""
    return {
        "params": encode_params(space, candidate.params),
        "reason": shorten(candidate.reason),
        "repaired": candidate.repaired,
        "dropped": candidate.dropped,
    }


def from_earlier(space: SearchSpace, entry: Mapping[str, Any]) -> Candidate:
    """Return a candidate that an earlier trial's record holds."""
    # Ranges may have changed since.
    params = native(decode_params(space.distributions, entry["params"]), space)
    return Candidate(params, entry["reason"], entry["repaired"], entry["dropped"])


def error_name(error: Exception) -> str:
    """Return the name of an error as it stands in a record."""
    return "budget" if isinstance(error, BudgetExceededError) else type(error).__name__


def spent_on(exchange: Exchange, model: str) -> dict[str, Any]:
    """Return the fields of a record that say what an exchange has cost."""
    return {
        "model": exchange.completions[-1].model if exchange.completions else model,
        "requests": exchange.requests,
        "prompt_tokens": sum(c.usage.prompt_tokens for c in exchange.completions),
        "completion_tokens": sum(c.usage.completion_tokens for c in exchange.completions),
        "cost": exchange.cost,
        "seconds": round(sum(c.seconds for c in exchange.completions), 3),
    }


def checked_count(name: str, value: int, least: int) -> int:
    """Return a whole number; ConfigurationError if it is none or too small."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{name}={value!r} must be a whole number >= {least}.")
    return value
