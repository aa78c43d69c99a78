"""Reading a parameter's name: prefixes, indices and stated transforms are taken off it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
import functools
import re

from optuna_llm.prior.knowledge import FAMILIES


_TOKENS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_NAMESPACE = re.compile(r"__|[./:]")
_TRANSFORMS = {"log": "log", "log10": "log10", "log2": "log2", "ln": "ln", "exp": "log"}
_TRANSFORMS |= {"exponent": "log", "pow2": "log2"}
_LAYER_WORDS = frozenset({"l", "layer", "block", "stage", "fc", "conv", "dense", "hidden", "cell"})
_PLAIN_PREFIXES = frozenset(
    [
        "model",
        "clf",
        "reg",
        "classifier",
        "regressor",
        "estimator",
        "est",
        "learner",
        "base",
        "params",
        "param",
        "hp",
        "hparams",
        "config",
        "cfg",
        "train",
        "training",
        "trainer",
        "optim",
        "optimizer",
        "opt",
        "net",
        "network",
        "backbone",
        "encoder",
        "decoder",
        "head",
        "actor",
        "critic",
        "policy",
        "student",
        "teacher",
        "final",
        "hidden",
        "fit",
        "algo",
        "args",
        "my",
        "best",
        "tuned",
        "pipeline",
    ]
)
KNOWN_KEYS = frozenset(k for family in FAMILIES for k in family.by_key)
_FAMILY_PREFIXES = frozenset(p for family in FAMILIES for p in family.prefix_keys)


@dataclass(frozen=True)
class Reading:
    """What a parameter's name says.

    Attributes:
        key: Key of a row of the table.
        prefix: Key of a family's word in front of the name, or the empty string.
        transform: ``log``, ``log10``, ``log2``, ``ln`` or ``one_minus`` where the name says that
            the parameter is not the quantity itself; else the empty string.
    """

    key: str
    prefix: str = ""
    transform: str = ""


@functools.lru_cache(maxsize=4096)
def read(name: str, known: frozenset[str] = KNOWN_KEYS) -> Reading | None:
    """Return the reading of a name that takes least off it and is known, if any.

    Known are the keys of the table, or those that are given.

    The whole name is tried before the last part of its namespace (``a__b``, ``a.b``, ``a/b``),
    for some libraries write ``num.trees`` for one word.
    """
    parts = [part for part in _NAMESPACE.split(name) if part and not part.isdigit()]
    for text in (name, *parts[-1:]):
        whole = tuple(token.lower() for token in _TOKENS.findall(text))
        queue, seen = deque([(whole, Reading(""))]), {whole}
        while queue:
            tokens, reading = queue.popleft()
            if "".join(tokens) in known:
                return replace(reading, key="".join(tokens))
            for shorter in _shorter(tokens, reading):
                if shorter[0] not in seen:
                    seen.add(shorter[0])
                    queue.append(shorter)
    return None


def _shorter(
    tokens: tuple[str, ...], reading: Reading
) -> Iterator[tuple[tuple[str, ...], Reading]]:
    """Yield the name without one affix, for each affix that it has."""
    if len(tokens) < 2:
        return
    for size in (3, 2, 1):
        head, rest = "".join(tokens[:size]), tokens[size:]
        if not rest:
            continue
        if head in _FAMILY_PREFIXES:
            yield rest, replace(reading, prefix=reading.prefix or head)
        elif head in _PLAIN_PREFIXES:
            yield rest, reading
        if head in ("oneminus", "1minus"):
            yield rest, replace(reading, transform="one_minus")
        elif head in _TRANSFORMS:
            yield rest, replace(reading, transform=_TRANSFORMS[head])
    for size in (2, 1):
        tail, rest = "".join(tokens[-size:]), tokens[:-size]
        if rest and tail in _TRANSFORMS:
            yield rest, replace(reading, transform=_TRANSFORMS[tail])
    if tokens[-1].isdigit():
        yield tokens[:-1], reading
        if len(tokens) > 2 and tokens[-2] in _LAYER_WORDS:
            yield tokens[:-2], reading
    if len(tokens) > 2 and tokens[0] in _LAYER_WORDS and tokens[1].isdigit():
        yield tokens[2:], reading
