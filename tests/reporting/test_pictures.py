from __future__ import annotations

import io
import math

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import pytest

from optuna_llm import visualization
from optuna_llm.reporting.figures.history import mark_hindsight
from optuna_llm.reporting.pictures import picture
from optuna_llm.stopping.hindsight import Hindsight
from tests.support.studies import make_trial


pytest.importorskip("matplotlib")
SPACE = {"lr": FloatDistribution(1e-4, 0.1, log=True), "a $x": CategoricalDistribution(["$", "<"])}


def study(n: int = 14) -> optuna.Study:
    """Return a study with trials of several proposers, one that failed and an infinite value."""
    made = optuna.create_study(study_name="costs $5 & more $")
    rng = np.random.default_rng(0)
    for number in range(n):
        params = {"lr": float(10 ** rng.uniform(-4, -1)), "a $x": "$<"[number % 2]}
        options = {"distributions": SPACE, "source": ["base", "agent"][number % 2]}
        if number == 3:
            made.add_trial(make_trial(number, params, state=TrialState.FAIL, **options))
            continue
        value = math.inf if number == 5 else abs(math.log10(params["lr"]) + 2) + 0.01
        made.add_trial(make_trial(number, params, value=value, **options))
    return made


def pixels(image: bytes) -> np.ndarray:
    """Return a PNG as an array (height, width, 3)."""
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(image), format="png"))[:, :, :3]


def has(image: np.ndarray, colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return bool((np.abs(image - wanted).max(axis=2) < 0.15).sum() > 10)


@pytest.mark.parametrize("name", ["history", "parameters", "calibration", "sources"])
def test_a_figure_becomes_a_picture_in_its_colours(name: str) -> None:
    figure = getattr(visualization, f"plot_{name}")(study())
    drawn = pixels(picture(figure))
    assert drawn.shape == (figure.layout.height, 900, 3)
    assert has(drawn, "#3a8fd1")
    assert has(drawn, "#8a4fd3")


def test_what_there_is_not_yet_is_said_in_words() -> None:
    for name in ("history", "parameters", "calibration", "sources", "spending"):
        figure = getattr(visualization, f"plot_{name}")(study(0))
        drawn = pixels(picture(figure))
        assert drawn.min() < 0.3
        assert drawn.mean() > 0.9


def test_lines_and_fronts_are_drawn() -> None:
    figure = visualization.plot_history(study())
    plain = pixels(picture(figure))
    found = Hindsight(trial=8, brought=0.0, n_later=5, sentence="")
    marked = pixels(picture(mark_hindsight(figure, found)))
    assert (plain != marked).any()
    two = optuna.create_study(directions=["minimize", "minimize"])
    for number in range(4):
        values = [float(number), float(4 - number)]
        options = {"distributions": SPACE, "source": "base", "values": values}
        two.add_trial(make_trial(number, {"lr": 0.01}, **options))
    assert has(pixels(picture(visualization.plot_history(two))), "#3a8fd1")
