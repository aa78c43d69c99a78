"""Networks that are really trained with PyTorch, on the GPU when there is one.

A task ``torch/cnn-digits`` is a network on a set of images: a small convolutional network or
torchvision's ResNet-18; scikit-learn's digits, or CIFAR-10 when the user has it: the environment
variable ``OPTUNA_LLM_DATA`` names the folder that holds ``cifar-10-batches-py``. The loss is the
share of errors on a fifth of the images, reported after each epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
import functools
import os
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from benchmarks.task import search_reference


@dataclass(frozen=True)
class Images:
    """Images and labels on the device; a fifth is kept for validation.

    Attributes:
        train: Images of shape (n, channels, height, width), and labels of shape (n,).
        validation: The same, for validation.
    """

    train: tuple[Any, Any]
    validation: tuple[Any, Any]

    @property
    def channels(self) -> int:
        """Number of colour channels."""
        return int(self.train[0].shape[1])


@dataclass(frozen=True)
class _Network:
    space: dict[str, BaseDistribution]
    build: Callable[[Mapping[str, Any], int], Any]


def _cnn(params: Mapping[str, Any], channels: int) -> Any:
    """Return convolutions that halve the image, a hidden layer, and ten classes."""
    from torch import nn

    layers: list[nn.Module] = []
    for i in range(params["num_layers"]):
        out = params["channels"] * 2**i
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        channels = out
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(params["dropout"]),
        nn.Linear(channels, 10),
    )


def _resnet(params: Mapping[str, Any], channels: int) -> Any:
    """Return ResNet-18 for small images: no large first steps, and a share of its width."""
    from torch import nn
    from torchvision.models.resnet import BasicBlock
    from torchvision.models.resnet import ResNet

    network = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=10)
    network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Sequential(nn.Dropout(params["dropout"]), nn.Linear(512, 10))
    return network


_TRAINING: dict[str, BaseDistribution] = {
    "optimizer": CategoricalDistribution(["adamw", "sgd"]),
    "learning_rate": FloatDistribution(1e-5, 1.0, log=True),
    "weight_decay": FloatDistribution(1e-6, 0.1, log=True),
    "batch_size": IntDistribution(16, 256, log=True),
    "dropout": FloatDistribution(0.0, 0.6),
}
_NETWORKS = {
    "cnn": _Network(
        {**_TRAINING, "num_layers": IntDistribution(1, 3), "channels": IntDistribution(2, 16)},
        _cnn,
    ),
    "resnet": _Network(_TRAINING, _resnet),
}
_EPOCHS = {"digits": 9, "cifar10": 9}


class Training(Task):
    """A network on a set of images.

    Args:
        name: ``torch/network-images``.
        device: Where to train; None takes the GPU when there is one.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        network, _, images = name.partition("/")[2].partition("-")
        if network not in _NETWORKS or images not in _EPOCHS:
            raise UnknownTaskError(
                f"the form is torch/cnn-digits; networks: {', '.join(_NETWORKS)}; "
                f"images: {', '.join(_EPOCHS)}"
            )
        import torch

        self.name = name
        self._network = _NETWORKS[network]
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._images = load_images(images, self._device)
        self.space = self._network.space
        self.n_steps = _EPOCHS[images]

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Train, and return the share of errors after the last epoch."""
        import torch

        torch.manual_seed(0)
        network = self._network.build(params, self._images.channels).to(self._device)
        optimizer = make_optimizer(network, params)
        steps = range(1, self.n_steps + 1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.n_steps)
        loss = 1.0
        for step in steps:
            train_epoch(network, optimizer, self._images, params["batch_size"])
            schedule.step()
            loss = error_rate(network, self._images)
            if report is not None:
                report(step, loss)
        return loss

    def find_reference(self) -> Reference:
        """Find the best known loss by 60 random configurations and 40 local moves."""
        return search_reference(self, n_random=60, n_rounds=10, n_parents=4, n_children=1)


def load(name: str) -> Training:
    """Load one task by its name, such as ``torch/cnn-digits``."""
    return Training(name)


@functools.cache
def load_images(name: str, device: str) -> Images:
    """Load images, standardised, to a device.

    Raises:
        benchmarks.task.UnavailableError: CIFAR-10 is not where the environment says.
    """
    import torch

    pixels, labels = _digits() if name == "digits" else _cifar10()
    order = np.random.default_rng(0).permutation(len(labels))
    x = torch.tensor(pixels[order], dtype=torch.float32)
    x = ((x - x.mean()) / x.std()).to(device)
    y = torch.tensor(labels[order], dtype=torch.long).to(device)
    n = len(labels) // 5
    return Images(train=(x[n:], y[n:]), validation=(x[:n], y[:n]))


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return pixels.reshape(-1, 1, 8, 8), labels


def _cifar10() -> tuple[np.ndarray, np.ndarray]:
    from torchvision.datasets import CIFAR10

    try:
        found = CIFAR10(os.environ.get("OPTUNA_LLM_DATA", "."), train=True, download=False)
    except RuntimeError as error:
        raise UnavailableError(
            "CIFAR-10 is not there: OPTUNA_LLM_DATA names the folder of cifar-10-batches-py"
        ) from error
    return found.data.transpose(0, 3, 1, 2), np.array(found.targets)


def make_optimizer(network: Any, params: Mapping[str, Any]) -> Any:
    """Return the optimizer of a configuration."""
    import torch

    options = {"lr": params["learning_rate"], "weight_decay": params["weight_decay"]}
    if params["optimizer"] == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=0.9, **options)
    return torch.optim.AdamW(network.parameters(), **options)


def train_epoch(network: Any, optimizer: Any, images: Images, batch_size: int) -> None:
    """Go once through the training images in a random order."""
    import torch

    network.train()
    x, y = images.train
    # A last batch of one image would be too small for batch normalisation.
    for batch in torch.randperm(len(y), device=y.device).split(batch_size):
        if len(batch) > 1:
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()


def error_rate(network: Any, images: Images) -> float:
    """Return the share of wrong classes on the validation images."""
    import torch

    network.eval()
    x, y = images.validation
    with torch.no_grad():
        wrong = sum(
            int((network(a).argmax(1) != b).sum())
            for a, b in zip(x.split(1000), y.split(1000), strict=True)
        )
    return wrong / len(y)
