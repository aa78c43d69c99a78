from __future__ import annotations

from pathlib import Path
import re

import pytest

from optuna_llm.prior.knowledge import FAMILIES


PAGE = Path(__file__).parents[2] / "docs" / "prior.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_page_lists_every_family_and_every_source(page: str) -> None:
    text = " ".join(page.split())
    sources = {
        source
        for family in FAMILIES
        for rows in family.by_key.values()
        for row in rows
        for source in family.source_of(row).split("; ")
    }
    assert [family.name for family in FAMILIES if family.name not in text] == []
    assert sorted(source for source in sources if source not in text) == []


def test_example_gives_what_the_page_says(page: str) -> None:
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    variables: dict[str, object] = {}
    exec(code[1], variables)
    lines = code[1].splitlines()
    shown = {lines[i - 1]: line[2:] for i, line in enumerate(lines) if line.startswith("# ")}
    assert len(shown) == 2
    for expression, result in shown.items():
        assert repr(eval(expression, variables)) == result
