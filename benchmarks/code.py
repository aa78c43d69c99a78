"""What versions of a function by a model are worth: against numbers only, chance, and no feedback.

``python -m benchmarks.code`` fits a curve by a sum of terms with tuned factors. The stand-in
for a model knows a list of terms, and nothing of the curve: it takes one of the versions that it
is shown and adds, drops or exchanges one term. So only results can tell it where to go on:

- ``versions``: it goes on from the best version that it is shown.
- ``permuted results``: it goes on from any of those; what it is shown of results tells nothing.
- ``random choice``: as many versions by a random walk, each trial runs any of them.
- ``numbers only``: the user's version, whose numbers are tuned.

All have the same base sampler, and one process for each trial's version.

    python -m benchmarks.code --model NAME --base-url URL --seeds 1 --trials 24

asks a language model in the stand-in's place, for versions alone, on curves that nobody has seen:
each is drawn by its seed, and seeds that are not given by ``--first-seed`` are drawn, too. With
``permuted results`` its prompts show the results in a random order, and ``random choice`` runs
those versions that it has written for ``versions``. Studies are kept beside the results, and go on
where they were left.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import math
from pathlib import Path
import re
import secrets
from typing import TYPE_CHECKING
import zlib

import numpy as np
import optuna

from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm import code_parameter
from optuna_llm import suggest_code
from optuna_llm.chat import ChatModel
from optuna_llm.chat import Completion
from optuna_llm.chat import Message
from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.code.suggest import Version
from optuna_llm.history.births import births_of
from optuna_llm.history.versions import versions_of


if TYPE_CHECKING:
    from typing_extensions import Unpack

    from optuna_llm.chat.model import RequestOptions


RESULTS = Path(__file__).parent / "results" / "code.csv"
WITH_MODEL = RESULTS.with_name("code-model.csv")
ARMS = ("versions", "permuted results", "random choice", "numbers only")
AT = (10, 20, 30)
TERMS = ("x", "x * x", "math.sin(x)", "math.sin(3 * x)", "math.exp(-x * x)", "abs(x)")
# Those that a curve for a language model may hold.
_MORE = ("math.cos(2 * x)", "x ** 3 / 10", "math.tanh(2 * x)", "math.exp(-abs(x))", "max(x, 0)")
POOL = (*TERMS, *_MORE)
TOLD = (
    "A curve, known at 41 points from -3 to 3, is a sum of three different simple terms, each with"
    " a factor of its own. A simple term is a constant, a power of x, or a function such as exp,"
    " log, sin, cos, tanh, abs or max with 0, of a multiple or a power of x or of abs(x) with"
    " either sign. The value is the root mean"
    " square error of what the function returns."
)
_MARK = "VERSIONS (worst first"  # In each prompt that asks for a version.
_PATIENCE = 3600.0  # Seconds for an answer; a model may be a person.
_POINTS = np.linspace(-3, 3, 41)
# The curve: three of the terms, with factors that are none of a model's.
_CURVE = 1.3 * np.sin(3 * _POINTS) + 0.35 * _POINTS**2 + 0.8 * np.abs(_POINTS)


@code_parameter(examples=[([-1.0, 0.0, 2.0],)], trust="limits", seconds=60.0)
def curve(points: list[float]) -> list[float]:
    """Return a value for each point."""
    return [0.5 * x for x in points]


def source_of(terms: tuple[str, ...]) -> str:
    summed = " + ".join(f"0.5 * {term}" for term in terms)
    return f"def curve(points):\n    return [{summed} for x in points]\n"


def terms_in(source: str) -> tuple[str, ...]:
    """Return the terms of a version, whatever its factors are."""
    body = re.search(r"return \[(.*) for x in points\]", source)
    assert body is not None, source
    return tuple(re.sub(r"^[\d.e+-]+ \* ", "", t) for t in re.split(r" \+ (?=[\d.])", body[1]))


def changed(terms: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Add, drop or exchange one term."""
    others = [t for t in TERMS if t not in terms]
    kept = list(terms)
    step = rng.integers(3)
    if len(kept) > 1 and (step > 0 or not others):
        kept.pop(int(rng.integers(len(kept))))
    if others and (step < 2 or not kept):
        kept.append(others[int(rng.integers(len(others)))])
    return tuple(kept)


class StandIn:
    """A model that changes a version by one term, and proposes no configurations."""

    def __init__(self, seed: int, *, reads_results: bool) -> None:
        self._rng = np.random.default_rng(seed)
        self._reads_results = reads_results

    def __call__(self, prompt: str) -> str:
        """Answer a prompt."""
        if _MARK not in prompt:
            return "I cannot say."
        known = r"return \[.* for x in points\]"
        # After a refusal it goes on from its own version, not from the one that this equals.
        listed = prompt.partition(_MARK)[2].partition("It was compared with version")[0]
        shown = re.findall(known, listed) or re.findall(known, prompt)
        chosen = shown[-1] if self._reads_results else shown[self._rng.integers(len(shown))]
        source = source_of(changed(terms_in(chosen), self._rng))
        return f"Another term.\n```python\n{source}```"


class Writer:
    """A language model that is asked for versions alone, maybe beside results of others.

    Args:
        model: The model.
        seed: Of the permutations.
        reads_results: Whether each version is shown with its own result.
    """

    def __init__(self, model: ChatModel, seed: int, *, reads_results: bool) -> None:
        self.name = model.name
        self._model = model
        self._seed = seed
        self._reads_results = reads_results

    def complete(
        self, messages: Sequence[Message], **options: Unpack[RequestOptions]
    ) -> Completion:
        """Answer a conversation; one that asks for no version is not passed on."""
        if not any(_MARK in message["content"] for message in messages):
            nothing = Usage(prompt_tokens=0, completion_tokens=0)
            return Completion("I cannot say.", self.name, nothing, 0.0, 0.0, 1, "text", "stop")
        shown = messages if self._reads_results else [self._permuted(m) for m in messages]
        return self._model.complete(shown, **options)

    def _permuted(self, message: Message) -> Message:
        """Permute the results in a message, in the same order whenever it is sent again."""
        content = message["content"]
        rng = np.random.default_rng([self._seed, zlib.crc32(content.encode())])
        return {"role": message["role"], "content": permuted(content, rng)}


def permuted(prompt: str, rng: np.random.Generator) -> str:
    """Return a prompt whose versions have changed places among the results."""
    block = re.compile(r"Version (\d+): (.*)\n(```python\n[^`]*\n```)")
    head, mark, versions = prompt.partition("VERSIONS (")
    found = block.findall(versions)
    order = iter(rng.permutation(len(found)))

    def exchanged(match: re.Match[str]) -> str:
        number, _, source = found[next(order)]
        return f"Version {number}: {match[2]}\n{source}"

    return head + mark + block.sub(exchanged, versions)


def drawn(seed: int) -> np.ndarray:
    """Return the values of a curve that nobody has seen."""
    rng = np.random.default_rng([seed, 19])
    total = np.zeros(len(_POINTS))
    for term in rng.choice(POOL, 3, replace=False):
        values = np.array([eval(term, {"math": math, "x": x}) for x in _POINTS])
        total += rng.uniform(0.3, 1.5) * rng.choice([-1, 1]) * values
    return total


def loss(version: Version, values: np.ndarray) -> float:
    return float(np.sqrt(np.mean((np.array(version(_POINTS.tolist())) - values) ** 2)))


def run(arm: str, seed: int, n_trials: int) -> list[float]:
    """Return the best values after each trial."""
    rng = np.random.default_rng(seed)
    sampler: optuna.samplers.BaseSampler = CQRSampler(seed=seed)
    if arm in ("versions", "permuted results"):
        model = StandIn(seed, reads_results=arm == "versions")
        sampler = LLMSampler(model, base_sampler=CQRSampler(seed=seed), seed=seed)
    study = optuna.create_study(sampler=sampler)
    pool = [source_of(terms_in(curve.text))]
    for number in range(n_trials):
        if arm == "random choice" and number > 0:
            if rng.random() < 0.3:
                pool.append(source_of(changed(terms_in(_any_of(pool, rng)), rng)))
            study.enqueue_trial({"curve": _known(study, _any_of(pool, rng))})
        study.optimize(lambda trial: loss(suggest_code(trial, curve), _CURVE), n_trials=1)
    return _best(study)


def run_with_model(
    model: ChatModel, arm: str, seed: int, n_trials: int, storage: str
) -> list[float]:
    """Return the best values after each trial of a study that may have been begun before."""
    values = drawn(seed)
    sampler: optuna.samplers.BaseSampler = CQRSampler(seed=seed)
    if arm in ("versions", "permuted results"):
        writer = Writer(model, seed, reads_results=arm == "versions")
        base = CQRSampler(seed=seed)
        sampler = LLMSampler(
            writer,
            base_sampler=base,
            task=TOLD,
            seed=seed,
            timeout=_PATIENCE,
            deadline=_PATIENCE,
        )

    def study_of(name: str) -> optuna.Study:
        return optuna.create_study(
            sampler=sampler, study_name=f"{name} {seed}", storage=storage, load_if_exists=True
        )

    study = study_of(arm)
    written = _written(study_of("versions")) if arm == "random choice" else {}
    for number in range(len(study.trials), n_trials):
        if arm == "random choice" and number > 0:
            pool = [source for born, source in written.items() if born <= number]
            chosen = _any_of([curve.text, *pool], np.random.default_rng([seed, number]))
            study.enqueue_trial({"curve": _known(study, chosen)})
        study.optimize(lambda trial: loss(suggest_code(trial, curve), values), n_trials=1)
    return _best(study)


def _any_of(pool: Sequence[str], rng: np.random.Generator) -> str:
    return pool[int(rng.integers(len(pool)))]


def _known(study: optuna.Study, source: str) -> str | int:
    """Return the number of a version that has been run, else its source."""
    born = {stored.value: number for number, stored in versions_of(study.trials, "curve").items()}
    return born.get(source, source)


def _written(study: optuna.Study) -> dict[int, str]:
    """Return the versions that a model has written, by the trial in which each was born."""
    births = births_of(study.trials, "curve")
    known = versions_of(study.trials, "curve")
    return {n: known[n].value for n, birth in births.items() if birth.by == "llm" and n in known}


def _best(study: optuna.Study) -> list[float]:
    values = [math.inf if t.value is None else t.value for t in study.trials]
    best: list[float] = np.minimum.accumulate(values).tolist()
    return best


def table(
    done: Mapping[tuple[str, int], Sequence[float]],
    seeds: Sequence[int],
    after: Sequence[int] = AT,
    arms: Sequence[str] = ARMS,
) -> list[str]:
    """Return mean and range of the best values of each arm, as lines of Markdown."""
    lines = ["| | " + " | ".join(f"after {n} trials" for n in after) + " |", "|---" * 4 + "|"]
    for arm in arms:
        cells = []
        for n in after:
            values = [done[arm, seed][n - 1] for seed in seeds]
            cells.append(f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


def read(path: Path) -> dict[tuple[str, int], list[float]]:
    """Return the best values after each trial, by arm and seed."""
    if not path.exists():
        return {}
    with path.open() as file:
        return {(arm, int(seed)): [float(v) for v in row] for arm, seed, *row in csv.reader(file)}


def main(given: Sequence[str] | None = None) -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, help="0, or with a model drawn by default")
    parser.add_argument("--trials", type=int, default=AT[-1])
    parser.add_argument("--model", help="a language model in the stand-in's place")
    parser.add_argument("--base-url", help="the address of its server")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS, help="all by default")
    parser.add_argument("--results", type=Path)
    arguments = parser.parse_args(given)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    model = None
    if arguments.model is not None:
        model = connect(
            arguments.model,
            base_url=arguments.base_url,
            timeout=_PATIENCE,
            deadline=_PATIENCE,
        )
    path = arguments.results or (RESULTS if model is None else WITH_MODEL)
    first = arguments.first_seed
    if first is None:
        first = 0 if model is None else secrets.randbelow(10**6)
    seeds = range(first, first + arguments.seeds)
    done = read(path)
    for seed in seeds:
        for arm in arguments.arms:
            if (arm, seed) in done:
                continue
            if model is None:
                done[arm, seed] = run(arm, seed, arguments.trials)
            else:
                storage = f"sqlite:///{path.with_suffix('.db')}"
                done[arm, seed] = run_with_model(model, arm, seed, arguments.trials, storage)
            with path.open("a") as file:
                shown = (f"{v:.5g}" for v in done[arm, seed])
                csv.writer(file, lineterminator="\n").writerow([arm, seed, *shown])
    thirds = [round(arguments.trials * part / 3) for part in (1, 2, 3)]
    print(f"Seeds {first} to {seeds[-1]}:")
    print("\n".join(table(done, seeds, thirds, arguments.arms)))


if __name__ == "__main__":
    main()
