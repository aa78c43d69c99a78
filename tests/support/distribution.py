"""What a release uploads: the source archive, and the wheel that is built from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import shutil
import subprocess
import sys


ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Distribution:
    """The two files of a release."""

    sdist: Path
    wheel: Path


def build_distribution(folder: Path) -> Distribution:
    """Build both in a folder, from a copy of the sources: the working tree stays as it is."""
    source, dist = folder / "source", folder / "dist"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE"):
        shutil.copy(ROOT / name, source)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "optuna_llm", source / "optuna_llm", ignore=unwanted)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return Distribution(sdist, wheel)
