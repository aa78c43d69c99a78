"""Which parameters a server takes, found out by asking."""

from __future__ import annotations

from collections.abc import Mapping
import logging
import re
from typing import Any

from optuna_llm.chat.failure import Complaint
from optuna_llm.chat.model import Mode


_logger = logging.getLogger(__name__)

# From the strictest promise about the form of the answer to none.
_MODES: tuple[Mode, ...] = ("json_schema", "json_object", "text")
_TOKEN_LIMITS = ("max_tokens", "max_completion_tokens")
# Words of servers that refuse a response format without naming the parameter.
_ABOUT_FORMAT = re.compile(r"json|schema|grammar|structured", re.IGNORECASE)


class Dialect:
    """The parameters that one server takes.

    Tables of what each model supports go stale, so each request says what the user asked for. A
    parameter that the server refuses by name is left out of all later requests; the limit on
    output tokens changes to its other name first, and a response format steps down from
    ``json_schema`` to ``json_object`` to none.

    Args:
        token_limit: The name to try first for the limit on output tokens.
    """

    def __init__(self, *, token_limit: str = "max_tokens") -> None:
        other = next(name for name in _TOKEN_LIMITS if name != token_limit)
        self._token_limits = (token_limit, other)
        self._refused: frozenset[str] = frozenset()

    @property
    def refused(self) -> tuple[str, ...]:
        """The parameters and answer forms that the server has refused, by name."""
        return tuple(sorted(self._refused))

    def parameters(
        self,
        *,
        schema: dict[str, Any] | None,
        max_output_tokens: int | None,
        options: Mapping[str, Any],
    ) -> tuple[dict[str, Any], Mode]:
        """Return the optional parameters of a request, and how it asks for the answer's form."""
        refused = self._refused
        parameters = dict(options)
        limit = next((name for name in self._token_limits if name not in refused), None)
        if max_output_tokens is not None and limit is not None:
            parameters.setdefault(limit, max_output_tokens)
        mode: Mode = "text"
        if schema is not None and "response_format" not in parameters:
            mode = next(mode for mode in _MODES if mode not in refused)
        if mode == "json_schema":
            parameters["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": schema, "strict": True},
            }
        elif mode == "json_object":
            parameters["response_format"] = {"type": "json_object"}
        return {name: parameters[name] for name in parameters if name not in refused}, mode

    def learn(self, sent: Mapping[str, Any], mode: Mode, complaint: Complaint) -> bool:
        """Take note of a refusal; return whether the next request will be another one.

        Args:
            sent: The parameters that were sent.
            mode: How they asked for the answer's form.
            complaint: What the server said.
        """
        name = _blamed(sent, complaint)
        if name is None:
            return False
        refused = mode if name == "response_format" and mode != "text" else name
        if refused not in self._refused:
            self._refused |= {refused}
            known = refused in self._token_limits or refused in _MODES
            _logger.log(
                logging.INFO if known else logging.WARNING,
                "The model does not take %s; leaving it out from now on.",
                refused,
            )
        return True


def _blamed(sent: Mapping[str, Any], complaint: Complaint) -> str | None:
    """Return the parameter that the complaint is about."""
    if complaint.parameter is not None:
        head = re.split(r"[.\[]", complaint.parameter)[0]
        if head in sent:
            return head
    for name in sent:
        # LiteLLM sends the limit on output tokens by either name.
        names = "|".join(map(re.escape, _TOKEN_LIMITS if name in _TOKEN_LIMITS else [name]))
        if re.search(rf"(?<!\w)({names})(?!\w)", complaint.text):
            return name
    if "response_format" in sent and _ABOUT_FORMAT.search(complaint.text):
        return "response_format"
    return None
