"""A real browser for tests of what people see: the machine's own Chromium, without a window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import shutil
from typing import Any

import pytest


# Milliseconds to wait for the browser; a busy machine needs some.
PATIENCE = 300_000


# One at a time with the clusters and servers of other tests.
def in_a_browser(test: Any) -> Any:
    """Mark a test that needs a browser."""
    return pytest.mark.slow(pytest.mark.xdist_group("services")(test))


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a Playwright browser; skip the test where the machine has none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers lack what the sandbox needs; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"], timeout=PATIENCE
        )
        yield browser
        browser.close()
