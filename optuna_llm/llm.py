"""LLMSampler: a language model proposes, a statistical sampler keeps the search honest."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Literal

from optuna_llm.assistant import Assistant
from optuna_llm.assistant import Exchange
from optuna_llm.history import History
from optuna_llm.hybrid import Proposal
from optuna_llm.hybrid import Turn
from optuna_llm.model_sampler import Model
from optuna_llm.model_sampler import ModelSampler
from optuna_llm.model_sampler import SharedArguments
from optuna_llm.model_sampler import completed
from optuna_llm.model_sampler import error_name
from optuna_llm.model_sampler import for_later
from optuna_llm.model_sampler import restored
from optuna_llm.model_sampler import spent_on
from optuna_llm.prompts import Advice
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.provenance import Record
from optuna_llm.provenance import shorten
from optuna_llm.schedule import MAX_SHARE
from optuna_llm.schedule import is_paused
from optuna_llm.schedule import is_turn
from optuna_llm.schedule import model_share


if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack


# While the base sampler still knows nothing, knowledge proposes nine trials of ten.
_STARTUP_KNOWLEDGE_SHARE = 0.9


class LLMSampler(ModelSampler):
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
        model: A model name, a client, a callable or a chat model, see :class:`ModelSampler`.
        n_startup_trials: Number of trials that count as start-up.
        n_candidates: Configurations asked for in one request.
        prompt_style: ``"compressed"``: one message with the history as a table; ``"chat"``: the
            whole dialogue, as in the paper.
        reasoning: ``"none"``, ``"brief"`` or ``"full"``: how much analysis the model writes before
            its candidates. Leave it at ``"none"`` for models that reason by themselves.
        prompt_tokens: Token budget of what a prompt tells of the history.
        prefetch: Ask for the next turn in the background while the objective runs.
        **shared: ``task``, ``known_good``, ``base_sampler``, ``seed``, ``on_error``, the limits of
            the budget, the model's address and key, and the other arguments that all samplers
            with a model share: :class:`optuna_llm.model_sampler.ModelSampler`.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    def __init__(
        self,
        model: Model = None,
        *,
        n_startup_trials: int = 10,
        n_candidates: int = 5,
        prompt_style: Literal["compressed", "chat"] = "compressed",
        reasoning: Literal["none", "brief", "full"] = "brief",
        prompt_tokens: int = 3000,
        prefetch: bool = True,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(
            model,
            n_startup_trials=n_startup_trials,
            n_candidates=n_candidates,
            prompt_tokens=prompt_tokens,
            **shared,
        )
        self._prompt = replace(self._prompt, style=prompt_style, reasoning=reasoning)
        self._prefetch = prefetch

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
            model = 0.0 if self._assistant is None else self._startup_share
            return model, _STARTUP_KNOWLEDGE_SHARE - model
        model = 0.0 if self._assistant is None else model_share(history, "llm")
        return model, min(model_share(history, "prior"), MAX_SHARE - model)

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
        spent = spent_on(exchange, assistant.model.name)
        if exchange.error is not None:
            self._report(turn, exchange.error)
            error = exchange.error
            return self._without_model(turn, error_name(error), str(error), **spent)
        if exchange.requests:
            self._report(turn, None)

        filler = {**self._prior.sample(turn.space.distributions, turn.rng), **base_params}
        whole = [completed(c.params, turn.space, filler) for c in exchange.candidates]
        shown = tuple(
            replace(c, params=p) for c, p in zip(exchange.candidates, whole, strict=True)
        )
        new = [i for i, p in enumerate(whole) if not turn.space.duplicates(p, turn.tried)]
        spent["asked"] = len(whole)
        chosen = new[turn.outlook.order([whole[i] for i in new])[0]] if new else None
        if chosen is None or turn.outlook.is_hopeless(whole[chosen]):
            why = f"All {len(whole)} candidates of the model have been tried before."
            if new:
                why = f"The surrogate expects little of the model's {len(new)} new candidates."
            base = self._from_base(turn, "base", why, vetoed="llm", **spent)
            return replace(base, candidates=shown)
        candidate = exchange.candidates[chosen]
        # What a reply holds beside stays with the trial that asked for it.
        left = [for_later(turn.space, exchange.candidates[i]) for i in new if i != chosen]
        record = Record(
            "llm",
            shorten(candidate.reason) or "The model gave no reason.",
            candidates=left if exchange.requests else [],
            repaired=candidate.repaired,
            completed=sum(n not in candidate.params for n in whole[chosen]),
            dropped=candidate.dropped,
            **spent,
        )
        return Proposal(whole[chosen], record, shown)

    # ---- the model

    def _request(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any], ahead: int = 0
    ) -> Callable[[], Exchange]:
        """Write the prompt now; the exchange itself may then run anywhere."""
        view = self._view(turn)
        advice = Advice(
            base_name=Advice.base_name if self._anonymize else str(self._base),
            suggestion=view.hide(turn.space.repair(base_params).params),
            remarks=turn.outlook.remarks(view.space),
            defaults=view.hide(self._prior.default(turn.space.distributions)),
        )
        messages = proposal_messages(
            view.space,
            view.history,
            self._prompt,
            n_candidates=self._n_candidates,
            advice=advice,
            trial_number=turn.trial.number + ahead,
        )
        schema = proposal_schema(view.space, self._n_candidates, self._prompt.reasoning)
        ledger = assistant.ledger(turn.study)
        return lambda: restored(assistant.exchange(ledger, view.space, messages, schema), view)

    def _look_ahead(self, turn: Turn) -> None:
        """Ask the model while the objective runs, if its turn was put off."""
        share, _ = self._shares(turn.history)
        if self._assistant is None or not is_turn(turn.trial.number, share):
            return
        if len(turn.space) > 0 and self._is_put_off(turn):
            # The trial that has just been proposed is pending by now.
            history = History.from_study(turn.study, None, self._search_space)
            ahead = replace(turn, history=history)
            request = self._request(ahead, self._assistant, self._base_params(turn, 1), 1)
            self._assistant.prepare(turn.study, request)
