"""Reinforcement learning: what all agents share, then on-policy and off-policy algorithms."""

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


ZOO = "RL Baselines3 Zoo (Raffin 2020)"
PPO_PAPER = "Schulman et al. 2017"
PPO_DETAILS = "Huang et al. 2022 (37 implementation details of PPO)"
DQN_PAPER = "Mnih et al. 2015"
SAC_PAPER = "Haarnoja et al. 2018"
REPLAY_PAPER = "Schaul et al. 2016"
TD3_PAPER = "Fujimoto et al. 2018"

_RATE = "lr step_size actor_lr critic_lr policy_lr init_lr"
_WIDTH = "hidden_size hidden_dim hidden_units n_units num_units width net_width units"
_BATCH = "minibatch_size mini_batch_size"
_CLIPPING = "gradient_clipping grad_clip clip_norm grad_norm_clip"
_BUFFER = "replay_buffer_size memory_size replay_size"
_VALUE = "value_coef vf_coeff value_loss_coef"
_LAMBDA = "lam lambda gae"
_LEARNING_STARTS = "learning_start start_steps warmup_steps random_steps replay_start_size"

AGENT = Family(
    "reinforcement learning",
    ZOO,
    (
        Number("learning_rate", 3e-4, (5e-5, 2e-3), LOG, _RATE),
        Number("gamma", 0.99, (0.95, 0.999), COMPLEMENT, "discount discount_factor"),
        Number("batch_size", 128, (32, 512), COUNT, _BATCH),
        Number("hidden_size", 128, (32, 400), COUNT, _WIDTH),
        Number("n_layers", 2, (1, 3), COUNT, "num_layers hidden_layers n_hidden_layers depth"),
        Number("max_grad_norm", 0.5, (0.3, 5), LOG, _CLIPPING),
        Number("n_envs", 8, (2, 32), COUNT, "num_envs n_workers num_workers"),
        Number("log_std_init", -1, (-3, 0.5), LINEAR),
        Choice("net_arch", {"medium": 3, "small": 2, "big": 1.5, "large": 1, "tiny": 0.5}),
        Choice(
            "activation",
            {"tanh": 3, "relu": 3, "elu": 1, "leakyrelu": 0.7},
            "activation_fn activation_function",
        ),
        boolean("ortho_init", 0.6),
        boolean("normalize", 0.6, "norm_obs norm_reward normalize_observations"),
    ),
    words=(
        "reinforcement learning",
        "stable-baselines3",
        "stable baselines",
        "gymnasium",
        "cartpole",
        "mujoco",
        "atari",
    ),
    prefixes=("rl", "agent"),
)

PPO = Family(
    "PPO",
    f"{PPO_PAPER}; {ZOO}",
    (
        Number(
            "n_steps", 1024, (128, 2048), COUNT, "num_steps rollout_length horizon rollout_steps"
        ),
        Number("batch_size", 64, (32, 512), COUNT, _BATCH),
        Number(
            "n_epochs", 10, (3, 20), COUNT, "ppo_epochs update_epochs num_epochs noptepochs epochs"
        ),
        Number("gae_lambda", 0.95, (0.9, 0.99), COMPLEMENT, _LAMBDA),
        Number(
            "clip_range",
            0.2,
            (0.1, 0.35),
            FRACTION,
            "clip clip_coef clip_eps clip_epsilon epsilon clip_param clip_ratio eps_clip",
        ),
        Number(
            "ent_coef",
            3e-3,
            (1e-5, 0.05),
            LOG,
            "entropy_coef entropy_coeff entropy_beta beta entropy_weight",
            source=PPO_DETAILS,
        ),
        Number("vf_coef", 0.5, (0.2, 1.0), FRACTION, _VALUE, source=PPO_DETAILS),
        Number("target_kl", 0.02, (5e-3, 0.1), LOG, "kl_target", {"none": 1}),
        Number("n_minibatches", 8, (2, 32), COUNT, "num_minibatches nminibatches"),
    ),
    words=("ppo", "proximal policy optimization", "trpo"),
    parent=AGENT,
)

A2C = Family(
    "A2C",
    f"Mnih et al. 2016; {ZOO}",
    (
        Number("learning_rate", 7e-4, (1e-4, 3e-3), LOG, _RATE),
        Number("n_steps", 8, (5, 128), COUNT, "num_steps"),
        Number("gae_lambda", 0.98, (0.9, 1 - 1e-3), COMPLEMENT, _LAMBDA),
        Number("ent_coef", 3e-3, (1e-5, 0.05), LOG, "entropy_coef entropy_coeff"),
        Number("vf_coef", 0.5, (0.2, 1.0), FRACTION, _VALUE),
    ),
    words=("a2c", "a3c", "actor-critic", "advantage actor-critic"),
    parent=AGENT,
    odds=-2.0,
)

DQN = Family(
    "DQN",
    f"{DQN_PAPER}; {ZOO}",
    (
        Number("learning_rate", 3e-4, (5e-5, 2e-3), LOG, _RATE),
        Number(
            "buffer_size",
            100_000,
            (10_000, 1_000_000),
            COUNT,
            f"{_BUFFER} replay_memory_size",
        ),
        Number("batch_size", 64, (32, 256), COUNT, "minibatch_size"),
        Number(
            "target_update_interval",
            1000,
            (50, 10_000),
            COUNT,
            "target_update_freq target_network_frequency target_update target_network_update_freq",
        ),
        Number("tau", 0.01, (1e-3, 1), LOG, "polyak_tau soft_update"),
        Number("exploration_fraction", 0.15, (0.05, 0.5), FRACTION, "explore_fraction"),
        Number(
            "exploration_final_eps",
            0.05,
            (0.01, 0.1),
            LOG,
            "final_eps eps_end epsilon_end epsilon_final eps_min epsilon_min min_epsilon",
        ),
        Number(
            "exploration_initial_eps",
            1.0,
            (0.8, 1.0),
            FRACTION,
            "initial_eps eps_start epsilon_start epsilon",
        ),
        Number("epsilon_decay", 0.995, (0.98, 0.9999), COMPLEMENT, "eps_decay"),
        Number("train_freq", 4, (1, 16), COUNT, "train_frequency update_frequency update_every"),
        Number("gradient_steps", 1, (1, 8), COUNT),
        Number("learning_starts", 2000, (500, 50_000), COUNT, _LEARNING_STARTS),
        Number("per_alpha", 0.6, (0.4, 0.8), FRACTION, "prioritized_alpha", source=REPLAY_PAPER),
        Number("per_beta", 0.4, (0.3, 0.7), FRACTION, "prioritized_beta", source=REPLAY_PAPER),
        boolean("double_dqn", 0.8, "double_q", source="van Hasselt et al. 2016"),
        boolean("dueling", 0.7, source="Wang et al. 2016"),
    ),
    words=("dqn", "q-learning", "deep q-network", "rainbow"),
    parent=AGENT,
    odds=-1.5,
)

SAC = Family(
    "SAC, TD3 and DDPG",
    f"{SAC_PAPER}; {ZOO}",
    (
        Number("learning_rate", 3e-4, (1e-4, 1e-3), LOG, _RATE),
        Number("buffer_size", 500_000, (50_000, 1_000_000), COUNT, _BUFFER),
        Number("batch_size", 256, (64, 512), COUNT, "minibatch_size"),
        Number("hidden_size", 256, (64, 400), COUNT, _WIDTH),
        Number("tau", 5e-3, (1e-3, 0.03), LOG, "soft_update_tau target_tau"),
        Number("polyak", 0.995, (0.98, 0.999), COMPLEMENT),
        Number("learning_starts", 5000, (500, 20_000), COUNT, _LEARNING_STARTS),
        Number("train_freq", 1, (1, 16), COUNT, "update_every"),
        Number("gradient_steps", 1, (1, 16), COUNT, "utd_ratio", {"-1": 1}),
        Number("ent_coef", 0.1, (5e-3, 0.5), LOG, "alpha entropy_coef temperature", {"auto": 4}),
        Number("policy_delay", 2, (1, 4), COUNT, "policy_freq", source=TD3_PAPER),
        Number(
            "noise_std",
            0.1,
            (0.02, 0.4),
            LOG,
            "action_noise exploration_noise noise_sigma",
            source=TD3_PAPER,
        ),
        Number("target_policy_noise", 0.2, (0.1, 0.4), FRACTION, "policy_noise", source=TD3_PAPER),
        Choice("noise_type", {"normal": 3, "none": 1.5, "ornsteinuhlenbeck": 1}),
        boolean("use_sde", 0.4, source=ZOO),
    ),
    words=("sac", "td3", "ddpg", "soft actor-critic", "tqc"),
    parent=AGENT,
    odds=-1.5,
)

FAMILIES = (AGENT, PPO, A2C, DQN, SAC)
