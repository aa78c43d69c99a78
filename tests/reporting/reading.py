"""The report as a reader, or a browser, takes it apart."""

from __future__ import annotations

from html.parser import HTMLParser
import json
from pathlib import Path
from typing import Any

import optuna

from optuna_llm.reporting.page import report


class Page(HTMLParser):
    """What a browser would read: elements, visible text, tables, scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.tables: list[list[list[str]]] = []
        self.titles: set[str] = set()
        self._open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.raw:
            self.raw[self._open[-1]].append(data)
            return
        self.text.append(data)
        if "h2" in self._open:
            self.titles.add(data)
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def table(self, head: str) -> list[dict[str, str]]:
        """Return the rows of the first table with such a heading."""
        table = next(t for t in self.tables if t and head in t[0])
        return [dict(zip(table[0], row, strict=True)) for row in table[1:]]

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The data of the figures."""
        return [json.loads(s) for s in self.raw["script"] if s.startswith('{"data"')]


def read_page(study: optuna.Study, folder: Path, **options: Any) -> Page:
    return Page(report(study, folder / "page.html", **options))
