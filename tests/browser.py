"""A real browser for tests of what people see: the machine's own Chromium, without a window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import shutil
from typing import Any

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a Playwright browser; skip the test where the machine has none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers lack what the sandbox needs; the pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
