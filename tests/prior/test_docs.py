from __future__ import annotations

from pathlib import Path
import re

import pytest

from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.knowledge import RULES


DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "prior.md").read_text(encoding="utf-8")


def test_a_page_lists_every_family_and_every_source() -> None:
    words = " ".join((DOCS / "knowledge.md").read_text(encoding="utf-8").split())
    sources = {
        source
        for family in FAMILIES
        for rows in family.by_key.values()
        for row in rows
        for source in family.source_of(row).split("; ")
    }
    sources |= {source for rule in RULES for source in rule.source.split("; ")}
    assert [family.name for family in FAMILIES if family.name not in words] == []
    assert sorted(source for source in sources if source not in words) == []


def test_examples_give_what_the_page_says(page: str) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    lines = code.splitlines()
    shown = {i: line[2:] for i, line in enumerate(lines) if line.startswith("# ")}
    assert len(shown) == 5
    variables: dict[str, object] = {}
    begun = 0
    for i, result in shown.items():
        exec("\n".join(lines[begun : i - 1]), variables)
        assert repr(eval(lines[i - 1], variables)) == result
        begun = i + 1
    exec("\n".join(lines[begun:]), variables)
