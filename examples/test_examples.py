"""Every example runs as its first lines say, alone, on this machine only, and finds something.

Those marked `apart` need large packages: `make examples` runs them in an environment of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
import importlib.util
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest


FOLDER = Path(__file__).parent
LINES = 60
# Programs find it first, before a module of this name of anybody else's.
OFFLINE = """
import socket

_connect = socket.socket.connect


def _local_only(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"an example connects to {address}")
    return _connect(self, address)


socket.socket.connect = _local_only
"""


@dataclass(frozen=True)
class Example:
    """A script, what it imports beside this package, and what it must print.

    Attributes:
        packages: Names of modules.
        says: What the output must hold.
        reaches: What the best value must reach: at least this where `grows`, else at most this.
        grows: Whether values are maximized.
        arguments: What follows the name of the script.
    """

    packages: tuple[str, ...]
    says: tuple[str, ...]
    reaches: float
    grows: bool = False
    arguments: tuple[str, ...] = ()


SWEEP = ("--multirun", "hydra.sweeper.n_trials=10")
EXAMPLES = {
    "sklearn_pipeline": Example(("sklearn",), ("25 trials,",), 0.97, grows=True),
    "code_features": Example(("sklearn",), ("20 trials,", "def features(x):"), 43.5),
    "code_schedule": Example(("sklearn", "torch"), ("20 trials,", "def schedule(done"), 0.14),
    "lightgbm_early_stopping": Example(
        ("lightgbm", "sklearn", "optuna_integration"), ("20 trials,", "pruned at"), 0.2
    ),
    "catboost_classifier": Example(("catboost", "sklearn"), ("15 trials,",), 0.15),
    "lightning_pruning": Example(
        ("lightning", "sklearn", "optuna_integration"), ("12 trials,", "pruned at"), 0.6
    ),
    "transformers_search": Example(("transformers", "accelerate"), ("10 trials,",), 0.65),
    "keras_pruning": Example(
        ("keras", "torch", "sklearn", "optuna_integration"), ("10 trials,", "pruned at"), 1.0
    ),
    "hydra_compose": Example(("hydra", "sklearn"), ("10 trials,",), 0.6),
    "hydra_sweeper": Example(
        ("hydra_plugins.hydra_optuna_sweeper", "sklearn"),
        ("Sampler: LLMSampler", "#9 : model.learning_rate="),
        0.6,
        arguments=SWEEP,
    ),
    "mlflow_tracking": Example(
        ("mlflow", "sklearn", "optuna_integration"), ("10 trials,", "10 runs in"), 0.9, grows=True
    ),
    "wandb_tracking": Example(
        ("wandb", "sklearn", "optuna_integration"), ("10 trials,", "wandb sync"), 0.35, grows=True
    ),
    "ray_tune": Example(("ray", "sklearn"), ("10 trials,",), 0.8, grows=True),
    "dask_workers": Example(
        ("dask", "sklearn", "optuna_integration"), ("12 trials,",), 0.8, grows=True
    ),
}
# What the tests of the package itself install.
SMALL = {"code_features", "code_schedule", "sklearn_pipeline", "lightgbm_early_stopping"}
# Tested with what they need: data of the benchmarks, a server that stands in for a model.
ELSEWHERE = {"torch_hyperband", "prompt_tuning"}


def cases() -> list[object]:
    apart = pytest.mark.apart
    return [pytest.param(n, marks=() if n in SMALL else apart, id=n) for n in EXAMPLES]


def is_installed(module: str) -> bool:
    if module in sys.modules:  # Some put an object in the place of the module, without a spec.
        return True
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # Nor is what it is a part of.
        return False


@pytest.mark.slow
@pytest.mark.parametrize("name", cases())
def test_it_runs_alone_and_finds_something(name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    for package in example.packages:
        if not is_installed(package):
            pytest.skip(f"{package} is not installed, or has no wheel for this machine")
    (tmp_path / "sitecustomize.py").write_text(OFFLINE)
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "WANDB_MODE": "offline",
    }
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *example.arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout + done.stderr
    for text in example.says:
        assert text in output, output
    best = float(re.findall(r"(?:trials, best|Best value:) ([\d.e-]+)", done.stdout)[-1])
    assert best >= example.reaches if example.grows else best <= example.reaches


def test_each_example_is_short_and_listed() -> None:
    scripts = {f.stem: f for f in FOLDER.glob("*.py") if not f.stem.startswith("test_")}
    assert set(scripts) == EXAMPLES.keys() | ELSEWHERE
    page = (FOLDER.parent / "docs" / "integrations.md").read_text()
    for name, file in scripts.items():
        assert f"/examples/{name}.py)" in page, name
        text = file.read_text()
        assert f"python examples/{name}.py" in text
        if name in EXAMPLES:
            assert len(text.splitlines()) <= LINES, name
