"""Why a request failed, in words that help, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import email.utils
import re
import socket
import ssl
import time
from typing import cast

from optuna_llm.chat.address import is_loopback
from optuna_llm.chat.keys import KeyOrigin
from optuna_llm.chat.model import Usage
from optuna_llm.chat.model import reported_usage
from optuna_llm.chat.redact import redact
from optuna_llm.chat.reply import excerpt
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import OptunaLLMError


_NO_MONEY = re.compile(
    r"insufficient[_ ](quota|balance|credit|funds)|credit balance|out of credits"
    r"|billing_not_active|billing_hard_limit",
    re.IGNORECASE,
)
# Said with a 400 by Google and others, or by LiteLLM before anything is sent.
_BAD_KEY = re.compile(
    r"missing credentials|api[_ ]key.{0,60}(must be|not|is) set|api[_ ]key (not valid|invalid)"
    r"|api_key_invalid|(invalid|incorrect) api[_ ]key",
    re.IGNORECASE,
)
_NO_SUCH_MODEL = re.compile(
    r"model_not_found|model not exist|(not a valid|invalid|unknown) model"
    r"|LLM Provider NOT provided|model .{0,100}(does not exist|not found)",
    re.IGNORECASE,
)
_LONGEST_COMPLAINT = 10_000
# The statuses that the openai SDK retries, besides 5xx.
_PASSING = (408, 409, 429)


@dataclass(frozen=True)
class Complaint:
    """What a server said about a request that it would not take.

    Attributes:
        parameter: The parameter that the server names as such, if any.
        text: All that it said.
    """

    parameter: str | None
    text: str


@dataclass(frozen=True)
class Failure:
    """Why one request failed; holds no secret and no exception that could.

    Attributes:
        kind: The error to raise.
        reason: Its message.
        retry: Whether the same request may succeed soon.
        retry_after: Seconds that the server asked to wait.
        complaint: What it said about the request, if it found the request at fault.
        usage: Tokens used all the same.
    """

    kind: type[OptunaLLMError]
    reason: str
    retry: bool = False
    retry_after: float | None = None
    complaint: Complaint | None = None
    usage: Usage | None = None

    def error(self, attempts: int) -> OptunaLLMError:
        """Return the exception to raise after so many attempts."""
        error = self.kind(self.reason + (f" ({attempts} attempts)" if attempts > 1 else ""))
        if self.usage is not None and isinstance(error, ModelError):
            error.usage = self.usage
        return error


def timed_out(address: str, seconds: float) -> Failure:
    """Return the failure of a request that took longer than ``seconds``."""
    return Failure(ModelError, f"no answer from {address} within {seconds:.3g} s", retry=True)


def explain(
    error: Exception, *, model: str, address: str, key: KeyOrigin, seconds: float
) -> Failure:
    """Say why a request failed.

    Args:
        error: What the openai SDK, or LiteLLM in its likeness, raised.
        model: Name of the model that was asked for.
        address: Where it was asked for, such as the base URL.
        key: Where the key that was sent comes from.
        seconds: Time limit of the request.
    """
    import openai

    if isinstance(error, OptunaLLMError):
        return Failure(type(error), str(error), usage=reported_usage(error))
    causes = list(_causes(error))  # LiteLLM wraps what the SDK raised once or twice more.
    if any(isinstance(cause, openai.APITimeoutError) for cause in causes):
        return timed_out(address, seconds)
    if any(isinstance(cause, (openai.APIConnectionError, OSError)) for cause in causes):
        return _connection_failure(causes, address)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _status_failure(error, status, model=model, address=address, key=key)
    return Failure(ModelError, f"the request failed with {type(error).__name__}: {excerpt(error)}")


def _connection_failure(causes: Sequence[BaseException], address: str) -> Failure:
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            reason = f"the connection to {address} was refused"
            if is_loopback(address):
                reason += ": the server on this machine does not seem to be running"
            return Failure(ModelError, reason, retry=True)
        if isinstance(cause, socket.gaierror):
            if cause.errno == socket.EAI_NONAME:
                return Failure(
                    ModelSetupError,
                    f"the host of {address} is unknown; check base_url and the network",
                )
            return Failure(ModelError, f"the host of {address} cannot be looked up", retry=True)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(
                ModelError,
                f"the certificate of {address} cannot be trusted: {excerpt(cause)}",
            )
    last = causes[-1]
    return Failure(
        ModelError,
        f"the connection to {address} broke: {type(last).__name__}: {excerpt(last)}",
        retry=True,
    )


def _status_failure(
    error: Exception, status: int, *, model: str, address: str, key: KeyOrigin
) -> Failure:
    said = _said(error)
    where = f"{address} answered HTTP {status}"
    everything = redact(f"{error} {getattr(error, 'body', '')}"[:_LONGEST_COMPLAINT])
    if status == 402 or _NO_MONEY.search(everything):
        return Failure(
            ModelError,
            f"{where}: the account has run out of money or quota; add credit, or use another "
            f"model. The server says: {said}",
        )
    if status in (401, 403) or _BAD_KEY.search(everything):
        problem = "it wants an API key, and none is set"
        if key.source is not None:
            problem = f"it does not accept the API key from {key.source}"
        return Failure(
            ModelSetupError,
            f"{where}: {problem}; {key.fix}. The server says: {said}",
        )
    if status == 404 or (status == 400 and _NO_SUCH_MODEL.search(everything)):
        return Failure(
            ModelSetupError,
            f"{where}: there is no model {model!r}, or base_url is wrong (most servers expect it "
            f"to end in /v1). The server says: {said}",
        )
    if status in (400, 422):
        complaint = Complaint(parameter=getattr(error, "param", None), text=everything)
        return Failure(
            ModelError, f"{where}: it does not take the request: {said}", complaint=complaint
        )
    wait = _retry_after(_headers(error))
    return Failure(
        ModelError,
        f"{where}: {said}" + (f" (and asks to wait {wait:.4g} s)" if wait else ""),
        retry=status in _PASSING or status >= 500,
        retry_after=wait,
    )


def _said(error: Exception) -> str:
    """Return the server's own words."""
    body = getattr(error, "body", None)
    if isinstance(body, list) and body:  # Google's way.
        body = body[0]
    if isinstance(body, Mapping):
        body = body.get("error") or body
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or body
    text = str(body or getattr(error, "message", None) or error)
    return "(a web page)" if text.lstrip().startswith("<") else excerpt(text)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _headers(error: Exception) -> Mapping[str, str]:
    """Return the headers of the response, which LiteLLM puts in a place of its own."""
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", {})
    return cast("Mapping[str, str]", headers)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in the headers retry-after-ms or Retry-After (RFC 9110, 10.2.3)."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after", "")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time() if date else float(value))
    except (ValueError, OverflowError):
        return None  # It says no time, or nothing.
