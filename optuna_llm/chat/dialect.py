"""Which parameters a server takes, found out by asking."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import logging
import re
from typing import Any

from optuna_llm.chat.answer_schema import BOUNDS
from optuna_llm.chat.answer_schema import bounds_of
from optuna_llm.chat.answer_schema import named_bounds
from optuna_llm.chat.answer_schema import tokens_for
from optuna_llm.chat.answer_schema import without_bounds
from optuna_llm.chat.model import Message
from optuna_llm.chat.model import Mode


_logger = logging.getLogger(__name__)

# From the strictest promise about the form of the answer to none.
_MODES: tuple[Mode, ...] = ("json_schema", "json_object", "text")
_TOKEN_LIMITS = ("max_tokens", "max_completion_tokens")
# Words of servers that refuse a response format without naming the parameter.
_ABOUT_FORMAT = re.compile(r"json|schema|grammar|structured", re.IGNORECASE)
# Words of servers, and of the chat templates behind them, that know no role ``system``.
_ABOUT_SYSTEM = re.compile(
    r"(system|developer)\W{0,3}(role|message|prompt|instruction)|\brole\b.{0,80}\bsystem\b"
    r"|\bsystem\b.{0,40}\b(role|not supported|unsupported)"
    r"|(unexpected|invalid|unknown|unsupported) role|roles? must alternate"
    r"|(only|must be|should be|one of|expected).{0,40}\buser\b.{0,20}\bassistant\b"
    r"|first (message|turn).{0,60}\buser\b|messages\W{0,8}\d?\W{0,8}role\b",
    re.IGNORECASE | re.DOTALL,
)
_SYSTEM = "role system"
# What a request for a stream holds; the second is no use without the first.
_STREAM = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Complaint:
    """What a server said about a request that it would not take.

    Attributes:
        parameter: The parameter that the server names as such, if any.
        text: All that it said.
    """

    parameter: str | None
    text: str

    @property
    def is_about_system(self) -> bool:
        """Whether it is about messages of the role ``system``."""
        return _ABOUT_SYSTEM.search(f"{self.parameter or ''} {self.text}") is not None


class Dialect:
    """The parameters that one server takes.

    Tables of what each model supports go stale, so each request says what the user asked for. A
    parameter that the server refuses by name is left out of all later requests; the limit on
    output tokens changes to its other name first, and a response format steps down from
    ``json_schema`` with bounds (ranges, lengths, numbers of items) to one without those that are
    refused, to ``json_object``, to none. Where the role ``system`` is refused, its messages become
    the beginning of the user's first.

    Args:
        token_limit: The name to try first for the limit on output tokens.
        streams: Whether to ask for a stream, which can be ended where a model cannot end.
    """

    def __init__(self, *, token_limit: str = "max_tokens", streams: bool = False) -> None:
        self._stream = _STREAM if streams else {}
        self._thinks = False
        other = next(name for name in _TOKEN_LIMITS if name != token_limit)
        self._token_limits = (token_limit, other)
        self._refused: frozenset[str] = frozenset()

    @property
    def refused(self) -> tuple[str, ...]:
        """The parameters and answer forms that the server has refused, by name."""
        # Without a schema there are no bounds either.
        moot = BOUNDS if "json_schema" in self._refused else ()
        return tuple(sorted(self._refused - {*moot}))

    def parameters(
        self,
        *,
        schema: dict[str, Any] | None,
        max_output_tokens: int | None,
        options: Mapping[str, Any],
        without: frozenset[Mode] = frozenset(),
    ) -> tuple[dict[str, Any], Mode]:
        """Return the optional parameters of a request, and how it asks for the answer's form.

        Args:
            schema: The form of the answer, if it is JSON.
            max_output_tokens: The user's limit on output tokens. Without one it is what an answer
                of this form may need, unless the model is known to think before it answers.
            options: What else the user wants sent.
            without: Ways of asking for the form that have failed in this request.
        """
        refused = self._refused | without
        parameters = {**self._stream, **options}
        if "stream" in refused:
            parameters.pop("stream_options", None)
        if max_output_tokens is None and schema is not None and not self._thinks:
            max_output_tokens = tokens_for(schema)
        limit = next((name for name in self._token_limits if name not in refused), None)
        if max_output_tokens is not None and limit is not None:
            parameters.setdefault(limit, max_output_tokens)
        mode: Mode = "text"
        if schema is not None and "response_format" not in parameters:
            mode = next(mode for mode in _MODES if mode not in refused)
        if mode == "json_schema" and schema is not None:
            schema = without_bounds(schema, self._refused)
            parameters["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": schema, "strict": True},
            }
        elif mode == "json_object":
            parameters["response_format"] = {"type": "json_object"}
        return {name: parameters[name] for name in parameters if name not in refused}, mode

    def messages(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages in the roles that the server takes."""
        if _SYSTEM not in self._refused:
            return list(messages)
        said = [m["content"] for m in messages if m["role"] == "system"]
        others = [m for m in messages if m["role"] != "system"]
        if others and others[0]["role"] == "user":
            said.append(others.pop(0)["content"])
        return [Message(role="user", content="\n\n".join(said)), *others] if said else others

    def learn(
        self,
        messages: Sequence[Message],
        sent: Mapping[str, Any],
        mode: Mode,
        complaint: Complaint,
    ) -> bool:
        """Take note of a refusal; return whether the next request will be another one.

        Args:
            messages: The messages that were asked about.
            sent: The parameters that were sent.
            mode: How they asked for the answer's form.
            complaint: What the server said.
        """
        has_system = any(m["role"] == "system" for m in messages)
        if has_system and _SYSTEM not in self._refused and complaint.is_about_system:
            self._refused |= {_SYSTEM}
            _logger.info("The model takes no system role; its messages become the user's.")
            return True
        name = _blamed(sent, complaint)
        if name is None:
            return False
        refused = {name}
        if name == "response_format" and mode != "text":
            # First without the bounds that are named, then without any, then another form.
            left = bounds_of(sent[name].get("json_schema", {}).get("schema", {}))
            refused = (named_bounds(complaint.text) & left) or left or {mode}
        for what in sorted(refused - self._refused):
            known = what in (*self._stream, *self._token_limits, *BOUNDS, *_MODES)
            _logger.log(
                logging.INFO if known else logging.WARNING,
                "The model does not take %s; leaving it out from now on.",
                what,
            )
        self._refused |= refused
        return True

    def learn_that_it_thinks(self, sent: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
        """Set no limit of our own on output tokens from now on: reasoning has used it up.

        Args:
            sent: The parameters that were sent.
            options: What the user wants sent.

        Returns:
            Whether there was such a limit, so that the next request will be another one.
        """
        ours = any(name in sent and name not in options for name in self._token_limits)
        if ours and not self._thinks:
            _logger.info("The model thinks before it answers; its answers get no limit of ours.")
        self._thinks |= ours
        return ours


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
