"""Any provider that LiteLLM knows, through LiteLLM (the extra ``litellm``)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import os
import sys
from typing import Any

from optuna_llm.chat.attempt import Attempt
from optuna_llm.chat.keys import ApiKey
from optuna_llm.chat.model import Message
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import litellm_prices
from optuna_llm.errors import MissingExtraError


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
        raise MissingExtraError(
            "this model needs LiteLLM, which cannot be imported: "
            f'pip install "optuna-llm[litellm]" ({error})'
        ) from None
    # Otherwise each failed request prints advice to the standard output.
    litellm.suppress_debug_info = True
    return litellm


class LiteLLMEndpoint:
    """One model through LiteLLM, which reads keys and addresses from the environment itself.

    Args:
        model: LiteLLM's name of the model, "provider/model".
        key: The key to send, or one that reads as None for LiteLLM's own search.
        api_base: Address to use instead of the provider's.
    """

    token_limit = "max_tokens"

    def __init__(self, model: str, *, key: ApiKey, api_base: str | None = None) -> None:
        self.model = model
        self.address = api_base or f"LiteLLM's {model.split('/', 1)[0]}"
        self.key = key
        self._api_base = api_base

    def load(self) -> None:
        """Import LiteLLM."""
        import_litellm()

    def prices(self) -> Prices | None:
        """Return LiteLLM's prices once it is imported; the import takes seconds."""
        return litellm_prices(self.model) if "litellm" in sys.modules else None

    def send(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        *,
        timeout: float,
        attempt: Attempt[Any],
    ) -> Mapping[str, Any]:
        """Send one request; one that is given up goes on until its own timeout."""
        response = import_litellm().completion(
            model=self.model,
            messages=list(messages),
            api_key=self.key.read(),
            api_base=self._api_base,
            timeout=timeout,
            max_retries=0,
            **parameters,
        )
        body: Mapping[str, Any] = response.model_dump()
        return body
