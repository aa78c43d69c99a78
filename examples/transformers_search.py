"""Tune a transformer with `Trainer.hyperparameter_search`, whose Optuna takes our sampler.

pip install "transformers[torch]"
python examples/transformers_search.py

The model is tiny and its weights are random: nothing is downloaded.
"""

from __future__ import annotations

import tempfile

import optuna
import torch
from transformers import BertConfig
from transformers import BertForSequenceClassification
from transformers import Trainer
from transformers import TrainingArguments

from optuna_llm import LLMSampler


def sentences(n: int, seed: int) -> list[dict[str, torch.Tensor]]:
    """Return rows of ten words; the label says whether a word from the first ten is first."""
    words = torch.randint(0, 20, (n, 10), generator=torch.Generator().manual_seed(seed))
    return [{"input_ids": row, "labels": (row[0] < 10).long()} for row in words]


def make_model(trial: optuna.Trial | None) -> BertForSequenceClassification:
    """Return a new model for each trial."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return BertForSequenceClassification(
        BertConfig(vocab_size=20, intermediate_size=64, max_position_embeddings=16, **sizes)
    )


def space(trial: optuna.Trial) -> dict[str, object]:
    """Return what is tried: fields of TrainingArguments, by their own names."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        "warmup_steps": trial.suggest_int("warmup_steps", 0, 20),
        "per_device_train_batch_size": trial.suggest_categorical(
            "per_device_train_batch_size", [8, 16, 32]
        ),
    }


if __name__ == "__main__":
    silent = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True}
    arguments = TrainingArguments(
        tempfile.mkdtemp(), eval_strategy="epoch", num_train_epochs=2, seed=0, **silent
    )
    data = {"train_dataset": sentences(256, seed=0), "eval_dataset": sentences(128, seed=1)}
    trainer = Trainer(args=arguments, model_init=make_model, **data)
    # `sampler`, `pruner`, `storage` and `study_name` are passed on to optuna.create_study.
    best = trainer.hyperparameter_search(
        space, backend="optuna", n_trials=10, direction="minimize", sampler=LLMSampler(seed=0)
    )
    print(f"10 trials, best {best.objective:.4f} with {best.hyperparameters}")
