"""OpenAI-compatible endpoints, through the openai SDK."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import logging
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat.address import is_loopback
from optuna_llm.chat.attempt import Attempt
from optuna_llm.chat.keys import ApiKey
from optuna_llm.chat.keys import ForeignKey
from optuna_llm.chat.model import Message
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.redact import remember
from optuna_llm.chat.reply import MAX_BODY_BYTES
from optuna_llm.chat.reply import parse_body
from optuna_llm.errors import ModelSetupError


if TYPE_CHECKING:
    import openai


_logger = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
# What to send to servers that want no key; the SDK wants one.
_NO_KEY = "none"


class OpenAIEndpoint:
    """One model at an address that speaks OpenAI's chat completions.

    Args:
        model: The model's name there.
        base_url: The address up to and without ``/chat/completions``.
        key: The key it wants.
        prices: Prices of the model if known.
    """

    def __init__(
        self, model: str, *, base_url: str, key: ApiKey, prices: Prices | None = None
    ) -> None:
        self.model = model
        self.address = base_url
        self.key = key
        # OpenAI's newer models refuse max_tokens; Ollama and Mistral know only that.
        self.token_limit = "max_completion_tokens" if self._is_openai else "max_tokens"
        self._prices = prices

    def load(self) -> None:
        """Import the SDK."""
        import openai  # noqa: F401

    def prices(self) -> Prices | None:
        """Return the prices given at construction."""
        return self._prices

    def send(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        *,
        timeout: float,
        attempt: Attempt[Any],
    ) -> Mapping[str, Any]:
        """Send one request through a client of its own, which closes when it is given up."""
        with self._client() as client:
            attempt.on_give_up(lambda: _close(client))
            return _post(client, self.model, messages, parameters, timeout, attempt)

    @property
    def _is_openai(self) -> bool:
        return self.address == OPENAI_URL

    def _client(self) -> openai.OpenAI:
        import openai

        # A proxy of the environment cannot reach this machine's own servers.
        http_client = (
            openai.DefaultHttpxClient(trust_env=False) if is_loopback(self.address) else None
        )
        client = openai.OpenAI(
            api_key=self.key.read() or _NO_KEY,
            base_url=self.address,
            max_retries=0,
            http_client=http_client,
        )
        if not self._is_openai:
            # The SDK takes these from the environment; they are no other provider's business.
            client.organization = client.project = None
        return client


class ReadyEndpoint:
    """One model behind an ``openai.OpenAI`` or ``openai.AzureOpenAI`` object of the user.

    The object stays the user's: it is never closed, copied or pickled.
    """

    token_limit = "max_completion_tokens"

    def __init__(self, model: str, client: openai.OpenAI) -> None:
        self.model = model
        self.address = str(client.base_url).rstrip("/")
        self.key = ForeignKey(source="the openai client", fix="give it a working key")
        self._client: openai.OpenAI | None = client

    def load(self) -> None:
        """Check that there is a client.

        Raises:
            ModelSetupError: It was left behind in another process.
        """
        if self._client is None:
            raise ModelSetupError(
                "a ready openai client is left out of pickles, because it holds a key: connect "
                "again with it in this process, or connect with a model name and a key in the "
                "environment"
            )

    def prices(self) -> Prices | None:
        """Return None: a ready client says nothing of prices."""
        return None

    def send(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        *,
        timeout: float,
        attempt: Attempt[Any],
    ) -> Mapping[str, Any]:
        """Send one request through the user's client."""
        assert self._client is not None
        client = self._client.with_options(max_retries=0)
        try:
            return _post(client, self.model, messages, parameters, timeout, attempt)
        finally:
            remember(client.api_key)

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadyEndpoint:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}


def _post(
    client: openai.OpenAI,
    model: str,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    timeout: float,
    attempt: Attempt[Any],
) -> Mapping[str, Any]:
    """Send one request and read the body piece by piece, as long as somebody waits for it.

    The client must not retry: it would do so beyond the deadline, and uncounted.
    """
    import openai

    completions: Any = client.chat.completions
    with completions.with_streaming_response.create(
        model=model, messages=list(messages), extra_body=dict(parameters), timeout=timeout
    ) as response:
        body = bytearray()
        try:
            for piece in response.iter_bytes():
                body += piece
                if attempt.given_up or len(body) > MAX_BODY_BYTES:
                    break
        except Exception as error:
            # The SDK wraps the errors of its HTTP library only up to the headers.
            raise openai.APIConnectionError(request=response.http_request) from error
        return parse_body(bytes(body), response.headers.get("content-type", ""))


def _close(client: openai.OpenAI) -> None:
    try:
        client.close()
    except Exception as error:
        # Another thread is using it; the connection then ends with that thread's next read.
        _logger.debug("Closing a connection failed with %s.", type(error).__name__)
