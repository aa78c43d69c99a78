"""The source of a function in what a language model has answered."""

from __future__ import annotations

import ast
import re
import textwrap

from optuna_llm.replies.reasoning import without_reasoning


_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1|\Z)", re.M | re.S)
_MAX_REASON = 300


def read_source(reply: str, function: str) -> tuple[str, str]:
    """Return the source of a function, and what the reply says before it.

    The last block that defines the function counts; without blocks, what begins with its ``def``
    as far as it can be parsed.

    Args:
        reply: The reply.
        function: Name of the function.

    Returns:
        The source, empty where the reply holds none, and the reason in one line.
    """
    text = without_reasoning(reply)
    begins = re.compile(rf"^[ \t]*def[ \t]+{re.escape(function)}\b", re.M)
    found = [m for m in _FENCE.finditer(text) if begins.search(m[2])]
    if found:
        start, source = found[-1].start(), textwrap.dedent(found[-1][2]).strip()
        return source + "\n", _reason(text[:start])
    head = begins.search(text)
    if head is None:
        return "", _reason(text)
    lines = textwrap.dedent(text[head.start() :]).splitlines()
    for end in range(len(lines), 0, -1):
        source = "\n".join(lines[:end])
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return source.strip() + "\n", _reason(text[: head.start()])
    return "\n".join(lines), _reason(text[: head.start()])


def _reason(text: str) -> str:
    said = _FENCE.sub(" ", text)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line[:_MAX_REASON]
