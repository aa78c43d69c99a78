"""LLMSampler: a language model proposes, a statistical sampler keeps the search honest."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

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
from optuna_llm.errors import ModelSetupError
from optuna_llm.history import History
from optuna_llm.hybrid import HybridSampler
from optuna_llm.hybrid import Proposal
from optuna_llm.hybrid import Turn
from optuna_llm.prompts import Advice
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.provenance import Record
from optuna_llm.provenance import decode_params
from optuna_llm.provenance import encode_params
from optuna_llm.provenance import shorten
from optuna_llm.schedule import MAX_SHARE
from optuna_llm.schedule import is_paused
from optuna_llm.schedule import is_turn
from optuna_llm.schedule import model_share
from optuna_llm.space import SearchSpace


if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from optuna_llm.chat import ChatModel
    from optuna_llm.chat import Spending


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# While the base sampler still knows nothing, knowledge proposes nine trials of ten.
_STARTUP_MODEL_SHARE = 0.65
_STARTUP_KNOWLEDGE_SHARE = 0.9
# Samples of the embedded prior among which the surrogate chooses one after start-up,
_PRIOR_CANDIDATES = 64
# their spread, in units of the prior's own, and when every other one moves to the best trial.
_PRIOR_SPREAD = 0.7
_MIN_TRIALS_TO_CENTRE = 3


class LLMSampler(HybridSampler):
    """Sampler in which a language model and a statistical sampler take turns.

    After Zhang et al., "Using Large Language Models for Hyperparameter Optimization" (2023,
    https://arxiv.org/abs/2312.04528), as a hybrid: a model's knowledge gives the best first
    trials, a statistical sampler the best later ones.

    1. The first trials are ``known_good``, then the usual values of well-known hyperparameters
       (the embedded prior).
    2. During start-up the model's zero-shot proposals, samples around the usual values and the
       base sampler take turns.
    3. Then ``base_sampler`` proposes, and the model takes a share of the trials that follows its
       measured benefit, between 0.05 and 0.7. The model sees the history, what failed, what is
       running and the base sampler's next point, and answers with several candidates; a
       statistical surrogate picks one, or vetoes them all.

    Without a model the embedded prior takes the model's place. Every trial carries the user
    attributes ``llm:source`` (``prior``, ``llm``, ``base``, ``fallback`` or ``enqueued``) and
    ``llm:rationale``.

    Example:
        .. code-block:: python

            import optuna
            from optuna_llm import LLMSampler

            study = optuna.create_study(sampler=LLMSampler("gpt-5-mini", task="XGBoost on churn"))
            study.optimize(objective, n_trials=50)

    Args:
        model: A model name (``"gpt-5-mini"``, ``"ollama/qwen3"``, any LiteLLM name with the extra
            ``[litellm]``), an ``openai.OpenAI`` or ``openai.AzureOpenAI`` client together with
            ``model_name``, a callable ``prompt -> str``, or an object with the method
            ``complete`` of :class:`optuna_llm.chat.ChatModel`. None takes the environment
            variable ``OPTUNA_LLM_MODEL``, else a provider's key found in the environment with
            that provider's default model, else no model.
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
        n_startup_trials: Number of trials that count as start-up.
        n_candidates: Configurations asked for in one request.
        prompt_style: ``"compressed"``: one message with the history as a table; ``"chat"``: the
            whole dialogue, as in the paper.
        reasoning: ``"none"``, ``"brief"`` or ``"full"``: how much analysis the model writes before
            its candidates. Leave it at ``"none"`` for models that reason by themselves.
        prompt_tokens: Token budget of a prompt's history.
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
            exchanges with the model or replays them.
        prefetch: Ask for the next turn in the background while the objective runs.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    def __init__(
        self,
        model: str | ChatModel | Callable[[str], str] | Any | None = None,
        *,
        model_name: str | None = None,
        base_url: str | None = None,
        api_key: str | Callable[[], str] | None = None,
        task: str | Task | None = None,
        param_docs: Mapping[str, str] | None = None,
        known_good: Sequence[Mapping[str, Any]] | None = None,
        search_space: Mapping[str, BaseDistribution] | None = None,
        base_sampler: BaseSampler | None = None,
        seed: int | None = None,
        n_startup_trials: int = 10,
        n_candidates: int = 5,
        prompt_style: Literal["compressed", "chat"] = "compressed",
        reasoning: Literal["none", "brief", "full"] = "brief",
        prompt_tokens: int = 3000,
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
        prefetch: bool = True,
    ) -> None:
        told = Task.of(task)
        self._prompt = PromptOptions(
            task=told,
            param_docs={} if param_docs is None else param_docs,
            style=prompt_style,
            reasoning=reasoning,
            token_budget=prompt_tokens,
        )
        super().__init__(
            base_sampler=base_sampler,
            search_space=search_space,
            known_good=known_good,
            context=" ".join(filter(None, (told.model, told.text, told.dataset))) or None,
            seed=seed,
            on_error=on_error,
        )
        self._n_startup_trials = _checked_count("n_startup_trials", n_startup_trials, 0)
        self._n_candidates = _checked_count("n_candidates", n_candidates, 1)
        if max_output_tokens is not None:
            _checked_count("max_output_tokens", max_output_tokens, 1)
        self._prefetch = prefetch
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
        self._assistant: Assistant | None = None
        if chat_model is None:
            _logger.warning(
                "LLMSampler has no language model and proposes with its embedded prior. To use"
                ' one, pass a name such as LLMSampler("gpt-5-mini") or'
                ' LLMSampler("ollama/qwen3"), or set OPTUNA_LLM_MODEL or a provider\'s key.'
            )
        else:
            if cassette is not None:
                tape = cassette if isinstance(cassette, Cassette) else Cassette(cassette)
                chat_model = tape.wrap(chat_model)
            self._assistant = Assistant(chat_model, budget, max_output_tokens)

    def spending(self, study: optuna.Study) -> Spending:
        """Return what all workers have spent on a study: requests, tokens, money and time."""
        if self._assistant is None:
            raise ConfigurationError("LLMSampler has no language model, so nothing was spent.")
        return self._assistant.ledger(study).totals()

    # ---- one trial

    def _propose(self, turn: Turn) -> Proposal | None:
        if len(turn.space) == 0:
            return None
        model, prior = self._shares(turn.history)
        number = turn.trial.number
        if self._assistant is not None:
            answer_waits = self._assistant.is_preparing(turn.study)
            if answer_waits or (is_turn(number, model) and not self._is_put_off(turn)):
                return self._from_model(turn, self._assistant)
            # A turn that is put off goes to whoever is next.
            number += is_turn(number, model)
        if is_turn(number, model + prior):
            return self._from_prior(turn)
        return None

    def _is_put_off(self, turn: Turn) -> bool:
        """Whether the model is asked on its turn and proposes the next trial, not this one.

        So its latency hides behind the objective. Not so the first time, when a wrong set-up is
        to show at once, and not when nothing has to be asked.
        """
        return (
            self._prefetch
            and self._assistant is not None
            and self._assistant.has_answered
            and not is_paused(turn.history, turn.trial.number)
            and not self._waiting_candidates(turn)
        )

    def _shares(self, history: History) -> tuple[float, float]:
        """Return the shares of the trials that the model and the embedded prior get."""
        if self._in_startup(history):
            model = 0.0 if self._assistant is None else _STARTUP_MODEL_SHARE
            return model, _STARTUP_KNOWLEDGE_SHARE - model
        model = 0.0 if self._assistant is None else model_share(history, "llm")
        return model, min(model_share(history, "prior"), MAX_SHARE - model)

    def _from_design(self, turn: Turn) -> Proposal | None:
        """Ask for the zero-shot batch together with the first trial, if the space is known.

        A wrong set-up shows here, before the first expensive evaluation.
        """
        design = super()._from_design(turn)
        if design is None or turn.position > 0 or len(turn.space) == 0 or self._assistant is None:
            return design
        exchange = self._exchange(turn, self._assistant, design.params)
        record = replace(design.record, **_spent(exchange, self._assistant.model.name))
        if exchange.error is not None:
            self._report(turn, exchange.error)
            return replace(design, record=replace(record, error=_error_name(exchange.error)))
        batch = [_for_later(turn.space, c) for c in exchange.candidates]
        return replace(design, record=replace(record, candidates=batch, asked=len(batch)))

    def _in_startup(self, history: History) -> bool:
        return len(history.observations) - len(history.failed) < self._n_startup_trials

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

    def _from_model(self, turn: Turn, assistant: Assistant) -> Proposal:
        """Return the most promising of the model's candidates, or say why there is none."""
        base_params = self._base_params(turn)
        answer_waits = assistant.is_preparing(turn.study)
        waiting = [] if answer_waits else self._waiting_candidates(turn)
        exchange = Exchange(candidates=tuple(waiting))
        if not waiting:
            if not answer_waits and is_paused(turn.history, turn.trial.number):
                return self._without_model(turn, "paused", "the model is left alone for a while")
            exchange = self._exchange(turn, assistant, base_params)
        spent = _spent(exchange, assistant.model.name)
        if exchange.error is not None:
            self._report(turn, exchange.error)
            error = exchange.error
            return self._without_model(turn, _error_name(error), str(error), **spent)
        if exchange.requests:
            self._report(turn, None)

        filler = {**self._prior.sample(turn.space.distributions, turn.rng), **base_params}
        whole = [_completed(c.params, turn.space, filler) for c in exchange.candidates]
        new = [i for i, p in enumerate(whole) if not turn.space.duplicates(p, turn.tried)]
        spent["asked"] = len(whole)
        if not new:
            why = f"All {len(whole)} candidates of the model have been tried before."
            return self._from_base(turn, "base", why, vetoed="llm", **spent)
        chosen = new[turn.outlook.order([whole[i] for i in new])[0]]
        if turn.outlook.is_hopeless(whole[chosen]):
            why = f"The surrogate expects little of the model's {len(new)} new candidates."
            return self._from_base(turn, "base", why, vetoed="llm", **spent)
        candidate = exchange.candidates[chosen]
        # What a reply holds beside stays with the trial that asked for it.
        left = [_for_later(turn.space, exchange.candidates[i]) for i in new if i != chosen]
        record = Record(
            "llm",
            shorten(candidate.reason) or "The model gave no reason.",
            candidates=left if exchange.requests else [],
            repaired=candidate.repaired,
            completed=sum(n not in candidate.params for n in whole[chosen]),
            dropped=candidate.dropped,
            **spent,
        )
        return Proposal(whole[chosen], record)

    def _without_model(self, turn: Turn, error: str, why: str, **spent: Any) -> Proposal:
        """Return another proposal on a turn of the model that cannot be used."""
        record: dict[str, Any] = {**spent, "error": error}
        other = self._from_prior(turn) if self._in_startup(turn.history) else None
        if other is None:
            why = f"{self._base} proposed, because {why}."
            return self._from_base(turn, "fallback", why, **record)
        why = f"Near the usual values, because {why}."
        return Proposal(other.params, replace(Record("fallback", why), **record))

    # ---- the model

    def _exchange(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any]
    ) -> Exchange:
        exchange = assistant.collect(turn.study)
        if exchange is None:
            first = not assistant.has_answered
            exchange = self._prepared(turn, assistant, base_params)()
            if first and isinstance(exchange.error, ModelSetupError | ConfigurationError):
                raise exchange.error
        # A cassette without the reply would turn a replay into another search.
        strict = self._on_error == "raise" or isinstance(exchange.error, CassetteMissError)
        if exchange.error is not None and strict:
            raise exchange.error
        return exchange

    def _prepared(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any], ahead: int = 0
    ) -> Callable[[], Exchange]:
        """Write the prompt now; the exchange itself may then run anywhere."""
        suggestion = turn.space.repair(base_params).params
        advice = Advice(
            base_name=str(self._base),
            suggestion=suggestion or None,
            remarks=turn.outlook.remarks(),
            defaults=self._prior.default(turn.space.distributions),
        )
        messages = proposal_messages(
            turn.space,
            turn.history,
            self._prompt,
            n_candidates=self._n_candidates,
            advice=advice,
            trial_number=turn.trial.number + ahead,
        )
        schema = proposal_schema(turn.space, self._n_candidates, self._prompt.reasoning)
        ledger = assistant.ledger(turn.study)
        return lambda: assistant.exchange(ledger, turn.space, messages, schema)

    def _look_ahead(self, turn: Turn) -> None:
        """Ask the model while the objective runs, if its turn was put off."""
        share, _ = self._shares(turn.history)
        if self._assistant is None or not is_turn(turn.trial.number, share):
            return
        if len(turn.space) > 0 and self._is_put_off(turn):
            # The trial that has just been proposed is pending by now.
            history = History.from_study(turn.study, None, self._search_space)
            ahead = replace(turn, history=history)
            request = self._prepared(ahead, self._assistant, self._base_params(turn, 1), 1)
            self._assistant.prepare(turn.study, request)

    def _waiting_candidates(self, turn: Turn) -> list[Candidate]:
        """Return what is left of the zero-shot batch while the study is in start-up."""
        if not self._in_startup(turn.history):
            return []
        for o in reversed(turn.history.observations):
            if o.record is not None and o.record.candidates:
                batch = [_from_earlier(turn.space, c) for c in o.record.candidates]
                # Each of the model's turns begins with another one: workers that draw from the
                # batch at the same moment do not see each other's choice.
                coming = range(o.number + 1, turn.trial.number)
                first = sum(is_turn(n, _STARTUP_MODEL_SHARE) for n in coming) % len(batch)
                batch = batch[first:] + batch[:first]
                return [c for c in batch if not turn.space.duplicates(c.params, turn.tried)]
        return []

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


def _completed(
    params: Mapping[str, Any], space: SearchSpace, filler: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill in what a candidate lacks; optional parameters that it declines stay out."""
    wanted = [n for n in space.names if n in params or n not in space.optional]
    return {n: params.get(n, filler.get(n)) for n in wanted if n in params or n in filler}


def _for_later(space: SearchSpace, candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as it stands in a record."""
    return {
        "params": encode_params(space, candidate.params),
        "reason": shorten(candidate.reason),
        "repaired": candidate.repaired,
        "dropped": candidate.dropped,
    }


def _from_earlier(space: SearchSpace, entry: Mapping[str, Any]) -> Candidate:
    """Return a candidate that an earlier trial's record holds."""
    # Ranges may have changed since.
    params = space.repair(decode_params(space.distributions, entry["params"])).params
    return Candidate(params, entry["reason"], entry["repaired"], entry["dropped"])


def _error_name(error: Exception) -> str:
    return "budget" if isinstance(error, BudgetExceededError) else type(error).__name__


def _spent(exchange: Exchange, model: str) -> dict[str, Any]:
    """Return the fields of a record that say what an exchange has cost."""
    return {
        "model": exchange.completions[-1].model if exchange.completions else model,
        "requests": exchange.requests,
        "prompt_tokens": sum(c.usage.prompt_tokens for c in exchange.completions),
        "completion_tokens": sum(c.usage.completion_tokens for c in exchange.completions),
        "cost": exchange.cost,
        "seconds": round(sum(c.seconds for c in exchange.completions), 3),
    }


def _checked_count(name: str, value: int, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{name}={value!r} must be a whole number >= {least}.")
    return value
