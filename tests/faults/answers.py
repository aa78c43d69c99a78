"""The ways in which a model's server fails, by name."""

from __future__ import annotations

from dataclasses import dataclass
import gzip
import json

from tests.support.server import HTML
from tests.support.server import REASONING_ONLY
from tests.support.server import RESET
from tests.support.server import TOOL_CALL
from tests.support.server import Answer
from tests.support.server import Fault
from tests.support.server import error


# A key of no known form. The servers below repeat it wherever a real one might.
CANARY = "canary.7f3b.never.to.be.seen"

_PLAIN = {"choices": [{"message": {"role": "assistant", "content": "{}"}}]}
# Answers that no test lives to see the end of: whoever waits for it waits for ever.
_NEVER = 10_000.0
_LONG = json.dumps(_PLAIN).encode() + b" " * 1_000_000
# The time limits, in seconds, of requests to which the answer is to come, and is not to come.
PATIENT, IMPATIENT = 60.0, 0.2


@dataclass(frozen=True)
class Misbehaviour:
    """What a server does, and what the user must be told of it.

    Attributes:
        answer: What it sends; None refuses the connection.
        says: What the log and the trial's rationale must hold.
        limit: Seconds to wait for the answer.
    """

    answer: Answer | None
    says: str
    limit: float = PATIENT


def _endless(fault: Fault) -> Misbehaviour:
    return Misbehaviour(fault, "no answer from .* within", IMPATIENT)


# Played to whole studies.
MAIN: dict[str, Misbehaviour] = {
    "times out": _endless(Fault(hang=_NEVER)),
    "drips bytes": _endless(Fault(body=_LONG, drip=0.05)),
    "refuses connections": Misbehaviour(None, "was refused: the server .* does not seem to be"),
    "resets connections": Misbehaviour(RESET, "the connection to .* broke"),
    "never ends": Misbehaviour(Fault(body=b"x" * 2**20, endless=True), "larger than 32 MiB"),
    "400": Misbehaviour(error(400, f"bad request by {CANARY}"), "HTTP 400: it does not take"),
    "401": Misbehaviour(error(401, f"Incorrect API key provided: {CANARY}"), "HTTP 401: it does"),
    "403": Misbehaviour(error(403, f"{CANARY} may not"), "HTTP 403: it does not accept"),
    "404": Misbehaviour(error(404, f"no such model for {CANARY}"), "HTTP 404: there is no model"),
    "429": Misbehaviour(
        error(429, f"slow down, {CANARY}", headers={"Retry-After": "0.1"}), "HTTP 429: slow down"
    ),
    "500": Misbehaviour(error(500, f"{CANARY}: internal error"), "HTTP 500"),
    "503 as a web page": Misbehaviour(
        Fault(503, b"<html>" + CANARY.encode(), {"Content-Type": "text/html"}), "HTTP 503"
    ),
    "web page": Misbehaviour(HTML, "the reply is a web page, not JSON"),
    "truncated JSON": Misbehaviour(
        Fault(body=json.dumps(_PLAIN)[:-9].encode()), "the reply is not JSON"
    ),
    "10 MB": Misbehaviour("x" * 10 * 2**20, "named no usable value"),
    "wrong encoding": Misbehaviour(
        Fault(
            body='{"choices": [{"message": {"content": "é"}}]}'.encode("latin-1"),
            headers={"Content-Type": "application/json; charset=utf-8"},
        ),
        "not UTF-8",
    ),
    "empty content": Misbehaviour({"content": ""}, "the model wrote nothing"),
    "a tool call": Misbehaviour(TOOL_CALL, "called a tool"),
    "a refusal": Misbehaviour(
        {"refusal": f"I cannot help {CANARY}."}, "refused to answer: 'I cannot help"
    ),
    "reasoning only": Misbehaviour(REASONING_ONLY, "only reasoning"),
}

# Much like others; played to one request each.
VARIANTS: dict[str, Misbehaviour] = {
    "is silent after the headers": _endless(Fault(body=_LONG, drip=_NEVER)),
    "drips headers": _endless(
        Fault(headers={"X-Long": "x" * 1_000_000}, drip=0.05, drip_headers=True)
    ),
    "breaks off": Misbehaviour(Fault(body=_PLAIN, cut=True), "the connection to .* broke"),
    "402": Misbehaviour(error(402, f"{CANARY} has no credit"), "run out of money"),
    "429 for an hour": Misbehaviour(
        error(429, "come back later", headers={"Retry-After": "3600"}), "asks to wait 3600 s"
    ),
    "429 until a strange time": Misbehaviour(
        error(429, "later", headers={"Retry-After": "Thu, 99 Foo 2026"}), "HTTP 429: later"
    ),
    "redirects to itself": Misbehaviour(
        Fault(307, headers={"Location": "/v1/chat/completions"}), "the connection to .* broke"
    ),
    "JSON of another kind": Misbehaviour(Fault(body=b'["no"]'), "a JSON list, not an object"),
    "an error with status 200": Misbehaviour(
        Fault(body={"error": {"message": f"upstream failed for {CANARY}"}}), "upstream failed"
    ),
    "10 MB of brackets": Misbehaviour(Fault(body=b'{"a":[' * 1_700_000), "is not JSON"),
    "compressed twice": Misbehaviour(
        Fault(body=gzip.compress(json.dumps(_PLAIN).encode())), "not UTF-8"
    ),
    "not the compression it says": Misbehaviour(
        Fault(body=_PLAIN, headers={"Content-Encoding": "gzip"}), "the connection to .* broke"
    ),
    "nothing": Misbehaviour(Fault(), "is not JSON"),
    "null content": Misbehaviour({"content": None}, "the model wrote nothing"),
    "content filter": Misbehaviour(
        {"content": None, "finish_reason": "content_filter"}, "content filter"
    ),
    "prose": Misbehaviour("I would try a smaller value. ]}{", "named no usable value"),
}

MISBEHAVIOURS = {**MAIN, **VARIANTS}
