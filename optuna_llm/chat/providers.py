"""The providers that ``connect`` knows by name."""

from __future__ import annotations

from dataclasses import dataclass
import os

from optuna_llm.chat.address import check_base_url
from optuna_llm.chat.openai_client import OPENAI_URL


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


def base_url_of(name: str) -> str:
    """Return the address of a provider, as the environment may have it.

    ``OPENAI_BASE_URL`` is honoured as by the openai SDK, ``OLLAMA_HOST`` as by the ollama command.
    """
    if name == "openai" and (address := os.environ.get("OPENAI_BASE_URL", "").strip()):
        return check_base_url(address, name="OPENAI_BASE_URL")
    if name == "ollama" and (host := os.environ.get("OLLAMA_HOST", "").strip()):
        return _ollama_url(host)
    return PROVIDERS[name].base_url


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
    if not port and not separator:
        port = "11434"
    name = "127.0.0.1" if name in ("", "0.0.0.0") else name
    path = f"/{path.strip('/')}" if path.strip("/") else ""
    address = f"{scheme or 'http'}://{name}{':' if port else ''}{port}{path}/v1"
    return check_base_url(address, name="OLLAMA_HOST")
