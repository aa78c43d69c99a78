"""Special kinds of network training: by SGD, on tables, in scikit-learn; search for cells."""

from __future__ import annotations

from optuna_llm.prior.knowledge.classical import SKLEARN
from optuna_llm.prior.knowledge.networks import BATCH_NAMES
from optuna_llm.prior.knowledge.networks import BENGIO
from optuna_llm.prior.knowledge.networks import DECAY_NAMES
from optuna_llm.prior.knowledge.networks import DEPTH_NAMES
from optuna_llm.prior.knowledge.networks import EPOCHS_NAMES
from optuna_llm.prior.knowledge.networks import GOYAL
from optuna_llm.prior.knowledge.networks import OPTIMIZER_NAMES
from optuna_llm.prior.knowledge.networks import PLAYBOOK
from optuna_llm.prior.knowledge.networks import RATE_NAMES
from optuna_llm.prior.knowledge.networks import RESNET
from optuna_llm.prior.knowledge.networks import REVISITING
from optuna_llm.prior.knowledge.networks import SCHEDULE_NAMES
from optuna_llm.prior.knowledge.networks import SGDR
from optuna_llm.prior.knowledge.networks import TRAINING
from optuna_llm.prior.knowledge.networks import WIDTH_NAMES
from optuna_llm.prior.table import COMPLEMENT
from optuna_llm.prior.table import COUNT
from optuna_llm.prior.table import FRACTION
from optuna_llm.prior.table import LOG
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import boolean


SGD = Family(
    "network training by SGD",
    f"{GOYAL}; {RESNET}",
    (
        Number("learning_rate", 0.05, (0.005, 0.5), LOG, RATE_NAMES),
        Number(
            "momentum",
            0.9,
            (0.7, 0.98),
            COMPLEMENT,
            "sgd_momentum mom",
            source="Sutskever et al. 2013; " + PLAYBOOK,
        ),
        Number(
            "weight_decay",
            5e-4,
            (5e-5, 5e-3),
            LOG,
            DECAY_NAMES,
            source="Zagoruyko & Komodakis 2016; " + GOYAL,
        ),
        Number("batch_size", 128, (32, 512), COUNT, BATCH_NAMES),
        Number("epochs", 100, (20, 200), COUNT, EPOCHS_NAMES),
        Choice("optimizer", {"sgd": 5, "momentum": 3, "nesterov": 3}, OPTIMIZER_NAMES),
        Choice(
            "scheduler",
            {
                "cosine": 5,
                "onecycle": 3,
                "multistep": 2,
                "step": 2,
                "reducelronplateau": 1.5,
                "plateau": 1.5,
                "polynomial": 1,
                "linear": 1,
                "exponential": 1,
                "none": 0.5,
                "constant": 0.4,
                "const": 0.4,
                "fix": 0.4,
            },
            SCHEDULE_NAMES,
            source=SGDR,
        ),
        boolean("nesterov", 0.7, "use_nesterov", source=PLAYBOOK),
    ),
    words=(
        "sgd",
        "resnet",
        "wide resnet",
        "wideresnet",
        "cifar",
        "cifar-10",
        "cifar-100",
        "cifar10",
        "cifar100",
        "imagenet",
        "image classification",
    ),
    parent=TRAINING,
    odds=-0.5,
)

TABULAR = Family(
    "tabular network",
    REVISITING,
    (
        Number("learning_rate", 5e-4, (5e-5, 5e-3), LOG, RATE_NAMES),
        Number("weight_decay", 1e-5, (1e-6, 1e-3), LOG, DECAY_NAMES),
        Number("d_token", 192, (64, 512), COUNT, "token_dim"),
        Number("d_hidden_factor", 2, (1, 4), LOG, "hidden_factor"),
        Number("residual_dropout", 0.0, (0.0, 0.2), FRACTION),
        Number("ffn_dropout", 0.1, (0.0, 0.4), FRACTION, "ff_dropout"),
        Number("attention_dropout", 0.2, (0.0, 0.4), FRACTION, "attn_dropout"),
        Number("batch_size", 256, (64, 1024), COUNT, BATCH_NAMES),
    ),
    words=(
        "ft-transformer",
        "fttransformer",
        "tabnet",
        "saint",
        "tabular network",
        "tabular deep learning",
        "tabular transformer",
    ),
    parent=TRAINING,
    odds=-1.5,
)

MLP = Family(
    "scikit-learn MLP",
    f"{SKLEARN}; {BENGIO}",
    (
        Number("learning_rate_init", 1e-3, (2e-4, 1e-2), LOG, "learning_rate lr init_lr"),
        Choice("learning_rate", {"constant": 2, "adaptive": 2, "invscaling": 0.5}, "lr_schedule"),
        Number("alpha", 1e-4, (1e-6, 0.1), LOG, "l2 l2_reg weight_decay"),
        Number("batch_size", 64, (16, 256), COUNT, BATCH_NAMES, {"auto": 1}),
        Number("n_units", 100, (32, 400), COUNT, f"n_units {WIDTH_NAMES}"),
        Number("n_layers", 2, (1, 4), COUNT, DEPTH_NAMES),
        Number("max_iter", 300, (100, 1000), COUNT, f"epochs {EPOCHS_NAMES}"),
        Number("momentum", 0.9, (0.7, 0.98), COMPLEMENT),
        Number("n_iter_no_change", 15, (5, 50), COUNT),
        Number("validation_fraction", 0.1, (0.05, 0.2), FRACTION),
        Number("tol", 1e-4, (1e-5, 1e-3), LOG, "tolerance"),
        Choice("activation", {"relu": 5, "tanh": 2, "logistic": 0.5, "identity": 0.1}),
        Choice("solver", {"adam": 6, "lbfgs": 1.5, "sgd": 1.5}, "optimizer"),
        boolean("early_stopping", 0.5),
        boolean("nesterovs_momentum", 0.8),
    ),
    words=(
        "mlp",
        "mlpclassifier",
        "mlpregressor",
        "multilayer perceptron",
        "multi-layer perceptron",
    ),
    parent=TRAINING,
)

CELL = Family(
    "cell-based architecture",
    f"Zoph et al. 2018; {RESNET}",
    (
        Choice(
            "op",
            {
                "norconv3x3": 4,
                "conv3x3": 4,
                "sepconv3x3": 3,
                "norconv1x1": 2,
                "conv1x1": 2,
                "sepconv5x5": 2,
                "dilconv3x3": 1.5,
                "dilconv5x5": 1,
                "skipconnect": 2,
                "identity": 2,
                "maxpool3x3": 0.8,
                "avgpool3x3": 0.5,
                "none": 0.2,
                "zero": 0.2,
                "zeroize": 0.2,
            },
            "operation edge op_type",
        ),
    ),
    words=("nas", "architecture search", "cell search"),
)

FAMILIES = (MLP, SGD, TABULAR, CELL)
