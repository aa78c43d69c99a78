"""How tests are shared out among processes."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("arrangement")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one process only")
def test_a_group_of_tests_stays_together(request: pytest.FixtureRequest) -> None:
    # What must not run side by side relies on it; some versions of pytest ignore the group.
    assert request.node.nodeid.endswith("@arrangement")
