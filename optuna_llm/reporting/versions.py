"""The versions of open parameters as a family tree: who comes from whom, and what each brought."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from optuna_llm.history.family import Member
from optuna_llm.history.family import family
from optuna_llm.history.versions import open_names
from optuna_llm.reporting.markup import cell
from optuna_llm.reporting.markup import note
from optuna_llm.reporting.markup import table
from optuna_llm.reporting.markup import text
from optuna_llm.reporting.tables import objective_labels
from optuna_llm.reporting.tables import show_value


if TYPE_CHECKING:
    from optuna_llm.history.history import History


_MAX_VERSIONS = 60
_MAX_DIFF = 400


def versions(history: History) -> str:
    """Return a table for each open parameter, with sources and what they change; "" for none."""
    names = open_names([o.trial for o in history.observations])
    return "\n".join(_of_one(history, name) for name in names)


def _of_one(history: History, name: str) -> str:
    members = family(history, name)
    shown = members[:_MAX_VERSIONS]
    has_births = any(member.birth is not None for member in members)
    heads = ["version", "trials", "failed", f"best {objective_labels(history)[0]}"]
    heads += ["from", "by", "why"] if has_births else ["choice"]
    by_number = {member.number: member for member in members}
    rows = [_row(member, has_births) for member in shown]
    parts = [f"<h3>{text(name)}</h3>", table(heads, rows)]
    if has_births:
        parts += [_details(member, by_number.get(member.parent)) for member in shown]
    if len(members) > len(shown):
        parts.append(note(f"The first {len(shown)} of {len(members)} versions."))
    return "\n".join(parts)


def _row(member: Member, has_births: bool) -> list[str]:
    branch = "\u00a0" * 3 * member.depth + ("└\u00a0" if member.depth else "")
    best = member.best
    value = None if best is None or best.trial.values is None else best.trial.values[0]
    shown = cell("none") if value is None else cell(show_value(value), value)
    row = [cell(f"{branch}{member.number}"), cell(member.n_trials, member.n_trials)]
    row += [cell(member.n_failed, member.n_failed), shown]
    if not has_births:
        return [*row, cell(member.stored.text[:200])]
    birth = member.birth
    told = ("", "") if birth is None else (birth.by, birth.reason)
    parent = "" if member.parent < 0 else member.parent
    return row + [cell(value) for value in (parent, *told)]


def _details(member: Member, parent: Member | None) -> str:
    """Return what a version changes of the one that it comes from, or its source."""
    head = f"Version {member.number}"
    if member.best is not None and member.best.trial.values is not None:
        head += f": {show_value(member.best.trial.values[0])}"
    lines = [text(line) for line in member.stored.text.splitlines()]
    if parent is not None:
        head += f", against version {parent.number}"
        lines = [_marked(line) for line in diff(parent, member)]
    body = "\n".join(lines)
    return f"<details><summary>{text(head)}</summary><pre>{body}</pre></details>"


def _marked(line: str) -> str:
    tag = {"+": "ins", "-": "del"}.get(line[:1])
    return text(line) if tag is None else f"<{tag}>{text(line)}</{tag}>"


def diff(parent: Member, member: Member) -> list[str]:
    """Return the lines of a version, and of its parent where they differ, marked by - and +."""
    old, new = parent.stored.text.splitlines(), member.stored.text.splitlines()
    lines = list(difflib.unified_diff(old, new, n=len(old) + len(new), lineterm=""))
    # Without the three that name files and places; equal ones give none.
    return lines[3 : 3 + _MAX_DIFF] or new
