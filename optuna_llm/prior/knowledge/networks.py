"""Training of neural networks in general, with an optimizer of the Adam kind."""

from __future__ import annotations

from optuna_llm.prior.table import COMPLEMENT
from optuna_llm.prior.table import COUNT
from optuna_llm.prior.table import FRACTION
from optuna_llm.prior.table import LINEAR
from optuna_llm.prior.table import LOG
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import boolean


PLAYBOOK = "Deep Learning Tuning Playbook (Godbole et al. 2023)"
BENGIO = "Bengio 2012"
ADAM = "Kingma & Ba 2015"
ADAMW = "Loshchilov & Hutter 2019"
GOYAL = "Goyal et al. 2017"
DROPOUT = "Srivastava et al. 2014"
REVISITING = "Gorishniy et al. 2021"
REGULARISED = "Kadra et al. 2021"
DEIT = "Touvron et al. 2021"
IMAGENET = "Krizhevsky, Sutskever & Hinton 2012"
RESNET = "He et al. 2016"
BATCH_NORM = "Ioffe & Szegedy 2015"
LAYER_NORM = "Ba, Kiros & Hinton 2016"
RANDAUGMENT = "Cubuk et al. 2020"
SGDR = "Loshchilov & Hutter 2017"
TRANSFORMER = "Vaswani et al. 2017"

RATE_NAMES = (
    "lr init_lr initial_lr base_lr max_lr peak_lr lr0 initial_learning_rate base_learning_rate "
    "peak_learning_rate max_learning_rate learning_rate_init"
)
DECAY_NAMES = "wd l2 l2_reg l2_regularization l2_penalty weight_decay_rate adam_weight_decay"
BETA1_NAMES = "beta_1 adam_beta1 b1"
BETA2_NAMES = "beta_2 adam_beta2 b2"
EPOCHS_NAMES = "n_epochs num_epochs max_epochs nb_epochs training_epochs epoch"
BATCH_NAMES = "batchsize bs minibatch_size train_batch_size"
OPTIMIZER_NAMES = "optim opt optimizer_name optimiser optimizer_type optimizer_class"
SCHEDULE_NAMES = (
    "lr_schedule lr_scheduler schedule lr_scheduler_type scheduler_type sched lr_policy "
    "learning_rate_schedule learning_rate_scheduler lr_decay_schedule"
)
WIDTH_NAMES = (
    "width hidden_size hidden_dim units n_hidden num_units hidden_units hidden layer_size mlp_dim "
    "d_hidden neurons n_neurons num_neurons hidden_channels hidden_features fc_dim fc_units "
    "max_units layer_width hidden_layer_sizes hidden_sizes hidden_dims dim d_main net_width "
    "hidden_layer_size dense_units n_nodes"
)
DEPTH_NAMES = (
    "num_layers depth n_hidden_layers hidden_layers num_hidden_layers layers n_blocks num_blocks "
    "n_layer network_depth"
)
DROPOUT_NAMES = (
    "dropout_rate dropout_prob p_drop dropout_p max_dropout drop hidden_dropout dropout_ratio "
    "drop_prob hidden_dropout_prob resid_dropout fc_dropout"
)

TRAINING = Family(
    "network training",
    f"{PLAYBOOK}; {BENGIO}",
    (
        # Optimisation
        Number("learning_rate", 1e-3, (1e-4, 1e-2), LOG, RATE_NAMES, source=ADAM),
        Number(
            "weight_decay", 1e-3, (1e-5, 0.1), LOG, DECAY_NAMES, source=f"{ADAMW}; {REVISITING}"
        ),
        Number("batch_size", 64, (16, 512), COUNT, BATCH_NAMES),
        Number("epochs", 50, (10, 200), COUNT, EPOCHS_NAMES),
        Number("beta1", 0.9, (0.8, 0.95), COMPLEMENT, BETA1_NAMES, source=ADAM),
        Number("beta2", 0.999, (0.95, 0.9999), COMPLEMENT, BETA2_NAMES, source=ADAM),
        Number("epsilon", 1e-8, (1e-10, 1e-5), LOG, "eps adam_epsilon adam_eps", source=ADAM),
        Number(
            "gradient_clipping",
            1,
            (0.25, 5),
            LOG,
            "max_grad_norm clip_grad grad_clip gradient_clip gradient_clip_val clip_norm clipnorm "
            "grad_clip_norm grad_norm clip_value",
            {"none": 0.5},
        ),
        Number(
            "gradient_accumulation_steps",
            1,
            (1, 8),
            COUNT,
            "grad_accum accumulate_grad_batches accumulation_steps grad_accum_steps",
        ),
        Number(
            "ema_decay",
            0.999,
            (0.99, 0.9999),
            COMPLEMENT,
            "ema model_ema_decay",
            source="Tarvainen & Valpola 2017",
        ),
        Choice(
            "optimizer",
            {
                "adamw": 5,
                "adam": 4,
                "sgd": 2,
                "nadam": 1.5,
                "radam": 1,
                "rmsprop": 1,
                "lion": 0.7,
                "adagrad": 0.4,
                "adamax": 0.5,
                "adadelta": 0.2,
                "lbfgs": 0.2,
            },
            OPTIMIZER_NAMES,
        ),
        boolean("amsgrad", 0.25),
        # Schedule
        Choice(
            "scheduler",
            {
                "cosine": 5,
                "onecycle": 3,
                "linear": 2,
                "warmupcosine": 4,
                "reducelronplateau": 1.5,
                "plateau": 1.5,
                "polynomial": 1,
                "step": 1,
                "multistep": 1,
                "exponential": 1,
                "none": 1,
                "constant": 0.7,
                "const": 0.7,
                "fix": 0.7,
            },
            SCHEDULE_NAMES,
            source=f"{SGDR}; {PLAYBOOK}",
        ),
        Number(
            "warmup_ratio", 0.05, (0.0, 0.15), FRACTION, "warmup_fraction warmup_proportion warmup"
        ),
        Number(
            "warmup_steps", 500, (50, 4000), COUNT, "num_warmup_steps warmup_iters n_warmup_steps"
        ),
        Number("warmup_epochs", 5, (1, 10), COUNT, "n_warmup_epochs", source=GOYAL),
        Number("pct_start", 0.3, (0.1, 0.4), FRACTION, source="Smith & Topin 2018"),
        Number(
            "lr_decay_factor",
            0.3,
            (0.1, 0.9),
            FRACTION,
            "gamma lr_gamma lr_factor lr_decay factor",
        ),
        Number("lr_step_size", 30, (5, 60), COUNT, "step_size decay_steps"),
        Number("patience", 10, (3, 25), COUNT, "early_stopping_patience lr_patience"),
        Number("final_lr", 1e-5, (1e-7, 1e-3), LOG, "min_lr eta_min lr_min end_lr lr_end"),
        Number(
            "final_lr_ratio",
            0.05,
            (0.0, 0.1),
            FRACTION,
            "final_lr_frac min_lr_ratio lr_min_ratio min_lr_frac lr_end_ratio final_lr_fraction",
        ),
        # Regularisation
        Number(
            "dropout", 0.2, (0.0, 0.5), FRACTION, DROPOUT_NAMES, source=f"{DROPOUT}; {REVISITING}"
        ),
        Number("input_dropout", 0.1, (0.0, 0.3), FRACTION, "dropout_input", source=DROPOUT),
        Number("embedding_dropout", 0.1, (0.0, 0.3), FRACTION, "emb_dropout embed_dropout"),
        Number(
            "attention_dropout",
            0.1,
            (0.0, 0.3),
            FRACTION,
            "attn_dropout attention_probs_dropout_prob attn_drop",
            source=TRANSFORMER,
        ),
        Number(
            "label_smoothing",
            0.1,
            (0.0, 0.2),
            FRACTION,
            "smoothing label_smooth ls",
            source="Szegedy et al. 2016",
        ),
        Number(
            "drop_path",
            0.1,
            (0.0, 0.3),
            FRACTION,
            "drop_path_rate stochastic_depth stochastic_depth_rate survival_drop",
            source="Huang et al. 2016",
        ),
        Number("l1", 1e-5, (1e-7, 1e-2), LOG, "l1_reg l1_penalty"),
        # Augmentation
        Number("mixup_alpha", 0.2, (0.05, 0.8), LOG, "mixup", source="Zhang et al. 2018 (mixup)"),
        Number("cutmix_alpha", 1, (0.3, 1.5), LOG, "cutmix", source="Yun et al. 2019"),
        Number(
            "random_erasing",
            0.25,
            (0.0, 0.5),
            FRACTION,
            "reprob erasing erasing_prob",
            source=DEIT,
        ),
        Number("color_jitter", 0.3, (0.0, 0.5), FRACTION, "jitter", source=DEIT),
        Number(
            "flip_probability",
            0.5,
            (0.3, 0.6),
            FRACTION,
            "hflip flip_prob p_flip hflip_prob",
            source=IMAGENET,
        ),
        Number(
            "randaugment_magnitude",
            9,
            (4, 15),
            LINEAR,
            "ra_magnitude randaug_magnitude rand_m",
            source=RANDAUGMENT,
        ),
        Number("randaugment_ops", 2, (1, 4), COUNT, "num_ops ra_n", source=RANDAUGMENT),
        Choice(
            "augmentation",
            {
                "true": 3,
                "trivialaugment": 3,
                "randaugment": 3,
                "autoaugment": 2,
                "standard": 1.5,
                "basic": 1,
                "light": 1,
                "false": 1,
                "none": 0.7,
            },
            "augment use_augmentation data_augmentation aug data_aug trivialaugment "
            "trivial_augment randaugment use_trivialaugment",
            source="Müller & Hutter 2021",
        ),
        Number(
            "image_size",
            224,
            (96, 384),
            COUNT,
            "img_size input_size crop_size image_resolution",
            source=IMAGENET,
        ),
        # Architecture
        Number("n_layers", 3, (2, 6), COUNT, DEPTH_NAMES),
        Number("n_units", 256, (64, 768), COUNT, f"n_units {WIDTH_NAMES}"),
        Number(
            "n_filters",
            64,
            (16, 256),
            COUNT,
            "filters num_filters channels out_channels conv_channels",
            source=RESNET,
        ),
        Number("kernel_size", 3, (3, 7), COUNT, "filter_size ksize", source=RESNET),
        Number(
            "n_heads",
            8,
            (2, 16),
            COUNT,
            "num_heads nhead heads n_head num_attention_heads",
            source=TRANSFORMER,
        ),
        Number(
            "d_model", 256, (64, 768), COUNT, "model_dim n_embd model_size", source=TRANSFORMER
        ),
        Number(
            "embedding_dim", 64, (16, 512), COUNT, "embed_dim emb_dim embedding_size d_embedding"
        ),
        Number(
            "ffn_factor",
            4,
            (1.3, 4),
            LOG,
            "mlp_ratio ffn_multiplier ffn_ratio ffn_mult mlp_mult",
            source=TRANSFORMER,
        ),
        Number(
            "sequence_length", 256, (64, 1024), COUNT, "seq_len max_len max_length max_seq_length"
        ),
        Choice(
            "activation",
            {
                "relu": 5,
                "gelu": 3,
                "silu": 2.5,
                "swish": 2.5,
                "leakyrelu": 1.5,
                "elu": 1,
                "mish": 1,
                "hardswish": 0.8,
                "prelu": 0.8,
                "selu": 0.6,
                "tanh": 0.8,
                "softplus": 0.3,
                "sigmoid": 0.2,
                "logistic": 0.2,
                "linear": 0.1,
                "identity": 0.1,
            },
            "activation_fn activation_function act act_fn nonlinearity activation_type "
            "hidden_activation non_linearity",
            source="Glorot, Bordes & Bengio 2011; Ramachandran et al. 2017",
        ),
        Choice(
            "normalization",
            {
                "batch": 3,
                "bn": 3,
                "layer": 2.5,
                "ln": 2.5,
                "rms": 2,
                "group": 1,
                "instance": 0.5,
                "none": 0.7,
            },
            "norm norm_type normalization_type normalisation norm_layer",
            source=f"{BATCH_NORM}; {LAYER_NORM}",
        ),
        Choice(
            "initialization",
            {
                "kaiming": 3,
                "he": 3,
                "xavier": 2.5,
                "glorot": 2.5,
                "orthogonal": 1.5,
                "normal": 0.7,
                "uniform": 0.7,
            },
            "init weight_init initializer kernel_initializer init_method",
            source="He et al. 2015; Glorot & Bengio 2010",
        ),
        boolean(
            "batch_norm",
            0.75,
            "batchnorm use_batch_norm use_batchnorm use_bn bn",
            source=BATCH_NORM,
        ),
        boolean(
            "layer_norm",
            0.6,
            "layernorm use_layer_norm use_layernorm",
            source=LAYER_NORM,
        ),
        boolean(
            "residual",
            0.75,
            "use_residual skip_connections use_skip use_skip_connection residuals",
            source=f"{RESNET}; {REGULARISED}",
        ),
        boolean("pretrained", 0.85, "use_pretrained"),
        boolean("bidirectional", 0.7),
        boolean("bias", 0.7, "use_bias"),
        boolean("shuffle", 0.95),
        boolean("stochastic_weight_averaging", 0.6, "use_swa swa", source=REGULARISED),
        boolean("lookahead", 0.5, "use_lookahead", source=REGULARISED),
    ),
    words=(
        "neural network",
        "deep learning",
        "pytorch",
        "keras",
        "tensorflow",
        "cnn",
        "lstm",
        "gru",
        "rnn",
        "vit",
        "vision transformer",
        "autoencoder",
        "vae",
        "transformer",
    ),
    prefixes=("nn", "dnn", "adam", "adamw", "ffn", "neural"),
    odds=0.0,
)
