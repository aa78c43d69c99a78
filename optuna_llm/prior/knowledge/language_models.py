"""Language models: pre-training, fine-tuning, low-rank adaptation, generation and retrieval."""

from __future__ import annotations

from optuna_llm.prior.knowledge.networks import BETA1_NAMES
from optuna_llm.prior.knowledge.networks import BETA2_NAMES
from optuna_llm.prior.knowledge.networks import TRAINING
from optuna_llm.prior.table import COMPLEMENT
from optuna_llm.prior.table import COUNT
from optuna_llm.prior.table import FRACTION
from optuna_llm.prior.table import LINEAR
from optuna_llm.prior.table import LOG
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import boolean


GPT3 = "Brown et al. 2020"
GPT2 = "Radford et al. 2019"
NANOCHAT = "nanochat's training script (Karpathy 2025)"
BERT = "Devlin et al. 2019"
ROBERTA = "Liu et al. 2019"
ELECTRA = "Clark et al. 2020"
LORA_PAPER = "Hu et al. 2021"
QLORA = "Dettmers et al. 2023"
AZURE_SEARCH = "Azure AI Search documentation (chunking)"

_RATE = "lr init_lr base_lr max_lr peak_lr initial_lr max_learning_rate peak_learning_rate"
_BATCH = "bs train_batch_size per_device_train_batch_size batchsize"
_EPOCHS = "n_epochs num_epochs max_epochs num_train_epochs train_epochs"
_SCHEDULE = "lr_scheduler_type lr_scheduler lr_schedule schedule scheduler_type"
_WARMUP = "warmup_fraction warmup_proportion warmup"
_LENGTH = "max_length max_seq_len seq_len max_seq_length max_len block_size context_length"

PRETRAINING = Family(
    "language-model pre-training",
    GPT3,
    (
        Number("learning_rate", 6e-4, (1.5e-4, 2.5e-3), LOG, _RATE),
        Number("weight_decay", 0.1, (0.02, 0.3), LOG, "wd"),
        Number("beta1", 0.9, (0.8, 0.95), COMPLEMENT, BETA1_NAMES),
        Number("beta2", 0.95, (0.9, 0.99), COMPLEMENT, BETA2_NAMES),
        Number("warmup_ratio", 0.01, (0.0, 0.05), FRACTION, _WARMUP),
        Number("warmup_steps", 700, (100, 3000), COUNT, "warmup_iters num_warmup_steps"),
        Number("dropout", 0.0, (0.0, 0.1), FRACTION, "resid_dropout dropout_rate"),
        Number("n_layers", 12, (6, 24), COUNT, "depth n_layer num_layers layers", source=GPT2),
        Number("n_heads", 12, (6, 16), COUNT, "n_head num_heads", source=GPT2),
        Number("d_model", 768, (384, 1536), COUNT, "n_embd model_dim hidden_size width embed_dim"),
        Number("head_dim", 128, (64, 128), COUNT, "d_head head_size", source=NANOCHAT),
        Number("aspect_ratio", 64, (40, 100), COUNT, source=f"Kaplan et al. 2020; {NANOCHAT}"),
        Number("sequence_length", 1024, (256, 2048), COUNT, _LENGTH),
        Number("device_batch_size", 32, (8, 128), COUNT, "micro_batch_size", source=NANOCHAT),
        Number(
            "total_batch_size", 2**19, (2**17, 2**20), COUNT, "global_batch_size tokens_per_batch"
        ),
        Number("matrix_lr", 0.025, (0.01, 0.06), LOG, "muon_lr", source=NANOCHAT),
        Number("embedding_lr", 0.3, (0.1, 0.9), LOG, "embed_lr emb_lr", source=NANOCHAT),
        Number(
            "unembedding_lr", 5e-3, (2e-3, 0.015), LOG, "lm_head_lr unembed_lr", source=NANOCHAT
        ),
        Number("scalar_lr", 0.5, (0.15, 1.5), LOG, "scalars_lr", source=NANOCHAT),
        Number("muon_momentum", 0.95, (0.85, 0.98), COMPLEMENT, source=NANOCHAT),
        Number(
            "warmdown_ratio",
            0.5,
            (0.2, 0.75),
            FRACTION,
            "cooldown_ratio decay_ratio cooldown_frac",
            source=f"{NANOCHAT}; Hägele et al. 2024",
        ),
        Number("rope_theta", 10000, (5000, 500000), LOG, "rope_base", source="Su et al. 2021"),
        Choice(
            "window_pattern",
            {
                "sssl": 5,
                "ssl": 3,
                "ssll": 2,
                "slsl": 2,
                "sl": 1.5,
                "l": 1,
                "llll": 1,
                "ssss": 0.5,
                "s": 0.3,
            },
            "attention_pattern",
            source=NANOCHAT,
        ),
    ),
    words=(
        "pre-training",
        "pretraining",
        "pre-train",
        "pretrain",
        "gpt",
        "gpt-2",
        "gpt2",
        "nanogpt",
        "nanochat",
        "language modeling",
        "language modelling",
    ),
    prefixes=("gpt",),
    parent=TRAINING,
)

FINETUNING = Family(
    "transformer fine-tuning",
    f"{BERT}; {ROBERTA}",
    (
        Number("learning_rate", 3e-5, (8e-6, 1e-4), LOG, _RATE),
        Number("epochs", 3, (2, 10), COUNT, _EPOCHS),
        Number("batch_size", 16, (8, 64), COUNT, _BATCH),
        Number("weight_decay", 0.01, (1e-3, 0.1), LOG, "wd"),
        Number("warmup_ratio", 0.08, (0.0, 0.15), FRACTION, _WARMUP),
        Number("warmup_steps", 200, (30, 1000), COUNT, "num_warmup_steps"),
        Number(
            "layerwise_lr_decay",
            0.9,
            (0.75, 1.0),
            FRACTION,
            "layer_decay llrd lr_decay layer_lr_decay layerwise_decay",
            source=ELECTRA,
        ),
        Number("head_lr", 3e-4, (3e-5, 2e-3), LOG, "classifier_lr lr_head", source=ELECTRA),
        Number(
            "dropout",
            0.1,
            (0.0, 0.2),
            FRACTION,
            "hidden_dropout_prob hidden_dropout classifier_dropout dropout_rate",
        ),
        Number("label_smoothing", 0.05, (0.0, 0.15), FRACTION, "label_smoothing_factor"),
        Number("sequence_length", 256, (128, 512), COUNT, _LENGTH),
        Choice(
            "scheduler",
            {
                "linear": 4,
                "cosine": 3,
                "polynomial": 1,
                "constantwithwarmup": 1.5,
                "constant": 0.5,
            },
            _SCHEDULE,
        ),
    ),
    words=(
        "fine-tuning",
        "finetuning",
        "fine-tune",
        "finetune",
        "fine-tuned",
        "bert",
        "roberta",
        "deberta",
        "distilbert",
        "electra",
        "albert",
        "t5",
    ),
    prefixes=("ft",),
    parent=TRAINING,
    odds=-0.5,
)

LORA = Family(
    "low-rank adaptation",
    f"{LORA_PAPER}; {QLORA}",
    (
        Number("lora_r", 16, (8, 64), COUNT, "r rank lora_rank lora_dim"),
        Number("lora_alpha", 32, (16, 64), COUNT, "alpha lora_scaling"),
        Number("lora_dropout", 0.05, (0.0, 0.1), FRACTION, "dropout"),
        Number("learning_rate", 2e-4, (5e-5, 6e-4), LOG, _RATE, source=QLORA),
        Number("epochs", 3, (1, 5), COUNT, _EPOCHS),
        Number("batch_size", 16, (4, 64), COUNT, _BATCH, source=QLORA),
        Number("warmup_ratio", 0.03, (0.0, 0.1), FRACTION, _WARMUP, source=QLORA),
        Number("gradient_clipping", 0.5, (0.3, 1), LOG, "max_grad_norm", source=QLORA),
        Choice(
            "target_modules",
            {
                "alllinear": 5,
                "all": 4,
                "qprojkprojvprojoproj": 2.5,
                "attention": 2,
                "qkvo": 2.5,
                "qprojvproj": 2,
                "qv": 2,
                "qkv": 2,
                "mlp": 1.5,
            },
            "lora_target_modules lora_target lora_targets",
            source=QLORA,
        ),
        Choice("lora_bias", {"none": 5, "loraonly": 1, "all": 0.5}, "bias"),
        Choice("scheduler", {"cosine": 3, "constant": 2, "linear": 3}, _SCHEDULE),
        boolean("use_rslora", 0.4, "rslora"),
        boolean("use_dora", 0.4, "dora"),
    ),
    words=("lora", "qlora", "peft", "low-rank adaptation", "dora"),
    parent=FINETUNING,
)

GENERATION = Family(
    "text generation",
    "Holtzman et al. 2020; Hugging Face generation documentation",
    (
        Number("temperature", 0.7, (0.1, 1.2), LINEAR),
        Number("top_p", 0.9, (0.7, 1.0), FRACTION, "nucleus_p"),
        Number("top_k", 40, (10, 100), COUNT),
        Number("min_p", 0.05, (0.01, 0.15), FRACTION),
        Number("repetition_penalty", 1.1, (1.0, 1.3), LINEAR),
        Number("length_penalty", 1.0, (0.6, 1.5), LINEAR),
        Number("num_beams", 4, (1, 8), COUNT, "beam_size beam_width"),
        Number("max_new_tokens", 256, (64, 1024), COUNT, "max_tokens"),
        Number("chunk_size", 512, (200, 1200), COUNT, "chunk_length", source=AZURE_SEARCH),
        Number("chunk_overlap", 64, (16, 200), COUNT, source=AZURE_SEARCH),
        Number(
            "n_retrieved",
            5,
            (3, 12),
            COUNT,
            "n_docs num_docs num_chunks n_chunks retriever_k",
            source="Lewis et al. 2020",
        ),
    ),
    words=("text generation", "decoding", "rag", "retrieval-augmented generation", "prompting"),
    prefixes=("generation", "sampling", "llm"),
)

FAMILIES = (PRETRAINING, FINETUNING, LORA, GENERATION)
