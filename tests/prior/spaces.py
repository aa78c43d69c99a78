"""Search spaces as people write them, with the family and the usual values of each."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution


Space = dict[str, BaseDistribution]


def log(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


def real(low: float, high: float, step: float | None = None) -> FloatDistribution:
    return FloatDistribution(low, high, step=step)


def whole(low: int, high: int, *, log: bool = False) -> IntDistribution:
    return IntDistribution(low, high, log=log)


def one_of(*choices: Any) -> CategoricalDistribution:
    return CategoricalDistribution(choices)


SPACES: dict[str, tuple[str, Space, dict[str, Any]]] = {
    "XGBoost, native names": (
        "xgboost",
        {
            "eta": log(1e-3, 0.5),
            "max_depth": whole(2, 12),
            "subsample": real(0.3, 1),
            "colsample_bytree": real(0.3, 1),
            "min_child_weight": log(0.1, 100),
            "lambda": log(1e-8, 10),
            "gamma": log(1e-8, 1),
            "booster": one_of("gbtree", "gblinear", "dart"),
        },
        {"eta": 0.1, "max_depth": 6, "subsample": 0.8, "booster": "gbtree", "lambda": 1.0},
    ),
    "XGBoost, scikit-learn names": (
        "xgboost",
        {
            "n_estimators": whole(50, 1000),
            "learning_rate": log(0.01, 0.3),
            "max_depth": whole(3, 10),
            "reg_alpha": real(0, 1),
            "reg_lambda": real(0, 10),
            "colsample_bytree": real(0.5, 1),
        },
        {"learning_rate": 0.1, "max_depth": 6},
    ),
    "LightGBM": (
        "lightgbm",
        {
            "num_leaves": whole(2, 256),
            "learning_rate": log(1e-3, 0.3),
            "feature_fraction": real(0.4, 1),
            "bagging_freq": whole(1, 7),
            "min_child_samples": whole(5, 100),
            "max_depth": whole(-1, 15),
        },
        {"num_leaves": 31, "min_child_samples": 20, "bagging_freq": 1},
    ),
    "CatBoost": (
        "catboost",
        {
            "iterations": whole(100, 2000),
            "depth": whole(1, 12),
            "l2_leaf_reg": real(1, 10),
            "random_strength": log(1e-9, 10),
            "learning_rate": log(0.01, 0.3),
        },
        {"depth": 6, "l2_leaf_reg": 3.0},
    ),
    "random forest": (
        "random forest",
        {
            "n_estimators": whole(10, 1000),
            "max_depth": one_of(None, 5, 10, 20, 50),
            "max_features": one_of("sqrt", "log2", None, 0.5),
            "min_samples_leaf": whole(1, 20),
            "bootstrap": one_of(True, False),
        },
        {"max_depth": None, "max_features": "sqrt", "min_samples_leaf": 1, "bootstrap": True},
    ),
    "random forest, nothing but names of gradient boosting": (
        "random forest",
        {
            "n_estimators": whole(10, 300, log=True),
            "max_depth": whole(1, 50, log=True),
            "max_features": real(0.02, 1),
            "min_samples_leaf": whole(1, 20),
            "min_samples_split": whole(2, 64, log=True),
        },
        {"max_depth": 20, "max_features": 0.3, "min_samples_leaf": 1, "min_samples_split": 2},
    ),
    "scikit-learn gradient boosting": (
        "scikit-learn gradient boosting",
        {
            "n_estimators": whole(50, 500),
            "learning_rate": log(0.01, 0.3),
            "max_depth": whole(2, 10),
            "min_samples_leaf": whole(1, 50),
            "max_features": real(0.1, 1),
        },
        {"learning_rate": 0.1, "max_depth": 5},
    ),
    "support vector machine": (
        "support vector machine",
        {"C": log(1e-3, 1e3), "gamma": log(1e-5, 10), "kernel": one_of("linear", "rbf")},
        {"C": 10.0, "gamma": 0.02, "kernel": "rbf"},
    ),
    "nearest neighbours": (
        "nearest neighbours",
        {"n_neighbors": whole(1, 50), "weights": one_of("uniform", "distance"), "p": whole(1, 2)},
        {"n_neighbors": 10, "weights": "distance", "p": 2},
    ),
    "scikit-learn MLP": (
        "scikit-learn MLP",
        {
            "alpha": log(1e-8, 1),
            "learning_rate_init": log(1e-5, 1),
            "batch_size": whole(4, 256, log=True),
            "depth": whole(1, 3),
            "width": whole(16, 1024, log=True),
        },
        {"alpha": 1e-4, "learning_rate_init": 1e-3, "depth": 2},
    ),
    "network by Adam": (
        "network training",
        {
            "n_layers": whole(1, 5),
            "n_units_l0": whole(16, 512, log=True),
            "dropout_l0": real(0.0, 0.5),
            "optimizer": one_of("Adam", "RMSprop", "SGD"),
            "lr": log(1e-5, 1e-1),
        },
        {"n_units_l0": 256, "dropout_l0": 0.2, "optimizer": "Adam", "lr": 1e-3},
    ),
    "ResNet by SGD": (
        "network training by SGD",
        {
            "lr": log(1e-3, 1),
            "momentum": real(0.5, 0.99),
            "weight_decay": log(1e-5, 1e-2),
            "batch_size": one_of(32, 64, 128, 256),
            "nesterov": one_of(True, False),
        },
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 128, "nesterov": True},
    ),
    "BERT fine-tuning": (
        "transformer fine-tuning",
        {
            "learning_rate": log(1e-6, 1e-3),
            "num_train_epochs": whole(1, 5),
            "per_device_train_batch_size": one_of(8, 16, 32),
            "warmup_ratio": real(0, 0.2),
            "weight_decay": real(0, 0.3),
        },
        {"learning_rate": 3e-5, "num_train_epochs": 3, "per_device_train_batch_size": 16},
    ),
    "LoRA": (
        "low-rank adaptation",
        {
            "lora_r": one_of(4, 8, 16, 32, 64),
            "lora_alpha": one_of(8, 16, 32, 64),
            "lora_dropout": real(0, 0.2),
            "lr": log(1e-5, 1e-3),
            "target_modules": one_of("q_proj,v_proj", "all-linear"),
        },
        {"lora_r": 16, "lora_alpha": 32, "lr": 2e-4, "target_modules": "all-linear"},
    ),
    "PPO": (
        "PPO",
        {
            "n_steps": one_of(128, 256, 512, 1024, 2048),
            "gamma": real(0.9, 0.9999),
            "gae_lambda": one_of(0.8, 0.9, 0.95, 0.99),
            "clip_range": one_of(0.1, 0.2, 0.3),
            "ent_coef": log(1e-8, 0.1),
            "learning_rate": log(1e-5, 1e-2),
        },
        {"gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "learning_rate": 3e-4},
    ),
    "SAC": (
        "SAC, TD3 and DDPG",
        {
            "buffer_size": one_of(10_000, 100_000, 1_000_000),
            "tau": log(1e-3, 0.1),
            "gamma": real(0.9, 0.999),
            "learning_rate": log(1e-5, 1e-2),
            "ent_coef": one_of("auto", 0.1, 0.01),
            "gradient_steps": whole(1, 16),
        },
        {"tau": 5e-3, "ent_coef": "auto", "learning_rate": 3e-4},
    ),
    "pre-training": (
        "language-model pre-training",
        {
            "ASPECT_RATIO": whole(32, 128),
            "DEPTH": whole(4, 24),
            "DEVICE_BATCH_SIZE": whole(32, 256, log=True),
            "EMBEDDING_LR": log(0.01, 2.0),
            "FINAL_LR_FRAC": real(0, 0.2),
            "HEAD_DIM": whole(64, 256, log=True),
            "MATRIX_LR": log(0.005, 0.2),
            "TOTAL_BATCH_SIZE": whole(65536, 2097152, log=True),
            "WEIGHT_DECAY": real(0.0, 0.5),
            "WINDOW_PATTERN": one_of("SSSL", "SSLL", "LLLL", "SSSS"),
        },
        {"HEAD_DIM": 128, "TOTAL_BATCH_SIZE": 524288, "WEIGHT_DECAY": 0.1},
    ),
    "DPO": (
        "direct preference optimization",
        {
            "beta": log(0.01, 1.0),
            "loss_type": one_of("sigmoid", "hinge", "ipo"),
            "rpo_alpha": real(0.1, 2.0),
            "learning_rate": log(1e-7, 1e-5),
        },
        {"beta": 0.1, "loss_type": "sigmoid", "learning_rate": 7e-7},
    ),
    "GRPO": (
        "reinforcement learning of language models",
        {
            "num_generations": one_of(4, 8, 16),
            "beta": log(1e-4, 0.1),
            "epsilon": real(0.1, 0.4),
            "epsilon_high": real(0.2, 0.4),
            "learning_rate": log(1e-7, 1e-4),
            "temperature": real(0.5, 1.2),
        },
        {"num_generations": 8, "beta": 0.01, "epsilon": 0.2, "learning_rate": 1e-6},
    ),
    "vLLM": (
        "inference server",
        {
            "max_num_seqs": whole(16, 1024, log=True),
            "max_num_batched_tokens": one_of(2048, 4096, 8192, 16384),
            "gpu_memory_utilization": real(0.7, 0.95),
            "block_size": one_of(8, 16, 32),
            "enable_chunked_prefill": one_of(True, False),
            "tensor_parallel_size": one_of(1, 2, 4),
        },
        {
            "max_num_seqs": 256,
            "max_num_batched_tokens": 8192,
            "gpu_memory_utilization": 0.92,
            "block_size": 16,
            "enable_chunked_prefill": True,
        },
    ),
    "retrieval": (
        "retrieval-augmented generation",
        {
            "chunk_size": whole(128, 2048, log=True),
            "chunk_overlap": whole(0, 256),
            "top_k": whole(1, 20),
            "temperature": real(0.0, 1.0),
        },
        {"chunk_size": 512, "chunk_overlap": 64, "top_k": 5, "temperature": 0.1},
    ),
    "diffusion": (
        "diffusion model",
        {
            "lr": log(1e-5, 1e-3),
            "timesteps": one_of(250, 500, 1000, 2000),
            "beta_schedule": one_of("linear", "cosine"),
            "p_uncond": real(0.0, 0.3),
            "guidance_scale": real(1.0, 15.0),
            "ema_decay": real(0.99, 0.9999),
        },
        {"lr": 1e-4, "timesteps": 1000, "p_uncond": 0.1, "guidance_scale": 7.5},
    ),
    "RealMLP": (
        "RealMLP",
        {
            "plr_sigma": log(0.05, 0.5),
            "lr": log(0.02, 0.3),
            "add_front_scale": one_of(True, False),
        },
        {"plr_sigma": 0.1, "lr": 0.07, "add_front_scale": True},
    ),
    "cell search": (
        "cell-based architecture",
        {f"op_{i}": one_of("none", "skip_connect", "nor_conv_3x3") for i in range(3)},
        {"op_0": "nor_conv_3x3", "op_2": "nor_conv_3x3"},
    ),
}
