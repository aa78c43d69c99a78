"""Where models are: addresses of servers, and the providers that ``connect`` knows by name."""

from __future__ import annotations

from dataclasses import dataclass
import ipaddress
import os
import re
from urllib.parse import urlsplit

from optuna_llm.errors import ConfigurationError


OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Provider:
    """A provider with an OpenAI-compatible endpoint.

    Attributes:
        base_url: Address of the endpoint.
        variable: Environment variable of the key, or None for a server that wants no key.
        default_model: Model to use when only the key is set: the provider's small, cheap one.
    """

    base_url: str
    variable: str | None = None
    default_model: str | None = None


# Addresses and variables from each provider's own documentation. Default models: the small
# general models that LiteLLM 1.106.2 lists without a date of deprecation. Without a model name,
# the first provider whose variable is set is used, in this order.
PROVIDERS = {
    # https://platform.openai.com/docs/api-reference
    "openai": Provider(OPENAI_URL, "OPENAI_API_KEY", "gpt-5.4-mini"),
    # https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk
    "anthropic": Provider("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "claude-haiku-4-5"),
    # https://ai.google.dev/gemini-api/docs/openai
    "gemini": Provider(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        "gemini-3.5-flash-lite",
    ),
    # https://openrouter.ai/docs/quickstart
    "openrouter": Provider(
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openai/gpt-5.4-mini"
    ),
    # https://console.groq.com/docs/openai
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY", "openai/gpt-oss-120b"),
    # https://api-docs.deepseek.com
    "deepseek": Provider("https://api.deepseek.com", "DEEPSEEK_API_KEY", "deepseek-v4-flash"),
    # https://docs.mistral.ai/api
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral-small-latest"),
    # https://docs.ollama.com/openai
    "ollama": Provider("http://127.0.0.1:11434/v1"),
    # https://lmstudio.ai/docs/api/openai-api
    "lm_studio": Provider("http://127.0.0.1:1234/v1"),
}


_OPENAIS = re.compile(
    r"gpt(?!-oss)|o\d|chatgpt|codex|computer-use|ft:|text-|davinci|babbage", re.I
)
# How the names of the other providers' models begin; with a tag (":8b") they are Ollama's.
_THEIRS = {
    "anthropic": "claude",
    "gemini": "gemini",
    "xai": "grok",
    "deepseek": "deepseek-(chat|reasoner|v)",
    "mistral": "(mistral|ministral|magistral|codestral|devstral|pixtral|open-mi).*-",
}


def base_url_of(name: str) -> str:
    """Return the address of a provider, as the environment may have it.

    ``OPENAI_BASE_URL`` is honoured as by the openai SDK, ``OLLAMA_HOST`` as by the ollama command.
    """
    if name == "openai" and (address := os.environ.get("OPENAI_BASE_URL", "").strip()):
        return check_base_url(address, name="OPENAI_BASE_URL")
    if name == "ollama" and (host := os.environ.get("OLLAMA_HOST", "").strip(" \"'")):
        return _ollama_url(host)
    return PROVIDERS[name].base_url


def hint_for(name: str) -> str:
    """Return what a name without a provider may have been meant for, if not for OpenAI."""
    if _OPENAIS.match(name):
        return ""
    meant = next((p for p, pattern in _THEIRS.items() if re.match(pattern, name, re.I)), None)
    if meant is not None and ":" not in name:
        return f"{name!r} was taken for a model of OpenAI; write '{meant}/{name}'"
    return (
        f"{name!r} was taken for a model of OpenAI; write 'ollama/{name}' for one of Ollama, or "
        "give base_url (--base-url), the address of the server that has it"
    )


def provider_at(base_url: str) -> Provider | None:
    """Return the provider whose address is ``base_url``."""
    return next((p for p in PROVIDERS.values() if p.base_url == base_url), None)


def _ollama_url(host: str) -> str:
    """Return the address for a value of OLLAMA_HOST, which may leave out scheme, host or port.

    https://github.com/ollama/ollama/blob/main/envconfig/config.go: without a scheme the port is
    11434, with one it is the scheme's; 0.0.0.0 is where the server listens, not where to reach it.
    """
    scheme, separator, rest = host.rpartition("://")
    netloc, _, path = rest.partition("/")
    name, _, port = netloc.rpartition(":") if ":" in netloc else (netloc, "", "")
    if port.endswith("]"):  # An IPv6 address without a port.
        name, port = netloc, ""
    if not port and not separator:
        port = "11434"
    name = "127.0.0.1" if name in ("", "0.0.0.0", "[::]") else name
    path = path.strip("/").removesuffix("v1").strip("/")
    path = f"/{path}" if path else ""
    address = f"{scheme or 'http'}://{name}{':' if port else ''}{port}{path}/v1"
    return check_base_url(address, name="OLLAMA_HOST")


def check_base_url(base_url: object, *, name: str = "base_url") -> str:
    """Return ``base_url`` without a trailing slash.

    Args:
        base_url: Address of an OpenAI-compatible server, such as "http://127.0.0.1:8000/v1".
        name: What to call it in the error.

    Raises:
        ConfigurationError: It is not such an address.
    """
    if not isinstance(base_url, str):
        raise ConfigurationError(
            f"{name} must be a string such as 'http://127.0.0.1:8000/v1', "
            f"got {type(base_url).__name__}"
        )
    base_url = base_url.strip()
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    # The address itself is not shown before it is known to hold no password or key.
    if valid and (parts.username is not None or parts.query or parts.fragment):
        raise ConfigurationError(
            f"{name} must hold no user, password, query or fragment; give the key as api_key"
        )
    if not valid:
        raise ConfigurationError(
            f"{name}={base_url!r} is not an address; give one such as 'http://127.0.0.1:8000/v1'"
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise ConfigurationError(f"{name}={base_url!r} must end before /chat/completions")
    return base_url.rstrip("/")


def is_loopback(address: str) -> bool:
    """Whether ``address`` is this machine's own."""
    host = _host(address)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    ip = _ip(host)
    return ip is not None and (ip.is_loopback or ip.is_unspecified)


def is_local(address: str) -> bool:
    """Whether ``address`` is this machine's or its network's, where servers rarely want a key."""
    host = _host(address)
    if is_loopback(address) or host.endswith((".local", ".internal")):
        return True
    ip = _ip(host)
    return ip.is_private if ip is not None else "." not in host and host != ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
