"""A small network of PyTorch with the interface of scikit-learn's models."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.base import ClassifierMixin
from sklearn.base import RegressorMixin
import torch
from torch import nn


_EPOCHS = 12


class _Network(BaseEstimator):  # type: ignore[misc]
    """Layers of equal width, trained for a few epochs by Adam with decoupled weight decay or SGD.

    Args:
        optimizer: ``adamw`` or ``sgd``.
        lr: Learning rate, which falls to 0 by half a cosine.
        batch_size: Rows in each step.
        weight_decay: As the optimizer has it.
        n_layers: Number of hidden layers.
        n_units: Their width.
        dropout: Share of units left out.
    """

    def __init__(
        self,
        optimizer: str = "adamw",
        lr: float = 1e-3,
        batch_size: int = 64,
        weight_decay: float = 0.0,
        n_layers: int = 2,
        n_units: int = 64,
        dropout: float = 0.0,
    ) -> None:
        self.optimizer = optimizer
        self.lr = lr
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.n_layers = n_layers
        self.n_units = n_units
        self.dropout = dropout

    def _train(self, X: np.ndarray, y: torch.Tensor, n_outputs: int, loss: nn.Module) -> None:
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        n_inputs = X.shape[1]
        for _ in range(self.n_layers):
            layers += [nn.Linear(n_inputs, self.n_units), nn.ReLU(), nn.Dropout(self.dropout)]
            n_inputs = self.n_units
        self.network_ = nn.Sequential(*layers, nn.Linear(n_inputs, n_outputs))
        parameters = self.network_.parameters()
        rates: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay}
        optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(parameters, **rates)
            if self.optimizer == "adamw"
            else torch.optim.SGD(parameters, momentum=0.9, **rates)
        )
        features = torch.as_tensor(X, dtype=torch.float32)
        n_steps = _EPOCHS * -(-len(X) // self.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        self.network_.train()
        for _ in range(_EPOCHS):
            order = torch.randperm(len(X), generator=generator)
            for rows in order.split(self.batch_size):
                optimizer.zero_grad()
                loss(self.network_(features[rows]), y[rows]).backward()
                optimizer.step()
                schedule.step()
        self.network_.eval()

    def _outputs(self, X: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            found = self.network_(torch.as_tensor(X, dtype=torch.float32))
        # A training that has diverged is as good as one that says nothing.
        return torch.nan_to_num(found, nan=0.0, posinf=1e3, neginf=-1e3).clamp(-1e3, 1e3)


class NetworkClassifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """The network for classes."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> NetworkClassifier:
        """Train it on features (n, d) and classes (n,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._train(X, torch.as_tensor(codes), len(self.classes_), nn.CrossEntropyLoss())
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each class, shape (n, classes)."""
        found: np.ndarray = self._outputs(X).double().softmax(1).numpy()
        return found

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable classes (n,)."""
        found: np.ndarray = self.classes_[self.predict_proba(X).argmax(1)]
        return found


class NetworkRegressor(RegressorMixin, _Network):  # type: ignore[misc]
    """The network for numbers."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> NetworkRegressor:
        """Train it on features (n, d) and numbers (n,)."""
        target = torch.as_tensor(y, dtype=torch.float32)[:, None]
        self._train(X, target, 1, nn.MSELoss())
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return numbers (n,)."""
        found: np.ndarray = self._outputs(X)[:, 0].double().numpy()
        return found
