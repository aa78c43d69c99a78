"""What is known of a study beside its results: a source of beliefs for its surrogate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.stated import stated_belief
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.belief import Marginal
from optuna_llm.prior.belief import Marginals


if TYPE_CHECKING:
    from optuna_llm.history.history import History
    from optuna_llm.space.search_space import SearchSpace
    from optuna_llm.surrogate.belief import Belief


class Knowledge(Protocol):
    """Somebody or something that knows where good configurations may lie.

    The embedded prior is one, the user another, and so are earlier studies and a language model.
    """

    def belief(self, space: SearchSpace, history: History) -> Belief | None:
        """Return what is believed of a space, None where that is nothing.

        Args:
            space: The parameters.
            history: The study so far.
        """


@dataclass(frozen=True)
class UsualValues:
    """What is known of well-known hyperparameters by their names.

    Args:
        prior: The table.
    """

    prior: EmbeddedPrior

    def belief(self, space: SearchSpace, history: History) -> Belief | None:
        """Return what the table says of a space."""
        return self.prior.belief(space) or None


class OfTheModel:
    """What a language model believes, read from all that it has proposed and stated so far."""

    def belief(self, space: SearchSpace, history: History) -> Belief | None:
        """Return what the model believes; None before its first answer."""
        stated = stated_belief(history, space)
        if stated is None:
            return None
        marginals: list[Marginal | None] = []
        for i, name in enumerate(space.names):
            if name in stated.weights:
                marginals.append(Marginal(weights=tuple(stated.weights[name].tolist())))
            elif np.isnan(stated.centre[i]):
                marginals.append(None)
            else:
                marginals.append(Marginal(float(stated.centre[i]), float(stated.spread[i])))
        explanation = f"what the language model has proposed in {stated.n_answers} answers"
        return Marginals(space, marginals, explanation) or None


def checked_knowledge(knowledge: Any) -> tuple[Knowledge, ...]:
    """Return the argument ``knowledge`` of a sampler, or raise ConfigurationError."""
    is_list = isinstance(knowledge, Sequence) and not isinstance(knowledge, str | bytes)
    if not is_list or not all(
        callable(getattr(k, "belief", None)) and not isinstance(k, type) for k in knowledge
    ):
        raise ConfigurationError(
            f"knowledge={knowledge!r:.100} must be a list of objects with a method"
            " belief(space, history); see optuna_llm.expectations.knowledge."
        )
    return tuple(knowledge)
