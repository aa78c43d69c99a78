"""Samplers of OptunaHub; the hub is asked over the network when one is first loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from benchmarks.task import UnavailableError


if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from benchmarks.samplers import Study


def load(study: Study, *, package: str, name: str, announced: bool = False) -> BaseSampler:
    """Load a sampler of OptunaHub.

    Args:
        study: The study that it is for.
        package: The name of its package under ``samplers/``.
        name: The name of its class.
        announced: Whether it wants to be told the search space.

    Raises:
        benchmarks.task.UnavailableError: The hub cannot be reached, or a package is missing.
    """
    import optunahub

    try:
        module = optunahub.load_module(f"samplers/{package}")
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise UnavailableError(
            f"OptunaHub's samplers/{package} cannot be loaded: "
            f"{type(error).__name__}: {lines[-1].strip()}"
        ) from error
    options: dict[str, Any] = {"search_space": study.task.space} if announced else {}
    sampler: BaseSampler = getattr(module, name)(seed=study.seed, **options)
    return sampler
