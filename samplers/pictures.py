"""Draws the pictures of the OptunaHub packages: ``python samplers/pictures.py``.

The curves of ``llm_sampler`` are those of the committed benchmark results; the other two pictures
are runs of the samplers themselves, on made-up functions.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna


_ROOT = Path(__file__).resolve().parent.parent
_SIZE = (6.4, 3.6)
_DPI = 120


def draw_regret(path: Path) -> None:
    """Draw the regret of LLMSampler with models of all kinds, and of its peers, over trials."""
    sys.path.insert(0, str(_ROOT))
    from benchmarks import statistics
    from benchmarks.results import read

    curves = {
        "LLM, good model": ("LLMSampler, good model", "#e0600c", "-"),
        "LLM, no model": ("LLMSampler, no model", "#009e73", "-"),
        "LLM, random model": ("LLMSampler, random model", "#c46a9f", "-"),
        "LLM, worst model": ("LLMSampler, worst model", "#c46a9f", ":"),
        "CQR": ("CQRSampler", "#3a8fd1", "-"),
        "TPE": ("TPESampler", "#8a8a8a", "-"),
        "Random": ("RandomSampler", "#8a8a8a", ":"),
    }
    rows = read([_ROOT / "benchmarks/results/guard.csv"])
    table = statistics.regrets(rows[rows["sampler"].isin(curves)])
    figure, axes = _canvas()
    numbers = [1, *range(2, 51)]
    blocks = [statistics.blocks(table, n) for n in numbers]
    for name, (label, color, dash) in curves.items():
        found = [statistics.mean(block[name].to_numpy()) for block in blocks]
        axes.plot(numbers, [e.value for e in found], dash, color=color, label=label)
        low, high = [e.low for e in found], [e.high for e in found]
        axes.fill_between(numbers, low, high, color=color, alpha=0.12, linewidth=0)
    axes.set(xlabel="trials", ylabel="mean normalised regret", yscale="log", xlim=(1, 50))
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    figure.savefig(path)


def draw_trials(path: Path) -> None:
    """Draw who proposed which trial of LLAMBOSampler in a space of two parameters."""
    from optuna_llm import LLAMBOSampler
    from optuna_llm.reporting.figures.frame import COLORS

    def loss(learning_rate: Any, dropout: Any) -> Any:
        return (np.log10(learning_rate) + 2.3) ** 2 + 6 * (dropout - 0.25) ** 2

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
        return float(loss(rate, trial.suggest_float("dropout", 0.0, 0.9)))

    study = optuna.create_study(
        sampler=LLAMBOSampler(_Practitioner(), surrogate="statistical", seed=4)
    )
    study.optimize(objective, n_trials=20)
    figure, axes = _canvas()
    rates, dropouts = np.meshgrid(np.logspace(-5, 0, 120), np.linspace(0.0, 0.9, 120))
    axes.contourf(rates, dropouts, np.sqrt(loss(rates, dropouts)), 14, cmap="Greys", alpha=0.5)
    labels = {"llm": "language model", "prior": "usual values", "base": "statistical sampler"}
    for source, label in labels.items():
        trials = [t for t in study.trials if t.user_attrs["llm:source"] == source]
        axes.scatter(
            [t.params["learning_rate"] for t in trials],
            [t.params["dropout"] for t in trials],
            s=90,
            color=COLORS[source],
            edgecolor="white",
            label=label,
            zorder=2,
        )
    for t in study.trials:
        place = (t.params["learning_rate"], t.params["dropout"])
        style = {"color": "white", "fontsize": 6, "ha": "center", "va": "center"}
        axes.annotate(str(t.number), place, **style)
    axes.set(xlabel="learning_rate", ylabel="dropout", xscale="log", xlim=(1e-5, 1))
    axes.legend(fontsize=8, loc="upper left")
    figure.savefig(path)


class _Practitioner:
    """A stand-in for a language model that knows roughly where good values lie."""

    name = "stand-in"

    def __init__(self) -> None:
        self._rng = np.random.default_rng(1)

    def complete(self, messages: Any, *, schema: Any = None, max_output_tokens: Any = None) -> Any:
        """Propose six configurations around a guess."""
        from optuna_llm.chat import Completion
        from optuna_llm.chat import Usage

        candidates = [
            {"reason": "usual for networks of this kind", "params": self._guess()}
            for _ in range(6)
        ]
        text = json.dumps({"candidates": candidates})
        return Completion(text, self.name, Usage(0, 0), None, 0.0, 1, "json_schema", "stop")

    def _guess(self) -> Mapping[str, float]:
        return {
            "learning_rate": float(10 ** np.clip(self._rng.normal(-2.8, 0.6), -5, 0)),
            "dropout": float(np.clip(self._rng.normal(0.35, 0.15), 0.0, 0.9)),
        }


def draw_quantiles(path: Path) -> None:
    """Draw what the surrogate of CQRSampler expects of a noisy function, with the truth."""
    from optuna_llm.surrogate.quantile import QuantileEnsemble

    def truth(x: np.ndarray) -> np.ndarray:
        return np.sin(9 * x) + 2 * x

    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(0.0, 0.62, 9), rng.uniform(0.8, 1.0, 3)])
    y = truth(x) + 0.15 * rng.normal(size=len(x))
    grid = np.linspace(0.0, 1.0, 300)
    model = QuantileEnsemble(seed=0).fit(x[:, None], y)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    lowest, low, median, high, highest = model.predict(grid[:, None], levels).T
    figure, axes = _canvas()
    colour = "#3a8fd1"
    axes.fill_between(grid, lowest, highest, color=colour, alpha=0.18, linewidth=0, label="90 %")
    axes.fill_between(grid, low, high, color=colour, alpha=0.3, linewidth=0, label="50 %")
    axes.plot(grid, median, color=colour, label="median")
    axes.plot(grid, truth(grid), "--", color="#8a8a8a", label="the function")
    axes.scatter(x, y, color="#262c36", s=22, zorder=3, label="evaluations")
    axes.set(xlabel="x", ylabel="value", xlim=(0, 1), ylim=(y.min() - 1.2, y.max() + 1.2))
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
    figure.savefig(path)


def _canvas() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def main(folder: Path) -> None:
    """Draw all pictures into a folder with one subfolder for each package."""
    mpl.use("Agg")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name, draw in (
        ("llm_sampler/images/regret.png", draw_regret),
        ("llambo_sampler/images/trials.png", draw_trials),
        ("cqr_sampler/images/quantiles.png", draw_quantiles),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(path)


if __name__ == "__main__":
    main(Path(__file__).resolve().parent)
