"""Support vector machines, neighbours, linear models and other classical learners."""

from __future__ import annotations

from optuna_llm.prior.table import COUNT
from optuna_llm.prior.table import FRACTION
from optuna_llm.prior.table import LINEAR
from optuna_llm.prior.table import LOG
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Family
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import boolean


SKLEARN = "scikit-learn user guide"
HNSW = "Malkov & Yashunin 2018"
SVM_GUIDE = "Hsu, Chang & Lin 2016"
TUNABILITY = "Probst, Boulesteix & Bischl 2019"

SVM = Family(
    "support vector machine",
    f"{SVM_GUIDE}; {SKLEARN}",
    (
        Number("C", 10, (0.3, 1000), LOG, "cost reg_param regularization svm_c"),
        Number("gamma", 0.02, (5e-4, 0.5), LOG, "sigma", {"scale": 3, "auto": 1}),
        Number("degree", 3, (2, 4), COUNT, "poly_degree"),
        Number("coef0", 0.5, (0.0, 1.0), LINEAR),
        Number("epsilon", 0.1, (0.01, 0.5), LOG),
        Number("tol", 1e-3, (1e-4, 1e-2), LOG, "tolerance", source=SKLEARN),
        Number("nu", 0.3, (0.05, 0.7), FRACTION, source=SKLEARN),
        Choice(
            "kernel",
            {"rbf": 8, "radial": 8, "gaussian": 8, "linear": 2, "poly": 1.5, "sigmoid": 0.5},
            "kernel_type",
        ),
        Choice("class_weight", {"none": 1, "balanced": 1}),
        Choice("decision_function_shape", {"ovr": 1.5, "ovo": 1}),
        boolean("shrinking", 0.7),
    ),
    words=("svm", "svc", "svr", "support vector machine", "support vector", "libsvm"),
)

NEIGHBOURS = Family(
    "nearest neighbours",
    f"{SKLEARN}; {TUNABILITY}",
    (
        Number("n_neighbors", 10, (3, 35), COUNT, "k num_neighbors neighbors n_neighbours"),
        Number("p", 2, (1, 3), LINEAR),
        Number("leaf_size", 30, (10, 60), COUNT),
        Choice("weights", {"distance": 3, "uniform": 2}, "weighting"),
        Choice(
            "metric",
            {
                "euclidean": 3,
                "l2": 3,
                "minkowski": 3,
                "manhattan": 2.5,
                "l1": 2.5,
                "cosine": 1.5,
                "ip": 0.5,
                "chebyshev": 0.5,
                "hamming": 0.3,
            },
            "distance distance_metric",
        ),
        Choice("algorithm", {"auto": 3, "kdtree": 1, "balltree": 1, "brute": 1}),
        Number("M", 16, (8, 48), COUNT, "max_connections", source=HNSW),
        Number("ef", 64, (16, 300), COUNT, "ef_search", source=HNSW),
        Number("ef_construction", 200, (50, 500), COUNT, "efc", source=HNSW),
    ),
    words=("knn", "k-nn", "nearest neighbors", "nearest neighbours", "kneighbors", "hnsw"),
    prefixes=("kneighbors", "neighbors"),
)

LINEAR_MODEL = Family(
    "linear model",
    SKLEARN,
    (
        Number("C", 1, (0.01, 100), LOG, "inverse_regularization"),
        Number("alpha", 0.1, (1e-4, 10), LOG, "lambda reg_lambda regularization reg_strength"),
        Number("l1_ratio", 0.5, (0.05, 0.95), FRACTION, "mixture"),
        Number("max_iter", 1000, (100, 5000), COUNT, "n_iter iterations"),
        Number("tol", 1e-4, (1e-5, 1e-2), LOG, "tolerance"),
        Choice(
            "penalty", {"l2": 5, "l1": 2, "elasticnet": 1.5, "none": 0.5}, "regularization_type"
        ),
        Choice(
            "solver",
            {
                "lbfgs": 4,
                "auto": 3,
                "liblinear": 2,
                "saga": 2,
                "newtoncholesky": 1,
                "newtoncg": 1,
                "cholesky": 1,
                "svd": 1,
                "sag": 1,
                "lsqr": 1,
                "sparsecg": 0.5,
            },
        ),
        Choice("class_weight", {"none": 1, "balanced": 1}),
        Choice("selection", {"cyclic": 2, "random": 1}),
        boolean("fit_intercept", 0.9, "intercept"),
        boolean("dual", 0.2),
    ),
    words=(
        "logistic regression",
        "linear regression",
        "ridge",
        "lasso",
        "elastic net",
        "elasticnet",
        "linear model",
        "logreg",
    ),
    prefixes=("logit", "logistic", "linear"),
)

GLMNET = Family(
    "glmnet",
    TUNABILITY,
    (
        Number("alpha", 0.4, (0.0, 1.0), FRACTION, "mixing"),
        Number("lambda", 4e-3, (1e-4, 1), LOG, "s"),
    ),
    words=("glmnet",),
    parent=LINEAR_MODEL,
    odds=-1.5,
)

SGD_LINEAR = Family(
    "linear model by stochastic gradient descent",
    f"{SKLEARN}; Bottou 2012",
    (
        Number("alpha", 1e-4, (1e-6, 1e-2), LOG, "reg_lambda weight_decay regularization"),
        Number("eta0", 0.01, (1e-3, 0.3), LOG, "initial_learning_rate"),
        Number("l1_ratio", 0.15, (0.0, 0.6), FRACTION),
        Number("power_t", 0.25, (0.1, 0.5), FRACTION),
        Choice(
            "loss",
            {
                "hinge": 3,
                "logloss": 2.5,
                "log": 2.5,
                "modifiedhuber": 2,
                "squaredhinge": 1,
                "perceptron": 0.5,
                "squarederror": 3,
                "huber": 1,
                "epsiloninsensitive": 0.7,
            },
        ),
        Choice("learning_rate", {"optimal": 3, "adaptive": 2, "invscaling": 1.5, "constant": 1}),
        boolean("average", 0.5),
    ),
    words=("sgdclassifier", "sgdregressor", "sgd classifier", "linear sgd"),
    prefixes=("sgd", "sgdc"),
    parent=LINEAR_MODEL,
)

GAUSSIAN_PROCESS = Family(
    "gaussian process",
    "Rasmussen & Williams 2006",
    (
        Number("length_scale", 1, (0.1, 10), LOG, "lengthscale"),
        Number("alpha", 1e-6, (1e-10, 1e-2), LOG, "jitter"),
        Number("noise_level", 1e-3, (1e-6, 0.1), LOG, "noise noise_variance"),
        Number("constant_value", 1, (0.1, 10), LOG, "outputscale signal_variance"),
        Number("nu", 2.5, (0.5, 2.5), LINEAR),
        Number("n_restarts_optimizer", 5, (1, 20), COUNT, "n_restarts"),
        Choice(
            "kernel",
            {"matern": 4, "rbf": 3, "rationalquadratic": 1.5, "dotproduct": 0.5, "white": 0.3},
        ),
        boolean("normalize_y", 0.8),
    ),
    words=("gaussian process", "gaussianprocess", "kriging"),
    prefixes=("gp", "gpr", "gpc"),
    odds=-1.5,
)

NAIVE_BAYES = Family(
    "naive bayes",
    SKLEARN,
    (
        Number("alpha", 0.5, (0.01, 1.5), LOG, "laplace smoothing"),
        Number("var_smoothing", 1e-8, (1e-10, 1e-3), LOG),
        boolean("fit_prior", 0.7),
    ),
    words=("naive bayes", "multinomialnb", "gaussiannb", "bernoullinb", "complementnb"),
    prefixes=("nb", "mnb", "gnb"),
    odds=-1.5,
)

PREPROCESSING = Family(
    "preprocessing",
    SKLEARN,
    (
        Number("n_components", 20, (4, 100), COUNT, "pca_components num_components"),
        Number("explained_variance", 0.95, (0.8, 0.99), FRACTION, "n_components"),
        Number("max_features", 20000, (2000, 100000), COUNT, "vocabulary_size"),
        Number("min_df", 2, (1, 10), COUNT),
        Number("max_df", 0.9, (0.5, 1.0), FRACTION),
        Number("ngram_max", 2, (1, 3), COUNT, "max_ngram ngrams"),
        Choice("ngram_range", {"12": 3, "11": 2, "13": 1}),
        Choice(
            "scaler",
            {
                "standard": 5,
                "robust": 2,
                "minmax": 2,
                "quantile": 1,
                "power": 1,
                "none": 1,
                "passthrough": 1,
            },
            "scaling normalizer preprocessor feature_scaling",
        ),
        Choice(
            "imputation",
            {"median": 3, "mean": 2, "mostfrequent": 2, "knn": 1, "constant": 1},
            "imputer imputer_strategy strategy num_impute",
        ),
        boolean("sublinear_tf", 0.7),
        boolean("use_idf", 0.9),
        boolean("whiten", 0.3),
    ),
    words=("pca", "tf-idf", "tfidf", "preprocessing", "vectorizer"),
    prefixes=("svd", "scaler", "imputer", "vect"),
)

FAMILIES = (
    SVM,
    NEIGHBOURS,
    LINEAR_MODEL,
    GLMNET,
    SGD_LINEAR,
    GAUSSIAN_PROCESS,
    NAIVE_BAYES,
    PREPROCESSING,
)
