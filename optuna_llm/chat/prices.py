"""What tokens cost."""

from __future__ import annotations

from collections.abc import Sequence
import importlib.util
import math
import os
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat.numbers import real
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.extras import missing_extra


if TYPE_CHECKING:
    from optuna_llm.chat.model import ChatModel
    from optuna_llm.chat.model import Usage


# Price of a million prompt tokens, and of a million completion tokens.
Prices = tuple[float, float]

_MILLION = 1_000_000


def check_prices(prices: object) -> Prices:
    """Return ``prices`` as a pair of numbers.

    Raises:
        ConfigurationError: They are not two finite numbers of at least zero.
    """
    is_text = isinstance(prices, str | bytes)
    found = [real(p) for p in prices] if isinstance(prices, Sequence) and not is_text else []
    if len(found) != 2 or not all(0 <= price < math.inf for price in found):
        raise ConfigurationError(
            f"prices={prices!r:.80} must be two numbers of at least 0: the price of a million "
            "prompt tokens and of a million completion tokens, such as (0.25, 2.0)"
        )
    return found[0], found[1]


def cost_of(usage: Usage, prices: Prices | None) -> float | None:
    """Return the price of ``usage``, or None without prices."""
    if prices is None:
        return None
    return (usage.prompt_tokens * prices[0] + usage.completion_tokens * prices[1]) / _MILLION


def prices_of(model: ChatModel) -> Prices | None:
    """Return the prices of ``model``: its own, or LiteLLM's if that is installed, or None.

    Importing LiteLLM takes seconds, so ask only when a limit on cost is set.
    """
    own: Prices | None = getattr(model, "prices", None)
    if own is not None or importlib.util.find_spec("litellm") is None:
        return own
    return litellm_prices(model.name)


def litellm_prices(name: str) -> Prices | None:
    """Return the prices in US dollars in LiteLLM's table, which comes with the package."""
    table = import_litellm().model_cost
    # The table lists some models as "provider/model" and some, such as Anthropic's, bare.
    entry = table.get(name) or table.get(name.split("/", 1)[-1])
    try:
        return (
            entry["input_cost_per_token"] * _MILLION,
            entry["output_cost_per_token"] * _MILLION,
        )
    except (TypeError, KeyError):
        return None


def import_litellm() -> Any:
    """Import LiteLLM without the requests that its import would send.

    Raises:
        MissingExtraError: It is not installed.
    """
    if "litellm" not in sys.modules:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError as error:
        missing = missing_extra("LiteLLM", extra="litellm", need="this model needs")
        raise MissingExtraError(f"{missing}: {error}") from None
    # Otherwise each failed request prints advice to the standard output.
    litellm.suppress_debug_info = True
    return litellm
