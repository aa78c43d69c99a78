"""Trees, forests and gradient boosting."""

from __future__ import annotations

from optuna_llm.prior.knowledge.classical import SKLEARN
from optuna_llm.prior.knowledge.classical import TUNABILITY
from optuna_llm.prior.table import COUNT
from optuna_llm.prior.table import FRACTION
from optuna_llm.prior.table import LINEAR
from optuna_llm.prior.table import LOG
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import boolean


ESL = "Hastie, Tibshirani & Friedman 2009, ch. 10"
FOREST_TUNING = "Probst, Wright & Boulesteix 2019"
XGBOOST_DOCS = "XGBoost documentation"
LIGHTGBM_DOCS = "LightGBM documentation"
CATBOOST_DOCS = "CatBoost documentation"

_ROUNDS = (
    "num_boost_round num_rounds nrounds n_rounds n_trees num_trees ntree ntrees iterations n_iter "
    "num_iterations num_iter max_iter rounds boosting_rounds"
)
_RATE = "eta shrinkage shrinkage_rate lr step_size"
_DEPTH = "depth tree_depth maxdepth interaction_depth"
_ROW_SHARE = "bagging_fraction row_subsample sample_rate sub_row subsample_ratio sample_fraction"
_CRITERIA = {
    "gini": 3,
    "entropy": 2.5,
    "logloss": 1,
    "squarederror": 3,
    "friedmanmse": 1,
    "absoluteerror": 0.7,
    "poisson": 0.5,
}
_NO_LIMIT = {"none": 0.5, "-1": 0.5}

BOOSTING = Family(
    "gradient boosting",
    f"{ESL}; {SKLEARN}",
    (
        Number("learning_rate", 0.1, (0.02, 0.3), LOG, _RATE),
        Number("n_estimators", 200, (50, 1000), COUNT, _ROUNDS),
        Number("max_depth", 5, (3, 8), COUNT, _DEPTH, _NO_LIMIT),
        Number("subsample", 0.8, (0.5, 1.0), FRACTION, _ROW_SHARE),
        Number("max_leaf_nodes", 31, (8, 127), COUNT, "max_leaves num_leaves", {"none": 0.3}),
        Number("l2_regularization", 0.1, (1e-4, 10), LOG, "l2_reg l2 reg_lambda"),
        Number("max_bins", 255, (63, 255), COUNT, "max_bin n_bins"),
        Number("early_stopping_rounds", 30, (5, 100), COUNT, "early_stop patience"),
    ),
    words=("gradient boosting", "gbm", "gbdt", "gbrt", "boosted trees"),
    prefixes=("gb", "boosting"),
    odds=0.0,
)

SKLEARN_BOOSTING = Family(
    "scikit-learn gradient boosting",
    f"{ESL}; {SKLEARN}",
    (
        Number(
            "max_features",
            0.6,
            (0.2, 1.0),
            FRACTION,
            special={"sqrt": 1, "none": 1, "log2": 0.4},
        ),
        Number("min_samples_leaf", 10, (1, 40), COUNT, "min_leaf n_minobsinnode"),
        Number("min_samples_split", 5, (2, 30), COUNT, "min_split"),
        Number("n_iter_no_change", 20, (5, 50), COUNT),
        Number("validation_fraction", 0.1, (0.1, 0.2), FRACTION),
        Number("min_impurity_decrease", 0.0, (0.0, 0.01), FRACTION),
        Choice("criterion", {"friedmanmse": 3, "squarederror": 2}),
        Choice("loss", {"logloss": 4, "squarederror": 4, "exponential": 1, "huber": 1}),
    ),
    words=(
        "gradient boosting classifier",
        "gradient boosting regressor",
        "hist gradient boosting",
    ),
    prefixes=("gbc", "gbr", "hgb", "histgb"),
    parent=BOOSTING,
    # A forest has the same names but for the learning rate, and is tuned more often without one.
    odds=-3.0,
)

XGBOOST = Family(
    "xgboost",
    XGBOOST_DOCS,
    (
        Number("learning_rate", 0.1, (0.02, 0.3), LOG, _RATE),
        Number("max_depth", 6, (3, 10), COUNT, _DEPTH, _NO_LIMIT),
        Number("min_child_weight", 2, (0.5, 10), LOG, source=TUNABILITY),
        Number("gamma", 0.01, (1e-4, 1), LOG, "min_split_loss"),
        Number("subsample", 0.8, (0.5, 1.0), FRACTION, _ROW_SHARE, source=TUNABILITY),
        Number("colsample_bytree", 0.8, (0.4, 1.0), FRACTION, "colsample", source=TUNABILITY),
        Number("colsample_bylevel", 0.8, (0.4, 1.0), FRACTION, source=TUNABILITY),
        Number("colsample_bynode", 0.8, (0.4, 1.0), FRACTION),
        Number("reg_lambda", 1, (0.05, 10), LOG, "lambda l2 reg_l2", source=TUNABILITY),
        Number("reg_alpha", 0.05, (1e-4, 5), LOG, "alpha l1 reg_l1"),
        Number("max_delta_step", 0, (0, 3), LINEAR),
        Number("scale_pos_weight", 1, (0.3, 10), LOG),
        Number("max_bin", 256, (64, 512), COUNT, "max_bins"),
        Number("num_parallel_tree", 1, (1, 5), COUNT),
        Number("rate_drop", 0.1, (0.0, 0.3), FRACTION, "drop_rate"),
        Number("skip_drop", 0.5, (0.2, 0.8), FRACTION),
        Choice("booster", {"gbtree": 8, "dart": 2, "gblinear": 1}, source=TUNABILITY),
        Choice("tree_method", {"hist": 5, "gpuhist": 3, "auto": 3, "approx": 1, "exact": 1}),
        Choice("grow_policy", {"depthwise": 2, "lossguide": 1}),
        Choice("sample_type", {"uniform": 2, "weighted": 1}),
        Choice("normalize_type", {"tree": 2, "forest": 1}),
    ),
    words=("xgboost", "xgb", "extreme gradient boosting"),
    prefixes=("xgbc", "xgbr"),
    parent=BOOSTING,
    odds=-0.5,
)

LIGHTGBM = Family(
    "lightgbm",
    LIGHTGBM_DOCS,
    (
        Number("learning_rate", 0.08, (0.02, 0.25), LOG, _RATE),
        Number(
            "num_leaves",
            31,
            (12, 150),
            COUNT,
            "num_leaf max_leaf max_leaves max_leaf_nodes leaves",
        ),
        Number("max_depth", 8, (4, 15), COUNT, _DEPTH, {"-1": 1, "none": 1}),
        Number(
            "min_data_in_leaf", 20, (5, 100), COUNT, "min_child_samples min_data min_samples_leaf"
        ),
        Number(
            "min_sum_hessian_in_leaf", 1e-3, (1e-4, 10), LOG, "min_child_weight min_sum_hessian"
        ),
        Number("bagging_fraction", 0.8, (0.5, 1.0), FRACTION, "subsample sub_row bagging"),
        Number("bagging_freq", 1, (1, 7), COUNT, "subsample_freq bagging_frequency"),
        Number("feature_fraction", 0.8, (0.4, 1.0), FRACTION, "colsample_bytree sub_feature"),
        Number("feature_fraction_bynode", 0.8, (0.4, 1.0), FRACTION, "colsample_bynode"),
        Number("lambda_l1", 0.01, (1e-5, 5), LOG, "reg_alpha l1 l1_regularization alpha"),
        Number("lambda_l2", 0.1, (1e-4, 10), LOG, "reg_lambda l2 l2_regularization lambda"),
        Number("min_gain_to_split", 0.01, (1e-4, 1), LOG, "min_split_gain gamma"),
        Number("max_bin", 255, (63, 511), COUNT, "max_bins"),
        Number("path_smooth", 0.1, (1e-3, 10), LOG),
        Number("top_rate", 0.2, (0.1, 0.4), FRACTION),
        Number("other_rate", 0.1, (0.05, 0.2), FRACTION),
        Number("drop_rate", 0.1, (0.0, 0.3), FRACTION, "rate_drop"),
        Number("skip_drop", 0.5, (0.2, 0.8), FRACTION),
        Number("cat_smooth", 10, (1, 100), LOG),
        Number("cat_l2", 10, (1, 100), LOG),
        Number("max_cat_threshold", 32, (8, 64), COUNT),
        Number("min_data_per_group", 100, (10, 200), COUNT),
        Number("scale_pos_weight", 1, (0.3, 10), LOG),
        Choice("boosting_type", {"gbdt": 6, "dart": 2, "goss": 1.5, "rf": 0.3}, "boosting boost"),
        Choice("data_sample_strategy", {"bagging": 3, "goss": 1}),
        boolean("extra_trees", 0.25),
        boolean("is_unbalance", 0.4, "unbalanced_sets"),
    ),
    words=("lightgbm", "lgbm", "lgb", "light gbm"),
    parent=BOOSTING,
)

CATBOOST = Family(
    "catboost",
    CATBOOST_DOCS,
    (
        Number("learning_rate", 0.06, (0.02, 0.2), LOG, _RATE),
        Number("iterations", 500, (100, 2000), COUNT, f"n_estimators {_ROUNDS}"),
        Number("depth", 6, (4, 10), COUNT, "max_depth"),
        Number("l2_leaf_reg", 3, (1, 10), LOG, "reg_lambda l2"),
        Number("random_strength", 1, (0.05, 10), LOG),
        Number("bagging_temperature", 0.7, (0.0, 1.5), LINEAR),
        Number("rsm", 0.8, (0.5, 1.0), FRACTION, "colsample_bylevel"),
        Number("border_count", 254, (32, 255), COUNT, "max_bin"),
        Number("min_data_in_leaf", 5, (1, 30), COUNT, "min_child_samples"),
        Number("leaf_estimation_iterations", 5, (1, 10), COUNT),
        Number("one_hot_max_size", 10, (2, 50), COUNT),
        Number("od_wait", 30, (10, 100), COUNT),
        Choice("grow_policy", {"symmetrictree": 5, "depthwise": 2, "lossguide": 1.5}),
        Choice("bootstrap_type", {"mvs": 3, "bayesian": 3, "bernoulli": 2, "no": 0.7}),
        Choice("boosting_type", {"plain": 3, "ordered": 1}),
        Choice("auto_class_weights", {"none": 2, "balanced": 1, "sqrtbalanced": 1}),
    ),
    words=("catboost",),
    prefixes=("cat", "cb", "ctb"),
    parent=BOOSTING,
)

ADABOOST = Family(
    "adaboost",
    SKLEARN,
    (
        Number("learning_rate", 0.5, (0.05, 1.5), LOG, "lr shrinkage"),
        Number("n_estimators", 150, (30, 500), COUNT, "n_rounds num_rounds iterations"),
        Number("max_depth", 2, (1, 5), COUNT, "depth"),
        Choice("algorithm", {"sammer": 1, "samme": 1}),
        Choice("loss", {"linear": 2, "square": 1, "exponential": 1}),
    ),
    words=("adaboost", "ada boost"),
    prefixes=("ada", "abc"),
    odds=-1.5,
)

TREE = Family(
    "decision tree",
    f"Breiman et al. 1984; {TUNABILITY}",
    (
        Number("max_depth", 10, (4, 30), COUNT, "maxdepth depth tree_depth", {"none": 0.7}),
        Number("min_samples_leaf", 5, (1, 20), COUNT, "minbucket min_bucket min_leaf"),
        Number("min_samples_split", 10, (2, 40), COUNT, "minsplit min_split"),
        Number("ccp_alpha", 1e-3, (1e-5, 1e-2), LOG, "cp complexity"),
        Number(
            "max_features", 0.9, (0.5, 1.0), FRACTION, "", {"none": 3, "sqrt": 0.5, "log2": 0.5}
        ),
        Number("max_leaf_nodes", 50, (10, 500), COUNT, "max_leaves", {"none": 1}),
        Number("min_impurity_decrease", 0.0, (0.0, 0.01), FRACTION),
        Number("min_weight_fraction_leaf", 0.0, (0.0, 0.02), FRACTION),
        Choice("criterion", _CRITERIA, "split_criterion"),
        Choice("splitter", {"best": 4, "random": 1}),
        Choice("class_weight", {"none": 1, "balanced": 1}),
    ),
    words=("decision tree", "rpart"),
    prefixes=("dt", "dtc", "dtr", "tree", "cart"),
)

FOREST = Family(
    "random forest",
    f"{FOREST_TUNING}; {SKLEARN}",
    (
        Number("n_estimators", 400, (100, 1000), COUNT, "num_trees ntree ntrees n_trees trees"),
        Number("max_depth", 20, (8, 50), COUNT, "maxdepth depth tree_depth", {"none": 2}),
        Number(
            "max_features",
            0.3,
            (0.08, 0.8),
            FRACTION,
            "mtry mtry_ratio mtry_fraction colsample feature_fraction",
            {"sqrt": 3, "auto": 1.5, "log2": 1, "none": 0.7},
        ),
        Number("min_samples_leaf", 1, (1, 10), COUNT, "min_node_size nodesize min_leaf minbucket"),
        Number("min_samples_split", 2, (2, 20), COUNT, "minsplit min_split"),
        Number(
            "max_samples",
            0.8,
            (0.4, 1.0),
            FRACTION,
            "sample_fraction subsample bootstrap_fraction sampsize",
            {"none": 1},
        ),
        Number("max_leaf_nodes", 500, (50, 5000), COUNT, "max_leaves", {"none": 3}),
        Number("min_impurity_decrease", 0.0, (0.0, 0.005), FRACTION),
        Number("ccp_alpha", 1e-5, (1e-6, 1e-3), LOG),
        Number("num_random_splits", 1, (1, 5), COUNT),
        boolean("bootstrap", 0.7),
        boolean("replace", 0.45, source=TUNABILITY),
        Choice("criterion", _CRITERIA),
        Choice("splitrule", {"gini": 3, "variance": 3, "extratrees": 2, "hellinger": 0.5}),
        Choice("class_weight", {"none": 2, "balanced": 1.5, "balancedsubsample": 1.5}),
        Choice(
            "respect_unordered_factors",
            {"ignore": 1.2, "false": 1.2, "order": 1.1, "true": 1, "partition": 0.8},
            source=TUNABILITY,
        ),
    ),
    words=("random forest", "extra trees", "ranger", "extremely randomized trees"),
    prefixes=("rf", "rfc", "rfr", "et", "etc", "xt", "forest"),
    odds=0.0,
)

FAMILIES = (BOOSTING, FOREST, XGBOOST, LIGHTGBM, CATBOOST, SKLEARN_BOOSTING, TREE, ADABOOST)
