"""A study of a function whose code is tuned, made by hand: nothing is run."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from optuna.trial import create_trial


SOURCES = {
    0: "def gain(x):\n    scale = 0.5\n    return scale * x\n",
    1: "def gain(x):\n    scale = 0.5\n    return scale * x * x\n",
    2: "def gain(x):\n    return 0.1 if '</pre><script>' else x\n",
    4: "def gain(x):\n    scale = 0.5\n    return scale * x * x * x\n",
}
# Number of the trial: version, parent, value, value of its number.
TRIALS: dict[int, tuple[int, int | None, float | None, dict[str, float]]] = {
    0: (0, None, 3.0, {"scale": 0.5}),
    1: (1, 0, 2.0, {"scale": 0.5}),
    2: (2, 0, None, {"0": 0.1}),
    3: (1, None, 1.0, {"scale": 0.75}),
    4: (4, 1, 4.0, {"scale": 0.5}),
}


def make_versions(
    storage: str | BaseStorage | None = None, study_name: str = "versions"
) -> optuna.Study:
    """Return a study with four versions, the second of which is best with another number."""
    study = optuna.create_study(storage=storage, study_name=study_name)
    for number, (version, parent, value, numbers) in TRIALS.items():
        record: dict[str, Any] = {"trial": number, "imports": ["math"]}
        if version == number:
            by = {"by": "user"} if parent is None else {"by": "llm", "reason": "<b>Steeper.</b>"}
            record |= {**by, **({} if parent is None else {"parent": parent})}
        params = {f"gain.{version}.{name}": given for name, given in numbers.items()}
        ranges = {name: FloatDistribution(0.01, 5.0, log=True) for name in params}
        trial = create_trial(
            state=TrialState.FAIL if value is None else TrialState.COMPLETE,
            value=value,
            params={"gain": version, **params},
            distributions={"gain": IntDistribution(version, version), **ranges},
            user_attrs={"llm:choice:gain": SOURCES[version]},
            system_attrs={"llm:code:gain": record},
        )
        study.add_trial(trial)
    return study
