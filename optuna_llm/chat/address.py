"""Addresses of model servers."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from optuna_llm.errors import ConfigurationError


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
