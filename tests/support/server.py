"""A stand-in for an OpenAI-compatible server, on a real socket, that plays a script.

.. code-block:: python

    with ChatServer(lambda request: '{"x": 1}') as server:
        model = connect("any-name", base_url=server.base_url)
        completion = model.complete([{"role": "user", "content": "Hello"}])
    assert server.requests[0].json["messages"][0]["content"] == "Hello"
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import functools
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
import json
import socket
import struct
import sys
import threading
from typing import Any

from tests.support.ports import hold


@dataclass(frozen=True)
class Fault:
    """An answer other than a good completion.

    Attributes:
        status: HTTP status.
        body: What is sent: a dictionary as JSON, or bytes as they are.
        headers: More headers, or others.
        hang: Seconds to wait before anything is sent.
        drip: Seconds between single bytes of the body; None sends it at once.
        drip_headers: Whether the headers drip as well.
        reset: Close the connection hard instead of answering.
        cut: Announce the whole body and send half of it.
        endless: Send the body over and over, until the client hangs up.
    """

    status: int = 200
    body: bytes | Mapping[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: float = 0.0
    drip: float | None = None
    drip_headers: bool = False
    reset: bool = False
    cut: bool = False
    endless: bool = False


Answer = str | Mapping[str, Any] | Fault
Script = Callable[[dict[str, Any]], Answer]


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    json: dict[str, Any]


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # The default of 5 resets connections of many threads at once.

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent where a client has hung up."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class ChatServer:
    """The server; a context manager, on a free port of 127.0.0.1.

    It can play another script from any moment on, and go away and come back at the same port.

    Args:
        reply: Called with the JSON of each request, possibly from several threads. Returns the
            text of the answer; or a dictionary, the ``message`` of the answer (its keys
            ``finish_reason``, ``logprobs``, ``usage`` and ``model`` go where they belong); or a
            :class:`Fault`.
    """

    def __init__(self, reply: Script) -> None:
        self.requests: list[Request] = []
        self._reply = reply
        self._held = hold()  # It is to come back at the same port.
        self._port: int = self._held.getsockname()[1]
        self.start()

    def start(self) -> None:
        """Listen, after :meth:`stop` at the same port as before."""
        self._closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Stay silent."""

        self._http = _HTTPServer(("127.0.0.1", self._port), Handler)
        serve = functools.partial(self._http.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def play(self, reply: Script) -> None:
        """Answer by another script from now on."""
        self._reply = reply

    @property
    def base_url(self) -> str:
        """The address to give to a client."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def count(self) -> int:
        """The number of requests so far."""
        return len(self.requests)

    def __enter__(self) -> ChatServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._held.close()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(path=handler.path, headers=headers, json=json.loads(body))
        self.requests.append(request)
        answer = self._reply(request.json)
        fault = answer if isinstance(answer, Fault) else Fault(body=completion(request, answer))
        try:
            self._send(handler, fault)
        except OSError:
            handler.close_connection = True  # The client has gone.

    def _send(self, handler: BaseHTTPRequestHandler, fault: Fault) -> None:
        if fault.hang and self._closing.wait(fault.hang):
            handler.close_connection = True
            return
        if fault.reset:
            # Closing with a linger of zero seconds sends a reset.
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            handler.close_connection = True
            return
        body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        headers = {"Content-Type": "application/json"}
        if not fault.endless:
            headers["Content-Length"] = str(len(body))
        lines = [f"{name}: {value}" for name, value in {**headers, **fault.headers}.items()]
        head = "\r\n".join([f"HTTP/1.1 {fault.status} -", *lines, "", ""]).encode()
        if fault.cut:
            body = body[: len(body) // 2]
            handler.close_connection = True
        drops = b"" if fault.drip is None else body
        if fault.drip_headers:
            head, drops = b"", head + body
        handler.wfile.write(head if drops else head + body)
        while fault.endless and not self._closing.is_set():
            handler.wfile.write(body)
        for drop in drops:
            handler.wfile.write(bytes([drop]))
            if self._closing.wait(fault.drip):
                handler.close_connection = True
                return


def script(*answers: Answer) -> Script:
    """Return a script that gives ``answers`` one after the other, and then the last again."""
    lock = threading.Lock()
    left = list(answers)

    def reply(request: dict[str, Any]) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return reply


def completion(request: Request, answer: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a chat completions response, with made-up but consistent usage."""
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if not isinstance(answer, str):
        message = {"role": "assistant", "content": None, **answer}
    prompt_tokens = sum(len(turn["content"]) // 4 for turn in request.json["messages"])
    completion_tokens = len(str(message.get("content") or "")) // 4
    usage = message.pop(
        "usage",
        {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    )
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": message.pop("model", request.json["model"]),
        "choices": [
            {
                "index": 0,
                "finish_reason": message.pop("finish_reason", "stop"),
                "logprobs": message.pop("logprobs", None),
                "message": message,
            }
        ],
        "usage": usage,
    }


def error(
    status: int,
    message: str,
    *,
    parameter: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Return an error in OpenAI's form."""
    body = {"message": message, "type": "error", "param": parameter, "code": code}
    return Fault(status=status, body={"error": body}, headers=headers or {})


def refuses(parameter: str, then: Answer) -> Script:
    """Return a script that answers 400 to requests with ``parameter``, and ``then`` to others."""

    def reply(request: dict[str, Any]) -> Answer:
        if parameter in request:
            return error(400, f"Unsupported parameter: '{parameter}'", parameter=parameter)
        return then

    return reply


HTML = Fault(body=b"<!DOCTYPE html><h1>Hello</h1>", headers={"Content-Type": "text/html"})
EMPTY: Answer = {"content": ""}
REASONING_ONLY: Answer = {
    "content": "",
    "reasoning_content": "Let me think ...",
    "finish_reason": "length",
}
REFUSAL: Answer = {"refusal": "I cannot help with that."}
TOOL_CALL: Answer = {
    "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    ],
    "finish_reason": "tool_calls",
}
RESET = Fault(reset=True)
