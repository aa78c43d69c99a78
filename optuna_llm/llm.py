"""LLMSampler: a language model proposes, a statistical sampler keeps the search honest."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import get_args

from optuna_llm.cqr import CQRSampler
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.history import History
from optuna_llm.history.origin import Source
from optuna_llm.history.queue import Queue
from optuna_llm.history.statement import statements
from optuna_llm.prompts import Advice
from optuna_llm.prompts import Beside
from optuna_llm.prompts import View
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.prompts.answer import Reasoning
from optuna_llm.prompts.proposal import Style
from optuna_llm.prompts.roles import OPTIMIZER
from optuna_llm.prompts.roles import REPEAT
from optuna_llm.prompts.roles import is_last_part
from optuna_llm.prompts.text import show_configuration
from optuna_llm.reporting.dashboard import note_writer
from optuna_llm.sharing.assistant import Assistant
from optuna_llm.sharing.assistant import Exchange
from optuna_llm.sharing.base_point import BasePoint
from optuna_llm.sharing.checks import check_choice
from optuna_llm.sharing.checks import checked_flag
from optuna_llm.sharing.choice import choose
from optuna_llm.sharing.choice import worth_a_trial
from optuna_llm.sharing.model_sampler import ModelSampler
from optuna_llm.sharing.occasions import is_last_of_run
from optuna_llm.sharing.occasions import occasion
from optuna_llm.sharing.occasions import standstill
from optuna_llm.sharing.options import Model
from optuna_llm.sharing.options import SharedArguments
from optuna_llm.sharing.options import takes_shared_arguments
from optuna_llm.sharing.points import drawn
from optuna_llm.sharing.points import in_words
from optuna_llm.sharing.points import to_judge
from optuna_llm.sharing.points import with_points
from optuna_llm.sharing.proposal import Proposal
from optuna_llm.sharing.proposal import Turn
from optuna_llm.sharing.recall import is_unheard
from optuna_llm.sharing.recall import memory
from optuna_llm.sharing.recall import queued
from optuna_llm.sharing.turns import INITIAL_SHARES
from optuna_llm.sharing.turns import STARTUP_KNOWLEDGE_SHARE
from optuna_llm.sharing.turns import is_paused
from optuna_llm.sharing.turns import is_turn
from optuna_llm.sharing.turns import model_share
from optuna_llm.transfer.teaching import EarlierStudies


if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack


# So many configurations of earlier studies does a prompt show.
_MAX_EARLIER = 3


@takes_shared_arguments
class LLMSampler(ModelSampler):
    """Sampler in which a language model and a statistical sampler take turns.

    After Zhang et al., "Using Large Language Models for Hyperparameter Optimization" (2023,
    https://arxiv.org/abs/2312.04528), as a hybrid: a model's knowledge gives the best first
    trials, a statistical sampler the best later ones.

    1. The first trials are ``known_good``, then the usual values of well-known hyperparameters
       (the embedded prior).
    2. During start-up the model's zero-shot proposals, good configurations of the family of
       models or samples around the usual values, and the base sampler take turns.
    3. Then ``base_sampler`` proposes (by default :class:`~optuna_llm.CQRSampler`, whose surrogate
       weighs usual values and what the model has proposed against results), and the model takes
       a share of the trials that follows its measured benefit, between 0.05 and 0.7. The model
       sees the history, what failed, what is running and the base sampler's next point, and
       answers with several candidates; a statistical surrogate picks one, or vetoes them all.

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
        model: A model name, a client, a callable or a chat model; None takes the environment's.
            See :class:`optuna_llm.sharing.options.SharedArguments`.
        n_startup_trials: Number of trials that count as start-up.
        n_candidates: Configurations asked for in one request.
        prompt_style: ``"compressed"``: one message with the history as a table; ``"chat"``: the
            whole dialogue, as in the paper.
        reasoning: ``"none"``, ``"brief"`` or ``"full"``: how much analysis the model writes before
            its candidates. Leave it at ``"none"`` for models that reason by themselves.
        prompt_tokens: Token budget of what a prompt tells of the history.
        prefetch: Ask in the background while the objective runs, for the trial after it.
        structure: Ask the model with its first and its last answers also what it holds usual of
            each parameter, and how parameters go together. It is kept with the trial.
        **shared: ``task``, ``known_good``, ``base_sampler``, ``seed``, ``on_error``, the limits of
            the budget, the model's address and key, and the other arguments that all samplers
            with a model share: :class:`optuna_llm.sharing.options.SharedArguments`.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    _default_base = CQRSampler
    _note_writer = staticmethod(note_writer)

    def __init__(
        self,
        model: Model = None,
        *,
        n_startup_trials: int = 10,
        n_candidates: int = 5,
        prompt_style: Style = "compressed",
        reasoning: Reasoning = "brief",
        prompt_tokens: int = 4000,
        prefetch: bool = True,
        structure: bool = False,
        **shared: Unpack[SharedArguments],
    ) -> None:
        self._earlier = EarlierStudies.of(shared.get("sources"))
        shared["sources"] = self._earlier
        super().__init__(model, n_startup_trials, n_candidates, prompt_tokens, **shared)
        check_choice("prompt_style", prompt_style, get_args(Style))
        check_choice("reasoning", reasoning, get_args(Reasoning))
        self._prompt = replace(self._prompt, style=prompt_style, reasoning=reasoning)
        self._prefetch = checked_flag("prefetch", prefetch)
        self._structure = checked_flag("structure", structure)

    # ---- one trial

    def _propose(self, turn: Turn) -> Proposal | None:
        if len(turn.space) == 0:
            return None
        model, prior = self._shares(turn.history)
        number = turn.trial.number
        if self._assistant is not None:
            waiting = self._waiting(turn)
            why = self._occasion(turn, waiting)
            is_due = is_turn(number, model) or (
                model >= INITIAL_SHARES["llm"]
                and is_unheard(turn.history)
                and standstill(turn.history) > 0
            )
            is_asked = self._assistant.is_preparing(turn.study) or (
                why and not self._is_put_off(turn)
            )
            if is_asked or (waiting and is_due):
                return self._from_model(turn, self._assistant, why, waiting)
            # A turn that is put off goes to whoever is next.
            number += is_turn(number, model)
        if is_turn(number, model + prior):
            return self._from_prior(turn)
        return None

    def _waiting(self, turn: Turn) -> list[Candidate]:
        """Return the candidates of earlier answers that are still worth a trial."""
        waiting = queued(turn)
        if self._in_startup(turn.history):
            # Each of the model's turns begins with another one: workers that draw from the
            # batch at the same moment do not see each other's choice.
            return self._waiting_candidates(turn) or waiting
        filler = self._prior.default(turn.space.distributions)
        whole = [c.completed(turn.space, filler) for c in waiting]
        return [waiting[i] for i in worth_a_trial(turn.history, turn.outlook, whole)]

    def _occasion(self, turn: Turn, waiting: Sequence[Candidate]) -> str:
        """Return why the model is to be asked now; empty where it is not."""
        share, _ = self._shares(turn.history)
        is_own = is_turn(turn.trial.number, share)
        return occasion(
            turn.history,
            turn.space,
            turn.trial.number,
            n_trials=self._prompt.task.n_trials,
            is_trusted=is_own or share >= INITIAL_SHARES["llm"],
            is_used_up=is_own and not waiting,
            is_waiting=bool(waiting) and is_unheard(turn.history),
        )

    def _is_put_off(self, turn: Turn) -> bool:
        """Whether the model is asked in the background and proposes the next trial, not this one.

        So its latency hides behind the objective. Not so the first time, when a wrong set-up is
        to show at once, not before the last trial, and not while the model is left alone.
        """
        n_trials, following = self._prompt.task.n_trials, turn.trial.number + 1
        return (
            self._prefetch
            and self._assistant is not None
            and self._assistant.can_prepare(turn.study, turn.trial.number)
            and self._assistant.has_answered
            and not is_paused(turn.history, turn.trial.number)
            and following != n_trials
            and not is_last_of_run()
        )

    def _shares(self, history: History) -> tuple[float, float]:
        """Return the shares of the trials that the model and the embedded prior get.

        After start-up the prior has none: the base sampler's surrogate knows what it says.
        """
        if self._in_startup(history):
            model = 0.0 if self._assistant is None else self._startup_share
            return model, STARTUP_KNOWLEDGE_SHARE - model
        return 0.0 if self._assistant is None else model_share(history, "llm"), 0.0

    def _from_model(
        self, turn: Turn, assistant: Assistant, why_asked: str, waiting: Sequence[Candidate]
    ) -> Proposal:
        """Return the most promising of the model's candidates, or say why there is none."""
        exchange = Exchange()
        if why_asked or assistant.is_preparing(turn.study):
            if not assistant.is_preparing(turn.study) and is_paused(
                turn.history, turn.trial.number
            ):
                why = "the model is left alone for a while"
                return self._without_model(turn, Cost(error="paused"), why)
            exchange = self._exchange(turn, assistant, {})
        cost = exchange.spent(assistant.model.name)
        if exchange.error is not None:
            self._report(turn, exchange.error)
            return self._without_model(turn, cost, str(exchange.error))
        if exchange.requests:
            self._report(turn, None)
        noise = turn.outlook.noise()
        is_noisy = noise is not None and noise.deviation > 0
        filler = {
            **self._prior.sample(turn.space.distributions, turn.rng("filler")),
            **self._base.point(turn).params,
        }
        candidates = [*exchange.candidates, *waiting]
        whole = [c.completed(turn.space, filler) for c in candidates]
        shown = tuple(replace(c, params=p) for c, p in zip(candidates, whole, strict=True))
        new = [
            i
            for i, (c, p) in enumerate(zip(candidates, whole, strict=True))
            if not turn.tried.repeats(p) or (c.role == REPEAT and is_noisy)
        ]
        chosen, overruled = choose(
            turn.history, turn.outlook, whole, [c.role for c in candidates], new
        )
        own = [c for c in exchange.candidates if c.role != OPTIMIZER]
        queue = Queue.holding(turn.space, own, asked=len(own))
        if chosen is None:
            why = f"All {len(whole)} candidates of the model have been tried before."
            if new:
                why = f"The surrogate expects little of the model's {len(new)} new candidates."
            base = self._from_base(turn, "base", why, vetoed="llm", cost=cost)
            return replace(base, candidates=shown, queue=queue, statement=exchange.statement)
        candidate = candidates[chosen]
        source: Source = "base" if candidate.role == OPTIMIZER else "llm"
        return Proposal(
            whole[chosen],
            replace(candidate.origin(source, whole[chosen]), overruled=overruled),
            cost,
            queue,
            candidates=shown,
            statement=exchange.statement,
        )

    # ---- the base sampler

    def _base_point(self, turn: Turn) -> BasePoint:
        """Return the first of some points that the model has no objection to, or the best one."""
        return drawn(self._base, turn)[0]

    # ---- the model

    def _request(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any], ahead: int = 0
    ) -> Callable[[], Exchange]:
        """Write the prompt now; the exchange itself may then run anywhere."""
        view = self._view(turn)
        history = turn.history
        points = to_judge(self._base, turn, ahead) if history.n_ranked else []
        why = self._occasion(turn, self._waiting(turn))
        is_checkpoint = not statements(history) or is_last_part(history, self._n_trials)
        is_brief = self._prompt.reasoning == "none"
        beside = Beside(
            roles=not is_brief,
            n_points=0 if is_brief else len(points),
            rules=not is_brief and history.n_ranked > 0,
            structure=not is_brief and self._structure and is_checkpoint,
        )
        messages = proposal_messages(
            view.space,
            view.history,
            view.options(self._prompt),
            n_candidates=self._n_candidates,
            advice=self._advice(turn, view, points, base_params),
            trial_number=turn.trial.number + ahead,
            occasion=why,
            beside=beside,
            memory=memory(turn, view),
        )
        schema = proposal_schema(view.space, self._n_candidates, self._prompt.reasoning, beside)
        ledger = assistant.ledger(turn.study)

        def ask() -> Exchange:
            answer = assistant.exchange(ledger, view.space, messages, schema).restored(view)
            return with_points(answer, why, view.key, turn.space, points)

        return ask

    @property
    def _n_trials(self) -> int | None:
        return self._prompt.task.n_trials

    def _advice(
        self,
        turn: Turn,
        view: View,
        points: Sequence[Mapping[str, Any]],
        begun: Mapping[str, Any],
    ) -> Advice:
        noise = turn.outlook.noise()
        remarks = [] if noise is None else [noise.in_words()]
        return Advice(
            base_name=Advice.base_name if self._anonymize else str(self._base),
            points=in_words(turn, view, points),
            remarks=[*remarks, *self._from_earlier(turn, view)],
            defaults=self._untried_usual(turn, view, begun),
            begun=view.hide(begun),
            is_noisy=noise is not None and noise.counts(turn.history),
        )

    def _from_earlier(self, turn: Turn, view: View) -> list[str]:
        """Return what was best in earlier studies, in one sentence, as far as they agree."""
        if self._earlier is None:
            return []
        best = self._earlier.best(turn.study, turn.space, turn.history)[:_MAX_EARLIER]
        shown = [show_configuration(view.space, view.hide(params)) for params in best]
        agree = (
            "The best of earlier studies of the like, those first that agree most with this one"
        )
        return [f"{agree}: {'; '.join(shown)}"] if shown else []

    def _look_ahead(self, turn: Turn, proposal: Proposal) -> None:
        """Ask the model while the objective runs, if its turn was put off."""
        assistant = self._assistant
        if assistant is None:
            return
        assistant.can_prepare(turn.study, turn.trial.number)  # Takes note of the trial.
        if len(turn.space) == 0 or proposal.cost.model or not self._is_put_off(turn):
            return
        if not assistant.is_preparing(turn.study) and self._occasion(turn, self._waiting(turn)):
            # The trial that has just been proposed is pending by now.
            history = History.from_study(turn.study, None, self._search_space)
            ahead = replace(turn, history=history)
            assistant.prepare(turn.study, self._request(ahead, assistant, {}, 1))
