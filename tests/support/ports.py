"""Ports of this machine that nobody listens at, and that nobody else is given meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import socket


def hold(port: int = 0) -> socket.socket:
    """Take a port without listening at it: whoever connects is refused.

    A server may listen at it all the same; but the system hands it to none of the other tests that
    run at the same time, neither for a server nor for a connection.

    Args:
        port: The port; 0 takes a free one.

    Returns:
        The socket that holds it until it is closed.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that refuses connections."""
    with hold() as held:
        yield held.getsockname()[1]
