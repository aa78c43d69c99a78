"""Objectives as users have them: a network in PyTorch with pruning, and XGBoost."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState
import pytest

from optuna_llm import LLMSampler
from tests.support.models import well_behaved
from tests.support.server import ChatServer


@pytest.mark.slow
def test_pytorch_training_with_hyperband_on_sqlite(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16.0, labels, random_state=0)
    train_x, test_x = (torch.tensor(p, dtype=torch.float32, device=device) for p in parts[:2])
    train_y, test_y = (torch.tensor(p, device=device) for p in parts[2:])

    def objective(trial: optuna.Trial) -> float:
        width = trial.suggest_int("n_units", 8, 128, log=True)
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.6, step=0.1)
        model = torch.nn.Sequential(
            torch.nn.Linear(64, width),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(width, 10),
        ).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        accuracy = 0.0
        for epoch in range(1, 10):
            model.train()
            for batch in torch.randperm(len(train_x), device=device).split(128):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(train_x[batch]), train_y[batch]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                accuracy = float((model(test_x).argmax(1) == test_y).float().mean())
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    storage = f"sqlite:///{tmp_path}/study.db"
    with ChatServer(well_behaved()) as server:
        for seed in range(2):  # The second round resumes the study.
            study = optuna.create_study(
                study_name="digits",
                storage=storage,
                direction="maximize",
                load_if_exists=True,
                sampler=LLMSampler("stand-in", base_url=server.base_url, seed=seed),
                pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9),
            )
            study.optimize(objective, n_trials=10)
    assert len(study.trials) == 20
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert any(t.state == TrialState.PRUNED for t in study.trials)
    assert {"prior", "llm", "base"} <= {t.user_attrs["llm:source"] for t in study.trials}
    assert study.best_value > 0.9
