"""LLAMBOSampler: a language model inside Bayesian optimisation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Literal
from typing import get_args

import numpy as np
from optuna.trial import TrialState

from optuna_llm.assistant import Assistant
from optuna_llm.assistant import Candidate
from optuna_llm.assistant import Exchange
from optuna_llm.errors import ConfigurationError
from optuna_llm.hybrid import Proposal
from optuna_llm.hybrid import Turn
from optuna_llm.judgement import Judgement
from optuna_llm.model_sampler import Model
from optuna_llm.model_sampler import ModelSampler
from optuna_llm.model_sampler import SharedArguments
from optuna_llm.model_sampler import checked_count
from optuna_llm.model_sampler import completed
from optuna_llm.model_sampler import error_name
from optuna_llm.model_sampler import for_later
from optuna_llm.model_sampler import restored
from optuna_llm.model_sampler import spent_on
from optuna_llm.model_surrogate import Forecast
from optuna_llm.model_surrogate import ModelSurrogate
from optuna_llm.model_surrogate import Questions
from optuna_llm.model_surrogate import hold_out
from optuna_llm.prompts import Advice
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.prompts.candidates import candidate_messages
from optuna_llm.prompts.few_shot import Example
from optuna_llm.prompts.few_shot import n_fitting
from optuna_llm.prompts.few_shot import score_legend
from optuna_llm.prompts.few_shot import show_score
from optuna_llm.provenance import Record
from optuna_llm.provenance import shorten
from optuna_llm.schedule import is_paused
from optuna_llm.schedule import is_turn
from optuna_llm.schedule import model_share
from optuna_llm.scores import BEST_SCORE
from optuna_llm.scores import ScoreScale


if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Unpack

    from optuna_llm.history import History
    from optuna_llm.prompts import View
    from optuna_llm.provenance import Source


Surrogate = Literal["discriminative", "generative", "statistical"]

# How the tokens of a trial are shared out: the candidate sampler's, and each prediction's.
_CANDIDATE_TOKENS, _PREDICTION_TOKENS = 0.4, 0.3
# The targets of one request reach from alpha down to this much less.
_TARGET_RANGE = 0.2
_N_BEST_EXAMPLES, _N_LAST_EXAMPLES = 10, 4
# While there are fewer trials, the statistical surrogate can hardly judge, and knowledge leads.
_FEW_TRIALS, _SHARE_OF_FEW = 10, 0.65


@dataclass(frozen=True)
class _Option:
    """One configuration to choose among.

    Attributes:
        params: The whole configuration.
        candidate: The model's (or the prior's) candidate that it completes; None for the base
            sampler's point.
    """

    params: dict[str, Any]
    candidate: Candidate | None = None


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
        model: A model name, a client, a callable or a chat model, see :class:`ModelSampler`.
        surrogate: ``"discriminative"``, ``"generative"`` (by token log-probabilities where the
            provider tells them, else by sampled labels) or ``"statistical"`` (the model proposes,
            but is not asked to predict).
        n_startup_trials: Trials of the zero-shot warm start.
        n_candidates: Configurations that the candidate sampler proposes in one request.
        n_templates: Orders of the examples in which predictions are asked for, a request each.
        n_samples: Answers for each order, a request each.
        alpha: How far beyond the best result the candidates are to reach, as a share of the
            distance between a poor and the best one. As in the paper, positive values go beyond,
            negative ones stay on this side.
        top_quantile: Share of the trials that count as good for the generative surrogate.
        one_by_one: Ask for the prediction of each candidate in a request of its own, as the paper
            does: ``n_templates * n_samples`` requests for each.
        prompt_tokens: Token budget of what the prompts of a trial tell of the history.
        **shared: ``task``, ``known_good``, ``base_sampler``, ``seed``, ``on_error``, the limits of
            the budget, the model's address and key, and the other arguments that all samplers
            with a model share: :class:`optuna_llm.model_sampler.ModelSampler`.

    Raises:
        optuna_llm.errors.ConfigurationError: An argument is wrong.
        optuna_llm.errors.ModelSetupError: At the first request: no or refused key, unknown model.
    """

    # The warm start is the model's.
    _startup_share = 1.0

    def __init__(
        self,
        model: Model = None,
        *,
        surrogate: Surrogate = "discriminative",
        n_startup_trials: int = 5,
        n_candidates: int = 6,
        n_templates: int = 2,
        n_samples: int = 1,
        alpha: float = 0.1,
        top_quantile: float = 0.25,
        one_by_one: bool = False,
        prompt_tokens: int = 1600,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(
            model,
            n_startup_trials=n_startup_trials,
            n_candidates=n_candidates,
            prompt_tokens=prompt_tokens,
            **shared,
        )
        if surrogate not in get_args(Surrogate):
            raise ConfigurationError(
                f"surrogate={surrogate!r} is not known; choose one of {get_args(Surrogate)}."
            )
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not -1 <= alpha <= 1:
            raise ConfigurationError(f"alpha={alpha!r} must be a number from -1 to 1.")
        if not isinstance(top_quantile, int | float) or not 0 < top_quantile < 1:
            raise ConfigurationError(
                f"top_quantile={top_quantile!r} must be a number between 0 and 1."
            )
        self._alpha = float(alpha)
        self._surrogate = surrogate
        self._model_surrogate = ModelSurrogate(
            kind="label" if surrogate == "generative" else "score",
            n_templates=checked_count("n_templates", n_templates, 1),
            n_samples=checked_count("n_samples", n_samples, 1),
            one_by_one=one_by_one,
            top_quantile=float(top_quantile),
            token_budget=int(_PREDICTION_TOKENS * prompt_tokens),
        )

    def _in_startup(self, history: History) -> bool:
        """Whether zero-shot configurations are still to be run; known good ones are extra."""
        own = [o for o in history.observations if o.record is None or not o.record.design]
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
            return self._warm_start(turn, waiting, {})
        if is_paused(turn.history, turn.trial.number):
            return self._without_model(turn, "paused", "the model is left alone for a while")
        exchange = self._exchange(turn, self._assistant, {})
        spent = spent_on(exchange, self._assistant.model.name)
        self._report(turn, exchange.error)
        if exchange.error is not None:
            error = exchange.error
            return self._without_model(turn, error_name(error), str(error), **spent)
        if self._in_startup(turn.history):
            return self._warm_start(turn, exchange.candidates, spent)
        return self._optimise(turn, exchange.candidates, "llm", exchange)

    def _from_knowledge(self, turn: Turn) -> Proposal | None:
        """Let the embedded prior take the model's place."""
        if self._in_startup(turn.history):
            return self._from_prior(turn)
        samples = [
            self._prior.sample(turn.space.distributions, turn.rng)
            for _ in range(self._n_candidates)
        ]
        candidates = [Candidate(s, "Near the usual values.") for s in samples]
        return self._optimise(turn, candidates, "prior", Exchange())

    def _warm_start(
        self, turn: Turn, candidates: Sequence[Candidate], spent: Mapping[str, Any]
    ) -> Proposal:
        """Return the next new one of the model's zero-shot configurations."""
        filler = self._prior.sample(turn.space.distributions, turn.rng)
        for i, candidate in enumerate(candidates):
            whole = completed(candidate.params, turn.space, filler)
            if not turn.space.duplicates(whole, turn.tried):
                record = _record(candidate, whole, "llm", spent)
                if spent:
                    left = [for_later(turn.space, c) for c in candidates[i + 1 :]]
                    record = replace(record, candidates=left, asked=len(candidates))
                return Proposal(whole, record, tuple(candidates))
        why = "All zero-shot candidates of the model have been tried before."
        return self._from_base(turn, "base", why, vetoed="llm", **spent)

    def _optimise(
        self,
        turn: Turn,
        candidates: Sequence[Candidate],
        proposer: Literal["llm", "prior"],
        exchange: Exchange,
    ) -> Proposal:
        """Return the most promising of the candidates and the base sampler's point."""
        pool = self._pool(turn, candidates)
        if len(pool) == 1:
            why = f"All {len(candidates)} candidates have been tried before."
            spent = self._spent(exchange)
            return Proposal(pool[0].params, Record("base", why, vetoed=proposer, **spent))
        scale = self._scale(turn)
        forecast = self._forecast(turn, scale, pool)
        spent = self._spent(exchange, forecast)
        if forecast is not None and forecast.error is not None:
            self._report(turn, forecast.error)
            self._raise_if_strict(forecast.error)
            spent["error"] = error_name(forecast.error)
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
            record = Record("base", why, vetoed=proposer, **spent)
            return Proposal(pool[-1].params, record, shown)
        option, told = pool[chosen], judgement.record(chosen)
        if option.candidate is None:
            why = f"{self._base}'s point is the most promising of {len(pool)} configurations."
            record = Record("base", why, **spent)
        else:
            record = _record(option.candidate, option.params, proposer, spent)
        return Proposal(option.params, replace(record, surrogate=told), shown)

    def _is_own_turn(self, turn: Turn, proposer: Source) -> bool:
        """Whether the base sampler's point is left out: so the candidates show what they earn."""
        share = model_share(turn.history, proposer)
        if len(turn.history.ranking) < _FEW_TRIALS:
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
            usual = view.hide(self._prior.default(turn.space.distributions))
            messages = proposal_messages(
                view.space,
                view.history,
                self._prompt,
                n_candidates=n_wanted,
                advice=Advice(defaults=usual),
                trial_number=turn.trial.number + ahead,
            )
        else:
            n_wanted = self._n_candidates
            scale = self._scale(turn)
            messages = candidate_messages(
                view.space,
                view.history,
                self._prompt,
                examples=self._candidate_examples(turn, view, scale),
                legend=score_legend(turn.history, scale),
                targets=self._targets(turn, scale),
            )
        schema = proposal_schema(view.space, n_wanted, self._prompt.reasoning)
        ledger = assistant.ledger(turn.study)
        return lambda: restored(assistant.exchange(ledger, view.space, messages, schema), view)

    def _scale(self, turn: Turn) -> ScoreScale:
        """Return the scale of scores of this trial, the same whenever it is asked for."""
        return ScoreScale.of(turn.history, self._rng(turn.trial.number, "scale"))

    def _targets(self, turn: Turn, scale: ScoreScale) -> list[str]:
        """Return the scores that the candidates are to reach, in words."""
        alphas = self._alpha - np.linspace(0.0, _TARGET_RANGE, self._n_candidates)
        return [show_score(turn.history, scale, BEST_SCORE * (1 + alpha)) for alpha in alphas]

    def _candidate_examples(self, turn: Turn, view: View, scale: ScoreScale) -> list[Example]:
        """Return the best, the last and some other trials, as many as fit, the best one last."""
        scores = scale.scores(view.history)
        params = {o.number: o.params for o in view.history.observations}
        wanted = sorted(scores, key=lambda n: -scores[n])[:_N_BEST_EXAMPLES]
        wanted += [n for n in list(scores)[-_N_LAST_EXAMPLES:] if n not in wanted]
        rest = [n for n in scores if n not in wanted]
        wanted += [rest[i] for i in turn.rng.permutation(len(rest))]
        examples = {n: Example(params[n], f"{scores[n]:.0f}") for n in wanted}
        budget = int(_CANDIDATE_TOKENS * self._prompt.token_budget)
        shown = wanted[: n_fitting(view.space, list(examples.values()), budget)]
        return [examples[n] for n in sorted(shown, key=lambda n: scores[n])]

    def _pool(self, turn: Turn, candidates: Sequence[Candidate]) -> list[_Option]:
        """Return the new candidates, each once, and the base sampler's point at the end."""
        base = self._base_point(turn)
        filler = {**self._prior.sample(turn.space.distributions, turn.rng), **base}
        pool: list[_Option] = []
        known = turn.tried
        for candidate in candidates:
            params = completed(candidate.params, turn.space, filler)
            if not turn.space.duplicates(params, known):
                pool.append(_Option(params, candidate))
                known = np.vstack([known, turn.space.coordinates([params])])
        return [*pool, _Option(base)]

    def _base_point(self, turn: Turn) -> dict[str, Any]:
        """Return the base sampler's joint proposal, with what it samples independently."""
        params = self._base_params(turn)
        for name, distribution in turn.space.distributions.items():
            if name not in params:
                params[name] = self._base.sample_independent(
                    turn.study, turn.trial, name, distribution
                )
        return params

    # ---- the surrogate

    def _forecast(self, turn: Turn, scale: ScoreScale, pool: Sequence[_Option]) -> Forecast | None:
        """Ask the model to predict, unless it is not to."""
        if self._surrogate == "statistical" or self._assistant is None:
            return None
        assistant = self._assistant
        ledger = assistant.ledger(turn.study)
        held_out = hold_out(scale.scores(turn.history), turn.rng)
        view = self._view(turn)
        return self._model_surrogate.forecast(
            lambda messages, schema, n: assistant.ask(ledger, messages, schema, top_logprobs=n),
            view.space,
            view.history,
            self._prompt,
            scale,
            Questions([view.hide(o.params) for o in pool], held_out),
            turn.rng,
        )

    def _spent(self, exchange: Exchange, forecast: Forecast | None = None) -> dict[str, Any]:
        """Return what all requests of a trial have cost."""
        if self._assistant is None:
            return {}
        if forecast is not None:
            exchange = replace(
                exchange,
                completions=(*exchange.completions, *forecast.completions),
                requests=exchange.requests + forecast.requests,
            )
        spent = spent_on(exchange, self._assistant.model.name)
        return {**spent, "asked": len(exchange.candidates)}


def _record(
    candidate: Candidate, whole: Mapping[str, Any], source: Source, spent: Mapping[str, Any]
) -> Record:
    return Record(
        source,
        shorten(candidate.reason) or "The model gave no reason.",
        repaired=candidate.repaired,
        completed=sum(n not in candidate.params for n in whole),
        dropped=candidate.dropped,
        **spent,
    )
