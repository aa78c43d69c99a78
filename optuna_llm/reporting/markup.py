"""Pieces of HTML; everything that a user or a model wrote passes through :func:`text`."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import html
from typing import TYPE_CHECKING

from optuna_llm.space.numbers import is_number


if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def text(value: object) -> str:
    """Return text as HTML that shows it."""
    return html.escape(str(value))


def section(title: str, body: str) -> str:
    """Return a section of the page around HTML."""
    return f"<section><h2>{text(title)}</h2>\n{body}\n</section>"


def note(said: str) -> str:
    """Return a remark in small print."""
    return f'<p class="note">{text(said)}</p>'


def cell(value: object, key: object = None, css: str = "") -> str:
    """Return a table cell; a number as ``key`` is what the column is sorted by."""
    numeric = is_number(key) and key == key
    names = " ".join(n for n in ("number" if numeric else "", css) if n)
    attributes = f' class="{names}"' if names else ""
    if numeric:
        attributes += f' data-key="{key}"'.replace("inf", "Infinity")
    elif key is not None:
        attributes += f' title="{text(key)}"'
    return f"<td{attributes}>{text(value)}</td>"


def number_cell(value: float | None, form: str) -> str:
    """Return a cell for a number, in the form of :meth:`str.format`, or for none."""
    return cell("none") if value is None else cell(form.format(value), value)


def bar(share: float) -> str:
    """Return a table cell with a bar as long as a share from 0 to 1."""
    return f'<td class="bar"><span style="width:{100 * share:.1f}%"></span></td>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, sortable: bool = False) -> str:
    """Return a table of rows of cells; a click on a heading of a sortable one sorts it."""
    show: Callable[[str], str] = (
        (lambda h: f'<th scope="col"><button type="button">{text(h)}</button></th>')
        if sortable
        else (lambda h: f'<th scope="col">{text(h)}</th>')
    )
    head = f"<thead><tr>{''.join(map(show, heads))}</tr></thead>" if any(heads) else ""
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table{" data-sortable" if sortable else ""}>{head}'
        f"<tbody>{body}</tbody></table></div>"
    )


def plot(title: str, figure: Figure) -> str:
    """Return a figure's place and its data; the page's script draws it in the page's colours."""
    figure.update_layout(
        title=None, template="none", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)"
    )
    top = 15 if figure.layout.showlegend is False else 50
    figure.update_layout(margin={"t": top, "l": 50, "r": 10, "b": 45}, autosize=True)
    data = (figure.to_json() or "{}").replace("<", "\\u003c")
    return (
        f'<div class="wide"><div class="figure" role="img" aria-label="{text(title)}"></div>'
        f'<script type="application/json">{data}</script></div>'
    )
