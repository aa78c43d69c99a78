"""Where chat completions are asked for: OpenAI-compatible servers, and LiteLLM's providers."""

from __future__ import annotations

from collections.abc import Mapping
import logging
import os
import ssl
import sys
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat.client import Request
from optuna_llm.chat.credentials import ApiKey
from optuna_llm.chat.credentials import ForeignKey
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import import_litellm
from optuna_llm.chat.prices import litellm_prices
from optuna_llm.chat.providers import OPENAI_URL
from optuna_llm.chat.providers import is_local
from optuna_llm.chat.providers import is_loopback
from optuna_llm.chat.reply import MAX_BODY_BYTES
from optuna_llm.chat.reply import parse_body
from optuna_llm.chat.stream import Stream
from optuna_llm.errors import MissingExtraError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import remember


if TYPE_CHECKING:
    import openai


_logger = logging.getLogger(__name__)

# What to send to servers that want no key; the SDK wants one.
_NO_KEY = "none"


class OpenAIEndpoint:
    """One model at an address that speaks OpenAI's chat completions.

    Args:
        model: The model's name there.
        base_url: The address up to and without ``/chat/completions``.
        key: The key it wants.
        prices: Prices of the model if known.
        hint: What the user may have meant, or "".
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        key: ApiKey,
        prices: Prices | None = None,
        hint: str = "",
    ) -> None:
        self.model = model
        self.hint = hint
        self.address = base_url
        self.key = key
        # OpenAI's newer models refuse max_tokens; Ollama and Mistral know only that.
        self.token_limit = "max_completion_tokens" if self._is_openai else "max_tokens"
        # Models without an end are small ones, which people serve themselves; some large ones are
        # streamed to verified accounts only.
        self.streams = is_local(base_url)
        self._prices = prices

    def load(self) -> None:
        """Import the SDK."""
        import openai  # noqa: F401

    def prices(self) -> Prices | None:
        """Return the prices given at construction."""
        return self._prices

    def send(self, request: Request) -> Mapping[str, Any]:
        """Send one request through a client of its own, which closes when it is given up."""
        with self._client() as client:
            request.attempt.on_give_up(lambda: _close(client))
            return _post(client, self.model, request)

    @property
    def _is_openai(self) -> bool:
        return self.address == OPENAI_URL

    def _client(self) -> openai.OpenAI:
        import openai

        http_client = openai.DefaultHttpxClient(
            # A proxy of the environment cannot reach this machine's own servers.
            trust_env=not is_loopback(self.address),
            verify=trusted_certificates() if self.address.startswith("https:") else True,
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
    streams = False
    hint = ""

    def __init__(self, model: str, client: openai.OpenAI) -> None:
        self.model = model
        self.address = str(client.base_url).rstrip("/")
        self.key = ForeignKey(source="the openai client", fix="give it a working key")
        self._client: openai.OpenAI | None = client
        self._process = os.getpid()

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

    def send(self, request: Request) -> Mapping[str, Any]:
        """Send one request through the user's client."""
        import openai

        assert self._client is not None
        client = self._client.with_options(max_retries=0)
        if self._process != os.getpid():
            # Two processes on one connection would read each other's answers.
            client = client.with_options(http_client=openai.DefaultHttpxClient())
        try:
            return _post(client, self.model, request)
        finally:
            remember(client.api_key)

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadyEndpoint:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}


class LiteLLMEndpoint:
    """One model through LiteLLM, which reads keys and addresses from the environment itself.

    Args:
        model: LiteLLM's name of the model, "provider/model".
        key: The key to send, or one that reads as None for LiteLLM's own search.
        api_base: Address to use instead of the provider's.
        hint: What the user may have meant, or "".
    """

    token_limit = "max_tokens"
    streams = False

    def __init__(
        self, model: str, *, key: ApiKey, api_base: str | None = None, hint: str = ""
    ) -> None:
        self.model = model
        self.hint = hint
        self.address = api_base or f"LiteLLM's {model.split('/', 1)[0]}"
        self.key = key
        self._api_base = api_base

    def load(self) -> None:
        """Import LiteLLM.

        Raises:
            MissingExtraError: It is not installed.
        """
        try:
            import_litellm()
        except MissingExtraError as error:
            raise MissingExtraError(f"{error}. {self.hint}" if self.hint else str(error)) from None

    def prices(self) -> Prices | None:
        """Return LiteLLM's prices once it is imported; the import takes seconds."""
        return litellm_prices(self.model) if sys.modules.get("litellm") else None

    def send(self, request: Request) -> Mapping[str, Any]:
        """Send one request; one that is given up goes on until its own timeout."""
        response = import_litellm().completion(
            model=self.model,
            messages=list(request.messages),
            api_key=self.key.read(),
            api_base=self._api_base,
            timeout=request.timeout,
            max_retries=0,
            **request.parameters,
        )
        body: Mapping[str, Any] = response.model_dump()
        return body


def trusted_certificates() -> ssl.SSLContext | bool:
    """Return what the environment has to say on whom to trust; True where it says nothing.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` as the openai SDK reads them, and ``REQUESTS_CA_BUNDLE``
    (a file or a folder) as other clients do.

    Raises:
        ModelSetupError: What a variable names are no certificates.
    """
    context: ssl.SSLContext | None = None
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        path = os.environ.get(variable, "")
        if not path:
            continue
        context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        cafile, capath = (None, path) if os.path.isdir(path) else (path, None)
        try:
            context.load_verify_locations(cafile, capath)
        except OSError as error:
            raise ModelSetupError(
                f"{variable}={path!r} cannot be read as certificates: {error}"
            ) from None
    return True if context is None else context


def _post(client: openai.OpenAI, model: str, request: Request) -> Mapping[str, Any]:
    """Send one request and read the body piece by piece, as long as it is worth waiting for.

    The client must not retry: it would do so beyond the deadline, and uncounted.
    """
    import openai

    completions: Any = client.chat.completions
    with completions.with_streaming_response.create(
        model=model,
        messages=list(request.messages),
        extra_body=dict(request.parameters),
        timeout=request.timeout,
    ) as response:
        content_type = response.headers.get("content-type", "")
        stream = Stream() if "event-stream" in content_type else None
        body = bytearray()
        try:
            for piece in response.iter_bytes():
                body += piece
                if request.attempt.given_up or len(body) > MAX_BODY_BYTES:
                    break
                if stream is not None:
                    stream.feed(piece)
                    if stream.repeats():
                        break
        except Exception as error:
            # The SDK wraps the errors of its HTTP library only up to the headers.
            raise openai.APIConnectionError(request=response.http_request) from error
        streamed = None if stream is None else stream.response()
        return streamed or parse_body(bytes(body), content_type)


def _close(client: openai.OpenAI) -> None:
    try:
        client.close()
    except Exception as error:
        # Another thread is using it; the connection then ends with that thread's next read.
        _logger.debug("Closing a connection failed with %s.", type(error).__name__)
