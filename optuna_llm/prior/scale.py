"""The sizes of a problem, as far as they are known: of data, of a model, of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
import math
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.errors import ConfigurationError
from optuna_llm.space.numbers import is_number


if TYPE_CHECKING:
    from typing_extensions import Self


# What a language model has that is trained from scratch.
_PRE_TRAINING = ("weights", "tokens")


@dataclass(frozen=True)
class Scale:
    """How large a problem is; usual values move with it, see docs/prior.md.

    Give what is constant in the study and known; what is a parameter of the search space, the
    trial says itself.

    Args:
        rows: Examples to learn from.
        columns: Features.
        classes: Classes to tell apart; 2 or more. It also says that the task is classification.
        tokens: Tokens (or examples) seen in the whole training.
        weights: Weights of the model, without those of embeddings.
        width: Units of a hidden layer, or the dimension of the model.
        depth: Layers, or blocks.
        steps: Steps of the optimizer.
        batch: Examples in a batch; of pre-training, tokens.

    Raises:
        ConfigurationError: A size is no positive number, or none is given.
    """

    rows: float | None = None
    columns: float | None = None
    classes: float | None = None
    tokens: float | None = None
    weights: float | None = None
    width: float | None = None
    depth: float | None = None
    steps: float | None = None
    batch: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.sizes.items():
            least = 2 if name == "classes" else 0
            if not is_number(value) or not least <= value < math.inf or value == 0:
                needed = "a number of at least 2" if least else "a positive number"
                raise ConfigurationError(
                    f"scale: {name}={value!r:.80} must be {needed}; leave it out where it is not"
                    " known."
                )
        if not self.sizes:
            raise ConfigurationError(f"scale says no size; give some of {', '.join(NAMES)}.")

    @classmethod
    def of(cls, value: Any) -> Self:
        """Accept sizes, or a mapping of some of them.

        Raises:
            ConfigurationError: It is something else, or names a size that there is not.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"scale={value!r:.80} must be a Scale or a mapping, such as Scale(rows=1000,"
                " columns=20)."
            )
        for name in value:
            if name not in NAMES:
                raise ConfigurationError(
                    f"scale: {name!r:.80} is no size; known are {', '.join(NAMES)}."
                )
        return cls(**value)

    @property
    def sizes(self) -> dict[str, float]:
        """What is given, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def is_pre_training(self) -> bool:
        """Whether these are the sizes of a language model trained from scratch."""
        return all(name in self.sizes for name in _PRE_TRAINING)

    @property
    def words(self) -> str:
        """What the sizes say of the task, in words by which families are told apart."""
        said = ["classification"] * (self.classes is not None)
        return " ".join([*said, *(["pre-training"] * self.is_pre_training)])


NAMES = tuple(f.name for f in fields(Scale))
