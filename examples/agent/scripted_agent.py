"""A scripted agent that tunes ``train.py`` by the commands of optuna-llm.

    python scripted_agent.py --trials 25

Where a coding agent would think, this one follows a trend: after each trial it asks what matters,
moves the best configuration a step along the strongest trend, lets the study judge that, and
suggests it if it would not be vetoed. Needs scikit-learn for the training.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import subprocess
import sys
from typing import Any


HERE = Path(__file__).parent
STUDY = "digits"
_STEP = 2.0


def command(*words: str) -> dict[str, Any]:
    """Give a command of optuna-llm and return its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "optuna_llm", *words, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise SystemExit(f"{answer['error']['message']}; {answer['error']['fix']}")
    return answer


def train(params: dict[str, Any]) -> float | None:
    """Run the training script; None if it fails."""
    options = [word for name, value in params.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, str(HERE / "train.py"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return float(json.loads(done.stdout)["loss"]) if done.returncode == 0 else None


def idea(storage: str, space: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return a configuration beside the best one, and why; None without any trend."""
    best = command("state", storage, STUDY)["best"]
    trends = [p for p in command("relations", storage, STUDY)["parameters"] if p.get("trend")]
    if not best or not trends:
        return None
    name, trend = trends[0]["name"], trends[0]["trend"]
    value = best[0]["params"][name] * (_STEP if trend > 0 else 1 / _STEP)
    value = min(max(value, space[name]["low"]), space[name]["high"])
    moved = {**best[0]["params"], name: round(value) if name == "hidden" else value}
    return moved, f"{name} leans {'up' if trend > 0 else 'down'} among the good trials."


def main() -> None:
    """Tune until the study is done, or has its trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--storage", default="sqlite:///digits.db")
    given = parser.parse_args()
    storage = given.storage
    options = ["--space", str(HERE / "space.toml"), "--metric", "loss", "--seed", "0"]
    options += ["--about", "a small neural network on images of digits"]
    space = command("new", storage, STUDY, *options)["space"]
    for _ in range(given.trials):
        (proposal,) = command("ask", storage, STUDY)["proposals"]
        loss = train(proposal["params"])
        result = ["failed", "--why", "diverged"] if loss is None else [repr(loss)]
        command("tell", storage, STUDY, str(proposal["trial"]), *result)
        print(f"trial {proposal['trial']} by {proposal['source']}: {loss}", flush=True)
        if command("done", storage, STUDY, "--trials", str(given.trials))["done"]:
            break
        found = idea(storage, space)
        if found is not None:
            moved, why = json.dumps(found[0]), found[1]
            (judged,) = command("judge", storage, STUDY, moved)["judgements"]
            print(f"{judged['verdict']}: {moved}")
            if judged["verdict"] != "vetoed":
                command("enqueue", storage, STUDY, moved, "--why", why)
    print(command("best", storage, STUDY))


if __name__ == "__main__":
    main()
