"""Usual values of one's own: stated, read from a file, or learned from earlier studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math
import os
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior.fitting import choice_number
from optuna_llm.prior.fitting import choice_text
from optuna_llm.prior.own import OwnPrior
from optuna_llm.prior.own_file import read_rows
from optuna_llm.prior.table import Axis
from optuna_llm.prior.table import Choice
from optuna_llm.prior.usual import Stated
from optuna_llm.prior.usual import Usual
from optuna_llm.sharing.checks import check_choice
from optuna_llm.transfer.learned_relations import Learned
from optuna_llm.transfer.learned_relations import learned_relations
from optuna_llm.transfer.learned_relations import logarithms
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import read_sources


if TYPE_CHECKING:
    from typing_extensions import Self


# What a study teaches is read off this share of its trials, the best, and so many at least.
_BEST_SHARE = 0.1
_LEAST_TRIALS = 3
# One more study, which knows nothing, keeps few of them from being taken for all there is: in it
# good values vary by this share of the range, and each choice is as good as any.
_SPREAD_IN_WIDTHS = 0.3


class Prior(OwnPrior):
    """Usual values of your own: they stand before those of the embedded table.

    ::

        prior = Prior({
            "lr": Usual(2e-3, range=(5e-4, 1e-2)),
            "n_layers": Usual(4, spread=1),
            "activation": {"gelu": 3, "relu": 1},
            "weight_decay": Usual(1e-2, spread=0.3, relation={"lr": -1}),
        })
        sampler = CQRSampler(prior=prior)

    A name is found like one of the table: without case, punctuation, indices and namespaces. What
    is not stated, the table knows. A usual value outside the range of the parameter is clipped;
    what does not suit the parameter at all is not used, and the log says so.

    Args:
        usual: For each parameter a :class:`~optuna_llm.Usual`, or a mapping from its choices to
            their weights. What a choice is not given it has half of the least weight.
        context: Description of the task in words, for the table.
        source: Where it comes from, as rationales and ``explain`` tell it.
        together: Whether what is not stated moves as the table says; what you state moves by its
            relations anyway.
        scale: Sizes of the problem, with which values of the table move.
        portfolios: As for :class:`~optuna_llm.prior.EmbeddedPrior`.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and how to mend it.
    """

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, context: str | None = None) -> Self:
        """Read usual values from a TOML file, which a team may share.

        ::

            source = "Vision team, 2026"

            [rows]
            lr = {usual = 0.002, range = [0.0005, 0.01], scale = "log", aliases = "learning_rate"}
            activation = {weights = {gelu = 3, relu = 1}}
            use_amp = {on = 0.9}

        Args:
            path: The file.
            context: Description of the task in words, for the table.

        Returns:
            The usual values of the file.

        Raises:
            ConfigurationError: It cannot be read; the message says where and why.
        """
        usual, source = read_rows(path)
        return cls(usual, context=context, source=source)

    @classmethod
    def from_studies(
        cls, sources: Any, *, direction: str = "minimize", context: str | None = None
    ) -> Self:
        """Learn usual values, spreads, relations and weights of choices from studies.

        Each study counts the same, by the best tenth of its trials, three at least. Spreads are
        those within and between studies, and as much wider as one more study that knows nothing
        makes them. Two numbers move together where the best quarters of the studies surely do.

        Args:
            sources: Earlier studies, in all forms that :func:`optuna_llm.warm_start` takes, but
                for ``"auto"``.
            direction: ``minimize`` or ``maximize``, for sources that do not tell: trials, tables.
            context: Description of the task in words, for the table.

        Returns:
            What they have in common.

        Raises:
            ConfigurationError: A source cannot be read, or has no trial to learn from.
        """
        check_choice("direction", direction, ("minimize", "maximize"))
        if isinstance(sources, str) and sources == "auto":
            raise ConfigurationError(
                'sources="auto": there is no study yet whose storage could be searched; give the'
                " studies themselves."
            )
        read = read_sources(sources, [StudyDirection[direction.upper()]])
        for source in read:
            if not source.trials:
                raise ConfigurationError(
                    f"sources: {source.name!r} has no complete trial with finite values; leave it"
                    " out, or run some."
                )
        if not read:
            raise ConfigurationError("sources=[] teach nothing; give at least one study.")
        names = dict.fromkeys(name for source in read for name in source.distributions)
        usual = {n: said for n in names if (said := _learned(n, read)) is not None}
        if not usual:
            raise ConfigurationError("sources: no trial has a parameter to learn from.")
        usual = _with_relations(usual, read)
        count = f"{len(read)} earlier {'study' if len(read) == 1 else 'studies'}"
        return cls(
            usual, context=context, source=f"{count}: " + ", ".join(source.name for source in read)
        )


def _learned(name: str, sources: Sequence[Source]) -> Stated | None:
    """Return what the best trials of the sources have in common in one parameter."""
    known = [
        (source.distributions[name], values)
        for source in sources
        if name in source.distributions and (values := _best_values(source, name))
    ]
    if not known:
        return None
    spans = [_span(distribution) for distribution, _ in known]
    named = [pair for pair, span in zip(known, spans, strict=True) if span is None]
    if named:
        return _learned_weights(name, named)
    return _learned_number(known, [span for span in spans if span is not None])


def _best_values(source: Source, name: str) -> list[Any]:
    return [t.params[name] for t in source.trials[: _n_best(source)] if name in t.params]


def _n_best(source: Source) -> int:
    return max(math.ceil(_BEST_SHARE * len(source.trials)), _LEAST_TRIALS)


def _span(distribution: BaseDistribution) -> tuple[float, float, bool] | None:
    """Return the ends of a parameter and whether it is logarithmic; None if it is no number."""
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return float(distribution.low), float(distribution.high), distribution.log
    assert isinstance(distribution, CategoricalDistribution)
    choices = [choice_number(choice) for choice in distribution.choices]
    numbers = [number for number in choices if number is not None]
    if len(numbers) < len(choices):
        return None
    return min(numbers), max(numbers), min(numbers) > 0


def _with_relations(usual: dict[str, Stated], sources: Sequence[Source]) -> dict[str, Stated]:
    """Add the relations that the sources teach; what a parent explains is no spread."""
    numbers = {
        name: said
        for name, said in usual.items()
        if isinstance(said, Usual) and said.scale == Axis.LOG.value
    }
    found = learned_relations(list(numbers), sources)
    for child, learned in found.items():
        said, parent = numbers[child], numbers[learned.parent]
        beside = [
            _beside(source, child, learned, parent.value)
            for source in sources
            if {child, learned.parent} <= source.distributions.keys()
        ]
        known = [pair for pair in beside if pair[1]]
        spans = [span for distribution, _ in known if (span := _span(distribution)) is not None]
        if known and len(spans) == len(known):
            said = _learned_number(known, spans)
        usual[child] = replace(said, relation={learned.parent: learned.power})
    return usual


def _beside(
    source: Source, child: str, learned: Learned, usual: float
) -> tuple[BaseDistribution, list[float]]:
    """Return a child's best values as they would be beside the usual value of its parent."""
    points = logarithms(source.trials[: _n_best(source)], (learned.parent, child))
    points = points[~np.isnan(points).any(axis=1)]
    moved = points[:, 1] - learned.power * (points[:, 0] - math.log10(usual))
    return source.distributions[child], (10**moved).tolist()


def _learned_number(
    known: Sequence[tuple[BaseDistribution, Sequence[Any]]],
    spans: Sequence[tuple[float, float, bool]],
) -> Usual:
    lowest = min(low for low, _, _ in spans)
    is_log = lowest > 0 and any(log for _, _, log in spans)
    scale = Axis.LOG if is_log else Axis.LINEAR
    scaled = [
        np.array([scale.forward(n) for v in values if (n := choice_number(v)) is not None])
        for _, values in known
    ]
    centres = np.array([values.mean() for values in scaled])
    varied = float(np.mean([values.var() for values in scaled]) + centres.var())
    widths = [scale.forward(high) - scale.forward(low) for low, high, _ in spans]
    unknown = (_SPREAD_IN_WIDTHS * float(np.mean(widths))) ** 2
    spread = math.sqrt((len(known) * varied + unknown) / (len(known) + 1))
    # All the same and nothing else to choose: any spread says it.
    return Usual(scale.inverse(float(np.median(centres))), spread=spread or 0.1, scale=scale.value)


def _learned_weights(name: str, known: Sequence[tuple[BaseDistribution, Sequence[Any]]]) -> Choice:
    texts = dict.fromkeys(
        choice_text(choice)
        for distribution, _ in known
        if isinstance(distribution, CategoricalDistribution)
        for choice in distribution.choices
    )
    weights = {text: 1 / len(texts) for text in texts}
    for _, values in known:
        for value in values:
            weights[choice_text(value)] += 1 / len(values)
    return Choice(name, weights)
