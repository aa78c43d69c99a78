"""Where the best learning rate of a network lies, and where the rules of sizes say it does.

    OMP_NUM_THREADS=1 python -m benchmarks.dev.network measure
    python -m benchmarks.dev.network compare

``measure`` trains networks with three hidden layers on scikit-learn's digits: four widths, three
batch sizes, a grid of learning rates, two seeds each, ten epochs of Adam whose rate falls to zero,
initialised as PyTorch does; some ten minutes on one core. It writes every training loss to
``benchmarks/results/network-losses.csv``. ``compare`` writes ``network.csv`` beside it, and draws
it (Matplotlib): for each width and batch size the rate whose loss is lowest, beside what the
embedded prior says without and with these sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import csv
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from optuna.distributions import FloatDistribution

from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior import Scale


if TYPE_CHECKING:
    import torch


WIDTHS = (16, 48, 144, 432)
BATCHES = (16, 64, 256)
RATES = np.logspace(-4, 0, 13)
SEEDS = (0, 1)
N_EPOCHS = 10
LOSSES = Path(__file__).parents[1] / "results" / "network-losses.csv"
TABLE = LOSSES.with_name("network.csv")
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "network.png"


def losses(width: int, batch: int) -> np.ndarray:
    """Return the cross-entropy of all training data after training, shape (seeds, rates).

    The networks are trained side by side, each with its own learning rate.
    """
    from sklearn.datasets import load_digits
    import torch

    features, target = load_digits(return_X_y=True)
    X = torch.tensor((features - features.mean()) / features.std(), dtype=torch.float32)
    y = torch.tensor(target)
    rates = torch.tensor(np.tile(RATES, len(SEEDS)), dtype=torch.float32)[:, None, None]
    n_steps = N_EPOCHS * (len(X) // batch)
    layers = list(_initial(width))
    states = [(torch.zeros_like(p), torch.zeros_like(p)) for p in layers]
    orders = torch.Generator().manual_seed(0)
    step = 0
    for _ in range(N_EPOCHS):
        order = torch.randperm(len(X), generator=orders)
        for chosen in order[: len(X) // batch * batch].view(-1, batch):
            total = _cross_entropy(layers, X[chosen], y[chosen]).sum()
            gradients = torch.autograd.grad(total, layers)
            rate, step = rates * (1 - step / n_steps), step + 1
            with torch.no_grad():
                for p, g, (m, v) in zip(layers, gradients, states, strict=True):
                    m.lerp_(g, 0.1)
                    v.lerp_(g * g, 0.001)
                    deviation = (v / (1 - 0.999**step)).sqrt_().add_(1e-8)
                    p -= rate * (m / (1 - 0.9**step)) / deviation
    with torch.no_grad():
        found = _cross_entropy(layers, X, y).nan_to_num(np.inf).numpy()
    return np.asarray(found, dtype=float).reshape(len(SEEDS), len(RATES))


def _initial(width: int) -> Iterator[torch.Tensor]:
    """Yield weights and biases of all networks, uniform within 1/sqrt(inputs) as PyTorch has them.

    Networks of one seed begin alike.
    """
    import torch

    sizes = (64, width, width, width, 10)
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        for shape in ((n_in, n_out), (1, n_out)):
            each = []
            for seed in SEEDS:
                random = torch.Generator().manual_seed(100 * seed + 10 * layer + shape[0] % 7)
                drawn = (2 * torch.rand(shape, generator=random) - 1) / n_in**0.5
                each += [drawn] * len(RATES)
            yield torch.stack(each).requires_grad_()


def _cross_entropy(layers: list[torch.Tensor], X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of each network, shape (networks,)."""
    import torch

    at = X.expand(len(layers[0]), *X.shape)
    for weights, bias in zip(layers[::2], layers[1::2], strict=True):
        if weights is not layers[0]:
            at = at.relu()
        at = torch.baddbmm(bias, at, weights)
    return -at.log_softmax(-1)[:, torch.arange(len(y)), y].mean(-1)


def best_rate(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the learning rate of the lowest loss: the vertex of a parabola near the best one.

    Args:
        rates: Learning rates, equally far apart on the logarithmic scale, shape (n,).
        losses: Training losses, shape (seeds, n).
    """
    # Losses on the way down to nothing are as good as nothing.
    mean = np.log(np.maximum(losses, 1e-8)).mean(axis=0)
    low = int(np.argmin(mean))
    if not 0 < low < len(rates) - 1:
        return float(rates[low])
    below, at, above = mean[low - 1 : low + 2]
    shift = (below - above) / (2 * (below - 2 * at + above))
    return float(rates[low] * (rates[1] / rates[0]) ** shift)


def measure() -> None:
    """Train, and write the losses."""
    import torch

    torch.set_num_threads(1)
    with LOSSES.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["width", "batch", "seed", "rate", "loss"])
        for width, batch in itertools.product(WIDTHS, BATCHES):
            for seed, row in zip(SEEDS, losses(width, batch), strict=True):
                rows = zip(RATES, row, strict=True)
                table.writerows([width, batch, seed, f"{r:.4g}", f"{v:.4g}"] for r, v in rows)
            file.flush()


def usual(scale: Scale | None = None) -> tuple[float, float]:
    """Return what the prior says of a network's learning rate: it, and its spread in decades."""
    distribution = FloatDistribution(1e-7, 10.0, log=True)
    found = EmbeddedPrior("a neural network", scale=scale).lookup("lr", distribution)
    assert found is not None
    return float(found.value), found.spread * 8


def compare() -> None:
    """Find the optima, and write and draw them beside what the prior says."""
    read = np.genfromtxt(LOSSES, delimiter=",", names=True)
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["width", "batch", "found", "usual", "by sizes", "spread", "from small"])
        rows = list[tuple[float, ...]]()
        for width, batch in itertools.product(WIDTHS, BATCHES):
            chosen = read[(read["width"] == width) & (read["batch"] == batch)]
            found = best_rate(
                np.unique(chosen["rate"]), chosen["loss"].reshape(len(SEEDS), len(RATES))
            )
            # Depth is that of the family's usual network.
            by_sizes, spread = usual(Scale(width=width, batch=batch))
            # By the rules from the smallest network and the smallest batch.
            first = rows[0] if rows else (width, batch, found, 0, by_sizes)
            from_small = first[2] * by_sizes / first[4]
            rows.append((width, batch, found, usual()[0], by_sizes, spread, from_small))
            table.writerow([width, batch, *(f"{value:.3g}" for value in rows[-1][2:])])
    draw(np.array(rows))
    print(TABLE.read_text(), end="")
    for column, name in ((3, "usual value"), (4, "by sizes"), (6, "from the smallest")):
        off = np.abs(np.log([row[2] / row[column] for row in rows]))
        print(
            f"{name}: off by a factor of {np.exp(off.mean()):.2f}, at most {np.exp(off.max()):.2f}"
        )
    logs = np.log(np.array(rows)[:, :3])
    design = np.column_stack([logs[:, :2], np.ones(len(logs))])
    width, batch, _ = np.linalg.lstsq(design, logs[:, 2], rcond=None)[0]
    print(f"found: rate ~ width^{width:.2f} batch^{batch:.2f}")


def draw(rows: np.ndarray) -> None:
    """Draw the table: an axis of widths for each batch size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, each = plt.subplots(
        1, len(BATCHES), figsize=(9, 3.4), sharey=True, layout="constrained"
    )
    for axes, batch in zip(each, BATCHES, strict=True):
        width, _, found, usual_rate, by_sizes, spread, small = rows[rows[:, 1] == batch].T
        axes.fill_between(
            width,
            by_sizes * 10**-spread,
            by_sizes * 10**spread,
            color="#7aa6d8",
            alpha=0.25,
            lw=0,
            label="one standard deviation",
        )
        axes.plot(width, usual_rate, color="#999999", ls=":", label="usual value")
        axes.plot(width, by_sizes, color="#1f5fa8", label="moved with sizes")
        axes.plot(width, small, color="#c0692b", ls="--", label="from the smallest network")
        axes.plot(width, found, "o", color="black", label="found")
        axes.set(xscale="log", yscale="log", title=f"batches of {batch}", xlabel="width")
        axes.set_xticks(WIDTHS, [str(w) for w in WIDTHS])
        axes.minorticks_off()
    each[0].set_ylabel("learning rate")
    figure.legend(
        *each[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8
    )
    figure.savefig(PICTURE, dpi=120)


COMMANDS = {"measure": measure, "compare": compare}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    COMMANDS[parser.parse_args().command]()
