"""Draws how a proposal comes about, from a study run for it: ``python docs/draw_proposal.py``.

Support vector regression on scikit-learn's diabetes data, two parameters, fourteen trials of
``CQRSampler(seed=0)``; the picture shows how it comes to the next one. Needs ``.[bench]``.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import optuna


ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs/images/proposal.png"
N_TRIALS = 14
_GRID = 120
_N_SHOWN = 400
# The gain is coloured down to so many nats below the largest.
_DECADES = 8.0

SUGGEST = {
    "C": lambda trial: trial.suggest_float("C", 1e-3, 1e3, log=True),
    "gamma": lambda trial: trial.suggest_float("gamma", 1e-6, 1e1, log=True),
}


@functools.cache
def _data() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, scaled=False)
    return X, (y - y.mean()) / y.std()


def objective(trial: optuna.Trial) -> float:
    """Return the mean squared error of five folds, as a share of the variance."""
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    model = SVR(**{name: suggest(trial) for name, suggest in SUGGEST.items()})
    scores = cross_val_score(
        make_pipeline(StandardScaler(), model), *_data(), cv=5, scoring="neg_mean_squared_error"
    )
    return float(-scores.mean())


def draw(path: Path) -> None:
    """Run the study and write the picture."""
    from matplotlib.figure import Figure

    from optuna_llm import CQRSampler
    from optuna_llm.cqr import MUTATION_RATE
    from optuna_llm.cqr import MUTATION_STEP
    from optuna_llm.cqr import N_MUTANTS
    from optuna_llm.history.history import History
    from optuna_llm.space.search_space import SearchSpace

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = CQRSampler(seed=0)
    study = optuna.create_study(sampler=sampler, study_name="proposal")
    study.optimize(objective, n_trials=N_TRIALS, show_progress_bar=True)

    trial = study.ask()
    chosen_params = {name: suggest(trial) for name, suggest in SUGGEST.items()}

    # The same steps once more, one by one.
    frozen = study._storage.get_trial(trial._trial_id)
    history = History.from_study(study, frozen)
    space = SearchSpace(history.parameters)
    beliefs = sampler._beliefs(study, history, space)
    streams = functools.partial(sampler._rng, frozen.number)
    surrogate = sampler._chosen.fitted(history, space, streams, beliefs)
    rng, domain = np.random.default_rng(0), surrogate.encoding.domain
    parents = surrogate.parents
    mutants = domain.mutants(parents[0], N_MUTANTS, rng, rate=MUTATION_RATE, step=MUTATION_STEP)
    drawn = sampler._candidates(domain, parents, beliefs, rng)
    drawn = drawn[rng.permutation(len(drawn))[:_N_SHOWN]]

    unit = (np.arange(_GRID) + 0.5) / _GRID
    grid = np.stack(np.meshgrid(unit, unit), axis=-1).reshape(-1, 2)
    features = surrogate.encode(grid)
    gain = surrogate.utility(features)
    maps = {
        "1  What is believed beforehand": (beliefs[0].log_density(features), "Greens"),
        "2  What trials and belief predict": (
            -surrogate.quantiles(features, [0.5])[:, 0],
            "Blues",
        ),
        "3  Candidates from everywhere, and mutants of the best": (np.zeros(len(grid)), "Greys"),
        "4  What a trial is expected to gain": (
            np.maximum(gain, gain.max() - _DECADES),
            "Oranges",
        ),
    }
    tried, best = surrogate.coordinates, parents[0]
    chosen = space.coordinates([chosen_params])[0]
    figure = Figure(figsize=(9, 8), layout="constrained")
    for axes, (title, (values, colours)) in zip(
        figure.subplots(2, 2).flat, maps.items(), strict=True
    ):
        axes.set_title(title, loc="left", fontsize=10)
        image = values.reshape(_GRID, _GRID)
        axes.imshow(image, origin="lower", extent=(0, 1, 0, 1), cmap=colours, alpha=0.75)
        if title.startswith("3"):
            axes.plot(*drawn.T, ".", color="tab:grey", markersize=2, label="from everywhere")
            axes.plot(*mutants.T, ".", color="tab:purple", markersize=4, label="mutants")
        axes.plot(*tried.T, "o", color="black", markersize=4, mfc="white", label="trials")
        axes.plot(*best, "o", color="black", markersize=8, label="the best trial")
        axes.plot(*chosen, "*", color="crimson", markersize=11, mec="white", label="the proposal")
        for axis, name in ((axes.xaxis, space.names[0]), (axes.yaxis, space.names[1])):
            distribution = space.distributions[name]
            ends = np.log10([distribution.low, distribution.high])
            powers = np.arange(np.ceil(ends[0]), np.floor(ends[1]) + 1, 2)
            axis.set_ticks((powers - ends[0]) / np.ptp(ends), [f"1e{p:.0f}" for p in powers])
            axis.set_label_text(name)
    handles, labels = figure.axes[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"Trial {trial.number}: {study.trials[-1].user_attrs['llm:rationale']}")
    print(f"Weights of Gaussian process, trees, belief: {surrogate.regressor._weights.round(2)}")


if __name__ == "__main__":
    draw(PICTURE)
    print(f"Drawn: {PICTURE}")
