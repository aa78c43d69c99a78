"""What the statistical sampler and its surrogate tell the model, in lines of a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna_llm.history.attributes import shorten
from optuna_llm.prompts.text import show_configuration
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import letters


# Points of the statistical sampler that are shown at most.
MAX_POINTS = 3
_MAX_REMARKS = 8
# A quoted name and two quoted values fit: none is cut in the middle, where its quotes would go.
_MAX_REMARK = 1000


@dataclass(frozen=True)
class Point:
    """A configuration that the statistical sampler would run.

    Attributes:
        params: Native values, complete or not.
        expected: What its surrogate expects of it, in words; empty where nothing is known yet.
    """

    params: Mapping[str, Any]
    expected: str = ""


@dataclass(frozen=True)
class Advice:
    """What the statistical sampler and its surrogate tell the model.

    Attributes:
        base_name: The sampler's name, such as "TPE".
        points: What it would run, for the model to judge.
        remarks: What else is known, a sentence each.
        defaults: A usual good configuration that has not been run, complete or not.
        begun: What the trial itself runs that the answer is asked for, if that is decided.
        is_noisy: Whether results are noisy, so that the best may be worth a repeat.
    """

    base_name: str = "the statistical sampler"
    points: Sequence[Point] = ()
    remarks: Sequence[str] = ()
    defaults: Mapping[str, Any] | None = None
    begun: Mapping[str, Any] | None = None
    is_noisy: bool = False


def advice_text(space: SearchSpace, advice: Advice) -> str:
    """Show the advice, a line for each point; empty without any."""
    lines = []
    if advice.points:
        lines.append(f"- {shorten(advice.base_name, 60)} would run one of these next:")
    for letter, point in zip(letters(len(advice.points)), advice.points, strict=True):
        expected = f"; {shorten(point.expected, _MAX_REMARK)}" if point.expected else ""
        lines.append(f"  {letter}: {show_configuration(space, point.params)}{expected}")
    if advice.begun:
        run = show_configuration(space, advice.begun)
        lines.append(f"- this trial runs {run}; your candidates are for the trials after it")
    if advice.defaults:
        lines.append(
            f"- usual good values, not run yet: {show_configuration(space, advice.defaults)}"
        )
    lines += [f"- {shorten(remark, _MAX_REMARK)}" for remark in advice.remarks[:_MAX_REMARKS]]
    return "\n".join(["ADVICE of the statistical optimizer", *lines]) if lines else ""
