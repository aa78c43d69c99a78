"""Train a small network on scikit-learn's digits and print its validation loss as JSON.

    python train.py --learning_rate_init 0.01 --alpha 1e-4 --hidden 32 --activation relu

Nothing here knows of Optuna: it stands for any training script.
"""

from __future__ import annotations

import argparse
import json

from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Read the hyperparameters, train, print the loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning_rate_init", type=float, required=True)
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--activation", required=True)
    given = parser.parse_args()
    features, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        features, labels, test_size=0.3, random_state=0, stratify=labels
    )
    network = MLPClassifier(
        (given.hidden,),
        activation=given.activation,
        alpha=given.alpha,
        learning_rate_init=given.learning_rate_init,
        max_iter=15,
        random_state=0,
    )
    model = make_pipeline(StandardScaler(), network).fit(train_x, train_y)
    print(json.dumps({"loss": log_loss(test_y, model.predict_proba(test_x))}))


if __name__ == "__main__":
    main()
