"""Tune the features of a model as code: versions of one function, and the numbers in them.

pip install scikit-learn
python examples/code_features.py
"""

from typing import Any

import numpy as np
import optuna
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from optuna_llm import LLMSampler
from optuna_llm import code_parameter
from optuna_llm import load_code
from optuna_llm import suggest_code


X, y = load_diabetes(return_X_y=True)  # age, sex, bmi, pressure, and six blood values


# trust="limits" also runs where there is no sandbox; leave it out where there is one.
@code_parameter(examples=[(X[:3],)], imports=["numpy as np"], trust="limits")
def features(x: Any) -> Any:
    """Return a table with a row for each of x, and any number of columns of finite numbers."""
    return x


BY_HAND = """
def features(x):
    bmi, pressure, sugar = x[:, 2], x[:, 3], x[:, 9]
    together = np.column_stack([bmi * pressure, bmi * sugar, x[:, 0] * x[:, 1]])
    return np.column_stack([x, together, np.maximum(bmi, number(0.05, -0.1, 0.15))])
"""


def objective(trial: optuna.Trial) -> float:
    """Return the mean absolute error of a cross-validation."""
    table = np.asarray(suggest_code(trial, features)(X))
    ridge = Ridge(alpha=trial.suggest_float("alpha", 1e-3, 1e3, log=True))
    pipeline = make_pipeline(StandardScaler(), ridge)
    return -cross_val_score(pipeline, table, y, cv=10, scoring="neg_mean_absolute_error").mean()


if __name__ == "__main__":
    study = optuna.create_study(
        sampler=LLMSampler(seed=0)
    )  # with a model, it writes versions, too
    study.enqueue_trial({})
    study.enqueue_trial({"features": BY_HAND})
    study.optimize(objective, n_trials=20)
    plain = min(t.value for t in study.trials if t.params["features"] == 0)
    print(
        f"{len(study.trials)} trials, best {study.best_value:.3f}, with plain features {plain:.3f}"
    )
    print(load_code(study.best_trial, "features", trust="limits").source)
