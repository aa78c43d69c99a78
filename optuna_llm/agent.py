"""AgentSampler: an agent suggests configurations, a statistical sampler weighs them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from optuna_llm.cqr import CQRSampler
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.history import History
from optuna_llm.history.suggestions import Settled
from optuna_llm.history.suggestions import suggest
from optuna_llm.history.suggestions import suggestions
from optuna_llm.history.suggestions import waiting
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.sharing.checks import checked_count
from optuna_llm.sharing.checks import checked_prior
from optuna_llm.sharing.checks import checked_seed
from optuna_llm.sharing.checks import checked_space
from optuna_llm.sharing.given import Given
from optuna_llm.sharing.given import checked_against
from optuna_llm.sharing.hybrid import HybridSampler
from optuna_llm.sharing.proposal import Proposal
from optuna_llm.sharing.proposal import Turn
from optuna_llm.sharing.turns import STARTUP_KNOWLEDGE_SHARE
from optuna_llm.sharing.turns import STARTUP_SHARE
from optuna_llm.sharing.turns import is_turn
from optuna_llm.sharing.turns import model_share
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from optuna_llm.history.suggestions import Suggestion


# So many of the newest suggestions compete for a turn.
_MAX_COMPETING = 32


class AgentSampler(HybridSampler):
    """Sampler in which an agent and a statistical sampler take turns.

    As :class:`~optuna_llm.LLMSampler`, with an agent in the place of the model: a coding agent, a
    script or a person who watches the study and suggests configurations, by the command
    ``optuna-llm enqueue``, by its MCP server, or with :meth:`suggest`. Suggestions wait in the
    study's storage. The agent has a share of the trials that follows its measured benefit, between
    0.05 and 0.7; on its turns the most promising suggestion is run, unless the surrogate of the
    study vetoes all of them. While nobody suggests anything the base sampler proposes.

    .. testcode::

        import optuna
        from optuna_llm import AgentSampler

        sampler = AgentSampler({"x": optuna.distributions.FloatDistribution(-10, 10)}, seed=1)
        study = optuna.create_study(sampler=sampler)
        sampler.suggest(study, {"x": 2.1}, why="The minimum of (x - 2)**2 is near 2.")
        study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=10)

    Args:
        search_space: Distributions of the parameters. What is suggested is held against them.
        base_sampler: The statistical sampler; by default :class:`~optuna_llm.CQRSampler`.
        known_good: Configurations to try first.
        prior: An :class:`optuna_llm.Prior`: usual values of your own, before the embedded ones.
        about: What the study is about, in a few words. It tells apart hyperparameters that have
            the same name in several fields.
        n_trials: How many trials the study will have, where that is known.
        n_startup_trials: Number of trials that count as start-up, when the surrogate knows too
            little to veto anything.
        seed: Seed of the random numbers.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and why.
    """

    def __init__(
        self,
        search_space: Mapping[str, BaseDistribution] | None = None,
        *,
        base_sampler: BaseSampler | None = None,
        known_good: Sequence[Mapping[str, Any]] | None = None,
        prior: EmbeddedPrior | None = None,
        about: str | None = None,
        n_trials: int | None = None,
        n_startup_trials: int = 10,
        seed: int | None = None,
    ) -> None:
        space, seed = checked_space(search_space), checked_seed(seed)
        if n_trials is not None:
            n_trials = checked_count("n_trials", n_trials, 1)
        if about is not None and not isinstance(about, str):
            raise ConfigurationError(f"about={about!r:.80} must be a text; leave it out.")
        known = checked_prior("prior", prior).within(about)
        if base_sampler is None:
            base_sampler = CQRSampler(
                search_space=space, prior=known, n_trials=n_trials, seed=seed
            )
        super().__init__(
            base_sampler=base_sampler,
            given=Given(space, known_good, is_whole=True),
            prior=known,
            n_startup_trials=n_startup_trials,
            seed=seed,
            on_error="fallback",
            save_note=None,
        )

    # ---- for agents

    def suggest(
        self, study: optuna.Study, *configurations: Mapping[str, Any], why: str = ""
    ) -> list[str]:
        """Leave configurations for coming turns of the agent.

        Args:
            study: The study.
            *configurations: Native values by name. What is missing the base sampler fills in.
            why: The reason, kept with the trials that run them.

        Returns:
            Names of the suggestions, by which :meth:`suggestions` tells what became of them.

        Raises:
            ConfigurationError: A value is not legal, a name unknown, or there is nothing.
        """
        history = History.from_study(study, None, self._search_space)
        space = self._space(history)
        checked = checked_against("configurations", configurations, history.distributions)
        reason = why.strip() or "The agent gave no reason."
        # What has a single value is no matter of choice.
        own = [{n: v for n, v in c.items() if n in space.distributions} for c in checked]
        return suggest(study, space, [Candidate(params, reason) for params in own])

    def suggestions(self, study: optuna.Study) -> list[Suggestion]:
        """Return all that was suggested, the oldest first, and what became of it."""
        history = History.from_study(study, None, self._search_space)
        return suggestions(study, self._space(history), history)

    def share(self, study: optuna.Study) -> float:
        """Return the share of coming trials that the agent has earned, of those it may have."""
        return self._share(History.from_study(study, None, self._search_space))

    # ---- one trial

    def _propose(self, turn: Turn) -> Proposal | None:
        if len(turn.space) == 0:
            return None
        number = turn.trial.number
        if is_turn(number, self._share(turn.history)):
            found = waiting(suggestions(turn.study, turn.space, turn.history))
            if found:
                return self._from_agent(turn, found[-_MAX_COMPETING:])
            # A turn that nobody takes goes to whoever is next.
            number += 1
        if self._in_startup(turn.history) and is_turn(number, STARTUP_KNOWLEDGE_SHARE):
            return self._from_prior(turn)
        return None

    def _share(self, history: History) -> float:
        return STARTUP_SHARE if self._in_startup(history) else model_share(history, "agent")

    def _from_agent(self, turn: Turn, found: Sequence[Suggestion]) -> Proposal | None:
        """Return the most promising suggestion, or say why there is none."""
        filler = {
            **self._prior.sample(turn.space.distributions, turn.rng("filler")),
            **self._base_point(turn).params,
        }
        whole = [s.candidate.completed(turn.space, filler) for s in found]
        good = [i for i, params in enumerate(whole) if not turn.outlook.is_hopeless(params)]
        if not good:
            n = len(found)
            what = "the agent's suggestion" if n == 1 else f"all {n} suggestions of the agent"
            base = self._from_base(
                turn, "base", f"The surrogate expects little of {what}.", vetoed="agent"
            )
            return replace(base, settled=Settled([s.name for s in found]))
        order = turn.outlook.order([whole[i] for i in good])
        # While this was computed, another worker may have taken one.
        now = History.from_study(turn.study, turn.trial, self._search_space)
        left = {s.name for s in waiting(suggestions(turn.study, turn.space, now))}
        chosen = next((good[k] for k in order if found[good[k]].name in left), None)
        if chosen is None:
            return None
        origin = found[chosen].candidate.origin("agent", whole[chosen])
        return Proposal(whole[chosen], origin, settled=Settled([found[chosen].name]))

    def _space(self, history: History) -> SearchSpace:
        space = history.search_space()
        if len(space) == 0:
            raise ConfigurationError(
                "search_space=None: nothing is known of the parameters before the first trial;"
                " pass search_space to AgentSampler."
            )
        return space
