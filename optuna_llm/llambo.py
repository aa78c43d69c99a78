"""LLAMBOSampler: a language model inside Bayesian optimisation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Literal
from typing import get_args

import optuna
from optuna.trial import TrialState

from optuna_llm.cqr import CQRSampler
from optuna_llm.expectations.model import Forecast
from optuna_llm.expectations.model import ModelSurrogate
from optuna_llm.expectations.model import Questions
from optuna_llm.expectations.model import hold_out
from optuna_llm.expectations.model import read_alike
from optuna_llm.expectations.pooled import Judgement
from optuna_llm.expectations.track_record import is_given_up
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.origin import Origin
from optuna_llm.history.queue import Queue
from optuna_llm.history.scores import ScoreScale
from optuna_llm.prompts import Advice
from optuna_llm.prompts import candidate_examples
from optuna_llm.prompts import candidate_messages
from optuna_llm.prompts import plausible_targets
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.prompts import score_legend
from optuna_llm.prompts import show_score
from optuna_llm.reporting.dashboard import note_writer
from optuna_llm.sharing.assistant import Assistant
from optuna_llm.sharing.assistant import Exchange
from optuna_llm.sharing.checks import check_choice
from optuna_llm.sharing.checks import checked_count
from optuna_llm.sharing.checks import checked_flag
from optuna_llm.sharing.checks import checked_share
from optuna_llm.sharing.model_sampler import ModelSampler
from optuna_llm.sharing.options import Model
from optuna_llm.sharing.options import SharedArguments
from optuna_llm.sharing.options import takes_shared_arguments
from optuna_llm.sharing.proposal import Option
from optuna_llm.sharing.proposal import Proposal
from optuna_llm.sharing.proposal import Turn
from optuna_llm.sharing.turns import is_paused
from optuna_llm.sharing.turns import is_turn
from optuna_llm.sharing.turns import model_share


if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack

    from optuna_llm.history.history import History
    from optuna_llm.history.origin import Source


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

Surrogate = Literal["discriminative", "generative", "statistical"]

# The share of the tokens that the examples of a request may take, whatever it asks for.
_EXAMPLE_TOKENS = 0.4
# While there are fewer trials, the statistical surrogate can hardly judge, and knowledge leads.
_FEW_TRIALS, _SHARE_OF_FEW = 10, 0.65


@takes_shared_arguments
class LLAMBOSampler(ModelSampler):
    """Sampler in which a language model warm-starts, proposes and predicts.

    After Liu et al., "Large Language Models to Enhance Bayesian Optimization" (2024,
    https://arxiv.org/abs/2402.03921), beside a statistical sampler and surrogate.

    1. **Zero-shot warm start.** One request for ``n_startup_trials`` diverse configurations.
    2. **Candidate sampler** p(h | s'). The model proposes configurations that are to reach target
       scores s' = s_min - alpha (s_max - s_min), for losses; the base sampler adds its own point.
    3. **Surrogate.** The model predicts the score of every candidate from examples, in another
       order each time (discriminative), or how likely each is one of the best (generative).
       Finished trials that are asked about along with them tell how far it can be believed: they
       recalibrate its predictions, and its weight against a statistical surrogate follows how
       well it puts them in order. A model that repeats one number has no weight.
    4. **Acquisition.** The candidate with the largest expected improvement by both,
       times the probability not to fail, is run. On a share of the trials that the model earns
       only its own candidates are considered.

    Without a model the embedded prior takes its place in 1 and 2, and the statistical surrogate
    chooses. Every trial carries the user attributes ``llm:source`` and ``llm:rationale``.

    Example:
        .. code-block:: python

            import optuna
            from optuna_llm import LLAMBOSampler

            study = optuna.create_study(sampler=LLAMBOSampler("gpt-5-mini"))
            study.optimize(objective, n_trials=25)

    Args:
        model: A model name, a client, a callable or a chat model; None takes the environment's.
            See :class:`optuna_llm.sharing.options.SharedArguments`.
        surrogate: ``"discriminative"``, ``"generative"`` (by token log-probabilities where the
            provider tells them, else by sampled labels) or ``"statistical"`` (the model proposes,
            but is not asked to predict).
        n_startup_trials: Trials of the zero-shot warm start.
        n_candidates: Configurations that the candidate sampler proposes in one request.
        n_templates: Orders of the examples in which predictions are asked for, a request each; the
            paper asks in several, which tells little that the errors of one do not.
        n_samples: Answers for each order, a request each.
        alpha: How far beyond the best result the candidates are to reach, as a share of the
            distance between a poor and a good one, and no further than the best quarter of the
            trials are apart. As in the paper, positive values go beyond, negative ones stay on
            this side.
        top_quantile: Share of the trials that count as good for the generative surrogate.
        one_by_one: Ask for the prediction of each candidate in a request of its own, as the paper
            does: ``n_templates * n_samples`` requests for each.
        prompt_tokens: Token budget of what the prompts of a trial tell of the history.
        **shared: ``task``, ``known_good``, ``base_sampler``, ``seed``, ``on_error``, the limits of
            the budget, the model's address and key, and the other arguments that all samplers
            with a model share: :class:`optuna_llm.sharing.options.SharedArguments`.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    # The warm start is the model's.
    _startup_share = 1.0
    _default_base = CQRSampler
    _note_writer = staticmethod(note_writer)

    def __init__(
        self,
        model: Model = None,
        *,
        surrogate: Surrogate = "discriminative",
        n_startup_trials: int = 5,
        n_candidates: int = 6,
        n_templates: int = 1,
        n_samples: int = 1,
        alpha: float = 0.1,
        top_quantile: float = 0.25,
        one_by_one: bool = False,
        prompt_tokens: int = 3200,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(model, n_startup_trials, n_candidates, prompt_tokens, **shared)
        check_choice("surrogate", surrogate, get_args(Surrogate))
        self._alpha = checked_share("alpha", alpha, -1, 1)
        self._surrogate = surrogate
        self._model_surrogate = ModelSurrogate(
            kind="label" if surrogate == "generative" else "score",
            n_templates=checked_count("n_templates", n_templates, 1),
            n_samples=checked_count("n_samples", n_samples, 1),
            one_by_one=checked_flag("one_by_one", one_by_one),
            top_quantile=checked_share("top_quantile", top_quantile, 0, 1, ends=False),
            token_budget=int(_EXAMPLE_TOKENS * self._prompt.token_budget),
        )

    def _in_startup(self, history: History) -> bool:
        """Whether zero-shot configurations are still to be run; known good ones are extra."""
        own = [o for o in history.observations if o.origin is None or not o.origin.design]
        failed = sum(o.state == TrialState.FAIL for o in own)
        return len(own) - failed < self._n_startup_trials

    # ---- one trial

    def _propose(self, turn: Turn) -> Proposal | None:
        if len(turn.space) == 0:
            return None
        if self._assistant is None:
            return self._from_knowledge(turn)
        waiting = self._waiting_candidates(turn)
        if waiting:
            return self._warm_start(turn, Exchange(candidates=tuple(waiting)))
        if is_paused(turn.history, turn.trial.number):
            why = "the model is left alone for a while"
            return self._without_model(turn, Cost(error="paused"), why)
        exchange = self._exchange(turn, self._assistant, {})
        self._report(turn, exchange.error)
        if exchange.error is not None:
            return self._without_model(turn, self._spent(exchange), str(exchange.error))
        if self._in_startup(turn.history):
            return self._warm_start(turn, exchange)
        return self._optimise(turn, exchange.candidates, "llm", exchange)

    def _from_knowledge(self, turn: Turn) -> Proposal | None:
        """Let the embedded prior take the model's place."""
        if self._in_startup(turn.history):
            return self._from_prior(turn)
        rng = turn.rng("prior")
        samples = [
            self._prior.sample(turn.space.distributions, rng) for _ in range(self._n_candidates)
        ]
        candidates = [Candidate(s, "Near the usual values.") for s in samples]
        return self._optimise(turn, candidates, "prior", Exchange())

    def _warm_start(self, turn: Turn, exchange: Exchange) -> Proposal:
        """Return the next new one of the model's zero-shot configurations."""
        filler = self._prior.sample(turn.space.distributions, turn.rng("filler"))
        candidates = exchange.candidates
        cost = self._spent(exchange) if exchange.requests else Cost()
        for i, candidate in enumerate(candidates):
            whole = candidate.completed(turn.space, filler)
            if not turn.tried.repeats(whole):
                left = candidates[i + 1 :]
                asked = Queue.holding(turn.space, left, asked=len(candidates))
                queue = asked if exchange.requests else Queue()
                origin = candidate.origin("llm", whole)
                return Proposal(whole, origin, cost, queue, candidates=candidates)
        why = "All zero-shot candidates of the model have been tried before."
        return self._from_base(turn, "base", why, vetoed="llm", cost=cost)

    def _optimise(
        self,
        turn: Turn,
        candidates: Sequence[Candidate],
        proposer: Literal["llm", "prior"],
        exchange: Exchange,
    ) -> Proposal:
        """Return the most promising of the candidates and the base sampler's point."""
        pool = self._pool(turn, candidates)
        asked = Queue(asked=len(exchange.candidates))
        if not any(o.candidate for o in pool):
            why = f"All {len(candidates)} candidates have been tried before."
            origin = Origin("base", why, vetoed=proposer)
            return pool[-1].proposal(origin, self._spent(exchange), asked)
        scale = self._scale(turn)
        forecast = self._forecast(turn, scale, pool)
        cost = self._spent(exchange, forecast)
        if forecast is not None and forecast.error is not None:
            self._report(turn, forecast.error)
            self._raise_if_strict(forecast.error)
            cost = cost.with_error(forecast.error)
        judgement = Judgement.of(
            [o.params for o in pool],
            turn.history,
            turn.outlook,
            scale,
            kind=self._model_surrogate.kind,
            top_quantile=self._model_surrogate.top_quantile,
            forecast=forecast,
        )
        shown = tuple(replace(o.candidate, params=o.params) for o in pool if o.candidate)
        own_turn = self._is_own_turn(turn, proposer)
        allowed = [i for i, o in enumerate(pool) if o.candidate or not own_turn]
        chosen = max(allowed, key=lambda i: judgement.utility[i])
        if own_turn and turn.outlook.is_hopeless(pool[chosen].params):
            why = f"The surrogate expects little of the {len(allowed)} new candidates."
            origin = Origin("base", why, vetoed=proposer)
            return replace(pool[-1].proposal(origin, cost, asked), candidates=shown)
        option = pool[chosen]
        if option.candidate is None and option is not pool[-1]:
            origin = Origin("base", "The best trial once more, to tell noise from effects.")
        elif option.candidate is None:
            why = f"{self._base}'s point is the most promising of {len(pool)} configurations."
            origin = Origin("base", why)
        else:
            origin = option.candidate.origin(proposer, option.params)
        told = judgement.predictions(chosen)
        return replace(option.proposal(origin, cost, asked), predictions=told, candidates=shown)

    def _is_own_turn(self, turn: Turn, proposer: Source) -> bool:
        """Whether the base sampler's point is left out: so the candidates show what they earn."""
        share = model_share(turn.history, proposer)
        if turn.history.n_ranked < _FEW_TRIALS:
            share = max(share, _SHARE_OF_FEW)
        return is_turn(turn.trial.number, share)

    # ---- the candidate sampler

    def _request(
        self, turn: Turn, assistant: Assistant, base_params: Mapping[str, Any], ahead: int = 0
    ) -> Callable[[], Exchange]:
        """Write the candidate sampler's prompt, or the warm start's."""
        view = self._view(turn)
        if self._in_startup(turn.history):
            n_wanted = max(self._n_startup_trials, 1)
            messages = proposal_messages(
                view.space,
                view.history,
                view.options(self._prompt),
                n_candidates=n_wanted,
                advice=Advice(
                    defaults=self._untried_usual(turn, view, base_params),
                    begun=view.hide(base_params),
                ),
                trial_number=turn.trial.number + ahead,
            )
        else:
            n_wanted = self._n_candidates
            scale, noise = self._scale(turn), turn.outlook.noise()
            messages = candidate_messages(
                view.space,
                view.history,
                view.options(self._prompt),
                examples=candidate_examples(
                    view.space,
                    view.history,
                    scale.scores(view.history),
                    rng=turn.rng("examples"),
                    token_budget=int(_EXAMPLE_TOKENS * self._prompt.token_budget),
                ),
                legend=score_legend(turn.history, scale),
                targets=self._targets(turn, scale, n_wanted),
                trial_number=turn.trial.number + ahead,
                noise="" if noise is None else noise.in_words(),
            )
        schema = proposal_schema(view.space, n_wanted, self._prompt.reasoning)
        ledger = assistant.ledger(turn.study)
        return lambda: assistant.exchange(ledger, view.space, messages, schema).restored(view)

    def _scale(self, turn: Turn) -> ScoreScale:
        """Return the scale of scores of this trial, the same whenever it is asked for."""
        return ScoreScale.of(turn.history, turn.rng("scale"))

    def _targets(self, turn: Turn, scale: ScoreScale, n: int) -> list[str]:
        """Return the scores that the candidates are to reach, in words."""
        scores = list(scale.scores(turn.history).values())
        noise = turn.outlook.noise()
        blur = 0.0 if noise is None else scale.difference(noise.deviation)
        wanted = plausible_targets(scores, self._alpha, n, blur)
        return [show_score(turn.history, scale, score) for score in wanted]

    def _pool(self, turn: Turn, candidates: Sequence[Candidate]) -> list[Option]:
        """Return the new candidates, each once; the best trial again; the base sampler's point."""
        base = self._base.whole_point(turn)
        usual = self._prior.sample(turn.space.distributions, turn.rng("filler"))
        filler = {**usual, **base.params}
        pool: list[Option] = []
        known = turn.tried
        for candidate in candidates:
            params = candidate.completed(turn.space, filler)
            if not known.repeats(params):
                pool.append(Option(params, candidate))
                known = known.and_also(params)
        if self._assistant is not None:
            pool += self._once_more(turn)
        return [*pool, Option(base.params, attributes=base.attributes)]

    def _once_more(self, turn: Turn) -> list[Option]:
        """Return the best trial again where noise alone may have made it the best."""
        best = turn.history.best
        if best is None or not turn.outlook.is_best_in_doubt():
            return []
        params = turn.space.legal(best.params)
        is_known = any(o.params == params for o in turn.history.running)
        return [Option(params)] if params == best.params and not is_known else []

    # ---- the surrogate

    def _forecast(self, turn: Turn, scale: ScoreScale, pool: Sequence[Option]) -> Forecast | None:
        """Ask the model to predict, unless it is not to."""
        if self._surrogate == "statistical" or self._assistant is None:
            return None
        if is_given_up(turn.history, turn.trial.number):
            last = turn.history.observations[-1] if turn.history.observations else None
            if last is not None and last.predictions.scale:
                _logger.info(
                    f"Trial {turn.trial.number}: the model is not asked to predict any more; its"
                    " predictions of the last trials put none in the right order."
                )
            return None
        assistant = self._assistant
        ledger = assistant.ledger(turn.study)
        view = self._view(turn)
        alike = read_alike(view.space, view.history)
        held_out = hold_out(scale.scores(turn.history), turn.rng("held out"), alike)
        asked = [view.hide(turn.outlook.active(o.params)) for o in pool]
        return self._model_surrogate.forecast(
            lambda messages, schema, n: assistant.ask(ledger, messages, schema, top_logprobs=n),
            view.space,
            view.history,
            view.options(self._prompt),
            scale,
            Questions(asked, held_out),
            turn.rng("forecast"),
        )

    def _spent(self, exchange: Exchange, forecast: Forecast | None = None) -> Cost:
        """Return what all requests of a trial have cost."""
        if self._assistant is None:
            return Cost()
        if forecast is not None:
            exchange = replace(
                exchange,
                completions=(*exchange.completions, *forecast.completions),
                requests=exchange.requests + forecast.requests,
            )
        return exchange.spent(self._assistant.model.name)
