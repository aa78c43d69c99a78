"""Why a request failed, in words that help, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import email.utils
import os
import re
import socket
import ssl
import time
from typing import Any
from typing import cast

from optuna_llm.chat.credentials import KeyOrigin
from optuna_llm.chat.dialect import Complaint
from optuna_llm.chat.model import Usage
from optuna_llm.chat.model import reported_usage
from optuna_llm.chat.providers import is_loopback
from optuna_llm.chat.reply import UpstreamError
from optuna_llm.chat.reply import excerpt
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.errors import redact


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
# The model's fault this time, not the request's: Groq's json_validate_failed and its like.
_NOT_THE_JSON = re.compile(
    r"json_validate_failed|output_parse_failed|tool_use_failed|failed_generation"
    r"|fail(ed|ure)? to (generate|validate|produce|parse)\b.{0,40}\b(json|output|schema)"
    r"|(generated|model) (json|output|response)\b.{0,40}\b(invalid|not valid|match)",
    re.IGNORECASE,
)
_PROXY_VARIABLES = ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY")
_LONGEST_COMPLAINT = 10_000
# The statuses that the openai SDK retries, besides 5xx.
_PASSING = (408, 409, 429)
# A gateway has stopped waiting for the model; 524 is Cloudflare's.
_GATEWAY_TIMEOUTS = (408, 504, 524)


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
        timed_out: Whether it was the time limit, so that the same request is in vain.
        unanswered: Whether the model may have been at work, which a provider bills.
        failed_generation: What the model wrote, where the server has found it not to be the JSON
            that was asked for; may be empty.
        cut_off: Whether the limit on output tokens ended it before there was an answer.
    """

    kind: type[OptunaLLMError]
    reason: str
    retry: bool = False
    retry_after: float | None = None
    complaint: Complaint | None = None
    usage: Usage | None = None
    timed_out: bool = False
    unanswered: bool = False
    failed_generation: str | None = None
    cut_off: bool = False

    def error(self, *, attempts: int, unanswered: int, seconds: float) -> OptunaLLMError:
        """Return the exception to raise.

        Args:
            attempts: Times that the request was sent.
            unanswered: How many of them ended without an answer that may be billed.
            seconds: How long all of it took.
        """
        reason = self.reason + (f" within {seconds:.3g} s" if self.timed_out else "")
        error = self.kind(reason + (f" ({attempts} attempts)" if attempts > 1 else ""))
        if isinstance(error, ModelError):
            error.unanswered = unanswered
            if self.usage is not None:
                error.tokens = self.usage.prompt_tokens, self.usage.completion_tokens
        return error


def timed_out(address: str, *, connected: bool = True) -> Failure:
    """Return the failure of a request that took too long.

    Args:
        address: Where it went.
        connected: Whether it got as far as the model.
    """
    return Failure(
        ModelError, f"no answer from {address}", retry=True, timed_out=True, unanswered=connected
    )


def is_timeout(error: BaseException) -> bool:
    """Whether an error of anybody's library says that time ran out."""
    return isinstance(error, TimeoutError) or any(
        "timeout" in kind.__name__.lower() for kind in type(error).__mro__
    )


def explain(error: Exception, *, model: str, address: str, key: KeyOrigin) -> Failure:
    """Say why a request failed.

    Args:
        error: What the openai SDK, or LiteLLM in its likeness, raised.
        model: Name of the model that was asked for.
        address: Where it was asked for, such as the base URL.
        key: Where the key that was sent comes from.
    """
    import openai

    if isinstance(error, OptunaLLMError):
        cut_off = isinstance(error, ModelError) and error.cut_off
        return Failure(type(error), str(error), usage=reported_usage(error), cut_off=cut_off)
    if isinstance(error, UpstreamError):
        where = f"{address} passes on an error ({error.status_code})"
        failure = _status_failure(error, error.status_code, where, model=model, key=key)
        return replace(failure, usage=error.usage)
    causes = list(_causes(error))  # LiteLLM wraps what the SDK raised once or twice more.
    if any(isinstance(cause, ImportError) for cause in causes) or (
        isinstance(error, ValueError) and "proxy" in str(error).lower()
    ):
        return Failure(
            ModelSetupError,
            f"{address} cannot be asked through the proxy that the environment names"
            f"{_proxies()}: {excerpt(causes[-1])}. Install what is missing (for SOCKS: pip install"
            ' "httpx[socks]"), or unset the variable.',
        )
    if any(isinstance(cause, openai.APITimeoutError) for cause in causes):
        never_sent = any(re.search("(Connect|Pool)Timeout", type(c).__name__) for c in causes)
        return timed_out(address, connected=not never_sent)
    if any(isinstance(cause, (openai.APIConnectionError, OSError)) for cause in causes):
        return _connection_failure(causes, address)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        where = f"{address} answered HTTP {status}"
        return _status_failure(error, status, where, model=model, key=key)
    return Failure(ModelError, f"the request failed with {type(error).__name__}: {excerpt(error)}")


def _connection_failure(causes: Sequence[BaseException], address: str) -> Failure:
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            reason = f"the connection to {address} was refused"
            if is_loopback(address):
                reason += ": the server on this machine does not seem to be running"
            elif _proxies():
                reason += f"; it goes through the proxy that the environment names{_proxies()}"
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
                ModelSetupError,
                f"the certificate of {address} cannot be trusted: {excerpt(cause)}. Name the"
                " certificate of its authority in the environment variable SSL_CERT_FILE, or check"
                " base_url",
            )
        if isinstance(cause, ssl.SSLError) and address.startswith("https:"):
            return Failure(
                ModelSetupError,
                f"{address} cannot be asked over TLS: {excerpt(cause)}. Does the server speak"
                " plain http:// there?",
            )
    last = causes[-1]
    return Failure(
        ModelError,
        f"the connection to {address} broke: {type(last).__name__}: {excerpt(last)}",
        retry=True,
        # Not where it broke before anything was sent.
        unanswered=any(re.search("Read|Protocol", type(cause).__name__) for cause in causes),
    )


def _status_failure(
    error: Exception, status: int, where: str, *, model: str, key: KeyOrigin
) -> Failure:
    said = _said(error)
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
    complaint = Complaint(parameter=_parameter(error), text=everything)
    if status in (400, 422):
        if _NOT_THE_JSON.search(everything):
            return Failure(
                ModelError,
                f"{where}: the model's answer was not the JSON asked for: {said}",
                unanswered=True,
                failed_generation=_failed_generation(error),
            )
        return Failure(
            ModelError, f"{where}: it does not take the request: {said}", complaint=complaint
        )
    wait = _retry_after(_headers(error))
    return Failure(
        ModelError,
        f"{where}: {said}" + (f" (and asks to wait {wait:.4g} s)" if wait else ""),
        retry=status in _PASSING or status >= 500,
        retry_after=wait,
        # A chat template that raises is some servers' internal error.
        complaint=complaint if status >= 500 and complaint.is_about_system else None,
        unanswered=status in _GATEWAY_TIMEOUTS,
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


def _body(error: Exception) -> Mapping[str, Any]:
    """Return the error in the body of a response, as far as it has the usual form."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    return body if isinstance(body, Mapping) else {}


def _parameter(error: Exception) -> str | None:
    parameter = getattr(error, "param", None) or _body(error).get("param")
    return parameter if isinstance(parameter, str) else None


def _failed_generation(error: Exception) -> str:
    text = _body(error).get("failed_generation")
    return text if isinstance(text, str) else ""


def _proxies() -> str:
    """Return the environment variables that name a proxy, in brackets with a space in front."""
    names = [n for n in _PROXY_VARIABLES if os.environ.get(n) or os.environ.get(n.lower())]
    return f" ({', '.join(names)})" if names else ""


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
