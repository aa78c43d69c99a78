"""One HTML page about a study: self-contained, readable offline, on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
import html
from importlib import metadata
import itertools
import math
import os
from pathlib import Path
import platform
import pprint
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm import visualization
from optuna_llm.errors import ConfigurationError
from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.report_page import PAGE
from optuna_llm.report_page import SCRIPT
from optuna_llm.report_page import STYLE
from optuna_llm.summary import LABELS
from optuna_llm.summary import ModelUse
from optuna_llm.summary import objective_labels
from optuna_llm.summary import proposer
from optuna_llm.summary import rationale
from optuna_llm.summary import show_value
from optuna_llm.summary import summarize_model_use
from optuna_llm.summary import summarize_sources


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure


MAX_TABLE_TRIALS = 200
_CAPTIONS = {
    "History": "Hover over a trial, or tap it, to see its configuration.",
    "Parameters": "The objective over each parameter; the band holds 80 % of what a surrogate"
    " expects of a trial with that value, all else as in the trials.",
    "Calibration": "Each trial as a surrogate has expected it from the trials before it, and how"
    " often such intervals were right.",
    "Sources": "What each proposer brought.",
    "Spending": "What the language model has used so far; a cross is a request that failed.",
}
_PACKAGES = ("optuna-llm", "optuna", "numpy", "scikit-learn", "openai", "litellm", "xgboost")


def report(
    study: Study,
    path: str | os.PathLike[str],
    *,
    baselines: Mapping[str, float] | None = None,
) -> Path:
    """Write one self-contained HTML page about a study.

    The page holds the best configuration, what each proposer brought, what the language model
    used, the figures of :mod:`optuna_llm.visualization` and a sortable table of the trials. It
    loads nothing from anywhere.

    Args:
        study: The study.
        path: The file to write; it is replaced as a whole.
        baselines: Values to compare the best one with, by name, for a study with one objective.

    Returns:
        The path of the page.

    Raises:
        ConfigurationError: No trial has finished, a baseline makes no sense, or the path cannot
            be written.
        MissingExtraError: Plotly is not installed.
    """
    history = History.from_study(study)
    if not any(o.state.is_finished() for o in history.observations):
        raise ConfigurationError(
            f"study={study.study_name!r} has no finished trial to report on; run"
            " study.optimize(...) first."
        )
    baselines = _checked_baselines(history, baselines or {})
    page = _page(study, history, baselines)
    return _write(Path(path), page)


def _checked_baselines(history: History, baselines: Mapping[str, float]) -> dict[str, float]:
    if baselines and history.is_multi_objective:
        raise ConfigurationError(
            f"baselines={dict(baselines)!r} cannot be compared with {len(history.directions)}"
            " objectives; leave them out."
        )
    for name, value in baselines.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigurationError(
                f"baselines[{name!r}]={value!r} must be a finite number, the baseline's value."
            )
    return dict(baselines)


def _write(path: Path, page: str) -> Path:
    """Write a file as a whole or not at all."""
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigurationError(
            f"path={str(path)!r} cannot be written ({error.strerror or error}); name a file in an"
            " existing folder that you may write to."
        ) from error
    return path


# --------------------------------------------------------------------------------------
# The page


def _page(study: Study, history: History, baselines: Mapping[str, float]) -> str:
    usage = summarize_model_use(history)
    figures = {
        "History": _with_baselines(visualization.plot_history(study), baselines),
        "Parameters": visualization.plot_partial_dependence(study),
        "Calibration": visualization.plot_calibration(study),
        "Sources": visualization.plot_sources(study),
    }
    if usage.requests:
        figures["Spending"] = visualization.plot_spending(study)
    from plotly.offline import get_plotlyjs

    sections = [
        _section("Best", _summary(history, baselines)),
        _section("Who proposed what", _source_table(history)),
        _section("Language model", _usage_table(usage)),
        *(
            _section(title, _note(_CAPTIONS[title]) + _figure(title, figure))
            for title, figure in figures.items()
        ),
        _section("Trials", _trial_table(history)),
        _section("Reproducibility", _reproducibility(study, history, usage)),
    ]
    states = [o.state for o in history.observations]
    counts = [
        f"{n} {state.name.lower().replace('fail', 'failed')}"
        for state in TrialState
        if (n := states.count(state))
    ]
    return PAGE.substitute(
        title=_text(study.study_name),
        subtitle=_text(f"{len(states)} trials: " + ", ".join(counts)),
        date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        style=STYLE,
        sections="\n".join(sections),
        plotly=get_plotlyjs(),
        script=SCRIPT,
    )


def _summary(history: History, baselines: Mapping[str, float]) -> str:
    if history.best is None:
        return "<p>No trial has completed.</p>"
    if history.is_multi_objective:
        front = sorted(history.pareto_front, key=lambda o: o.values or ())
        rows = [
            [_cell(o.number, o.number), *_value_cells(o), *_param_cells(o, _param_names(history))]
            for o in front[:MAX_TABLE_TRIALS]
        ]
        heads = ["trial", *objective_labels(history), *_param_names(history)]
        return f"<p>{len(front)} Pareto-optimal trials.</p>" + _table(heads, rows)
    best = history.best
    value = best.trial.value
    assert value is not None
    label = _text(objective_labels(history)[0])
    parts = [
        f'<p class="best"><span>{value:.5g}</span> {label}, '
        f"trial {best.number}, {_text(LABELS[proposer(best)])}</p>"
    ]
    if best.violation > 0:
        parts.append("<p>No trial satisfied the constraints; this one is the nearest.</p>")
    if why := rationale(best):
        parts.append(f"<blockquote>{_text(why)}</blockquote>")
    if baselines:
        rows = [
            [_cell(name), _cell(f"{other:.5g}", other), _cell(_difference(history, other))]
            for name, other in baselines.items()
        ]
        parts.append(_table(["compared with", "its value", "the best trial is"], rows))
    rows = [[_cell(name), _cell(show_value(v), v)] for name, v in best.trial.params.items()]
    parts.append(_table(["parameter", "best value"], rows))
    exact = pprint.pformat(best.trial.params, sort_dicts=False)
    parts.append(f"<details><summary>As Python</summary><pre>{_text(exact)}</pre></details>")
    parts.append(
        _note(
            "The best of many trials looks better than it is: confirm the configuration on data"
            " that the search has not seen."
        )
    )
    return "\n".join(parts)


def _difference(history: History, other: float) -> str:
    best = history.best
    assert best is not None
    value = best.trial.value
    assert value is not None
    gain = best.signs[0] * (other - value)
    share = f" ({abs(gain / other):.1%})" if other else ""
    if gain == 0:
        return "equal"
    return f"{'better' if gain > 0 else 'worse'} by {abs(gain):.4g}{share}"


def _source_table(history: History) -> str:
    several = history.is_multi_objective
    rows = [
        [
            _cell(LABELS[s.proposer]),
            _cell(s.trials, s.trials),
            _cell(s.improvements, s.improvements),
            _cell(*_optional(s.failure_share, "{:.0%}")),
            _cell(*_optional(s.median_rank, "{:g}")),
            *([] if several else [_cell(*_optional(s.best, "{:.5g}"))]),
            *([] if several else [_cell(*_optional(s.median_regret, "{:.3g}"))]),
            _cell(f"{s.tokens:,}", s.tokens),
            _cell(*_optional(s.cost, "{:.4g}")),
        ]
        for s in summarize_sources(history)
    ]
    heads = ["proposer", "trials", "improvements", "failed", "median rank"]
    heads += ([] if several else ["best value", "median regret"]) + ["tokens", "cost"]
    return _table(heads, rows) + _note(
        "An improvement is a trial that beats everything before it; rank 1 is the best trial."
        + ("" if several else " Regret is the distance from the best value of the study.")
    )


def _usage_table(usage: ModelUse) -> str:
    if not usage.requests:
        return "<p>No language model was used in this study.</p>"
    rows = [
        [_cell(name), _cell(value)]
        for name, value in {
            "model": ", ".join(usage.models),
            "requests": f"{usage.requests:,}",
            "trials without an answer": f"{usage.errors:,}",
            "prompt tokens": f"{usage.prompt_tokens:,}",
            "completion tokens": f"{usage.completion_tokens:,}",
            "cost": "not known" if usage.cost is None else f"{usage.cost:.4g}",
            "seconds in requests": f"{usage.seconds:,.1f}",
        }.items()
    ]
    return _table(["", ""], rows) + _note(
        "As recorded with the trials; the cost is in the currency of the prices."
    )


def _trial_table(history: History) -> str:
    ranked = {o.number for o in history.ranking}
    unranked = [o for o in reversed(history.observations) if o.number not in ranked]
    shown = [*history.ranking, *unranked][:MAX_TABLE_TRIALS]
    names = _param_names(history)
    rows = [
        [
            _cell(o.number, o.number),
            *_value_cells(o),
            _cell(LABELS[proposer(o)]),
            _cell(_reason(o), css="reason"),
            _cell(*_duration(o)),
            *_param_cells(o, names),
        ]
        for o in shown
    ]
    n_trials = len(history.observations)
    note = (
        f"The best {len(shown)} of {n_trials} trials. "
        if len(shown) < n_trials
        else "All trials, the best first. "
    )
    heads = ["trial", *objective_labels(history), "proposer", "rationale", "seconds", *names]
    return _note(note + "Click a heading to sort.") + _table(heads, rows, sortable=True)


def _reason(o: Observation) -> str:
    failure = f"Failed: {o.failure}. " if o.state == TrialState.FAIL else ""
    return failure + rationale(o)


def _duration(o: Observation) -> tuple[str, float | None]:
    duration = o.trial.duration
    seconds = None if duration is None else duration.total_seconds()
    return ("", None) if seconds is None else (f"{seconds:.3g}", seconds)


def _value_cells(o: Observation) -> list[str]:
    """Return a cell for each objective: the value, or the state of a trial without one."""
    if o.values is None:
        state = o.state.name.lower().replace("fail", "failed")
        return [_cell(state) for _ in o.signs]
    return [
        _cell(f"{v:.6g}" + " (infeasible)" * (o.violation > 0), v) for v in o.trial.values or ()
    ]


def _param_names(history: History) -> list[str]:
    return list(history.search_space().names)


def _param_cells(o: Observation, names: Sequence[str]) -> list[str]:
    params = o.trial.params
    return [_cell(show_value(params[n]), params[n]) if n in params else _cell("") for n in names]


def _reproducibility(study: Study, history: History, usage: ModelUse) -> str:
    recorded = sum(o.record is not None for o in history.observations)
    facts = {
        "objective": ", ".join(objective_labels(history)),
        "sampler": f"{type(study.sampler).__name__} on the study at hand; "
        f"{recorded} of {len(history.observations)} trials carry a record of optuna-llm",
        "models": ", ".join(usage.models) or "none",
        **{f"attribute {key}": value for key, value in study.user_attrs.items()},
        "Python": platform.python_version(),
        **{package: v for package in _PACKAGES if (v := _version(package))},
    }
    return _table(["", ""], [[_cell(k), _cell(v, css="text")] for k, v in facts.items()])


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


# --------------------------------------------------------------------------------------
# Pieces of HTML; everything that a user or a model wrote passes through _text


def _text(value: object) -> str:
    return html.escape(str(value))


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_text(title)}</h2>\n{body}\n</section>"


def _note(text: str) -> str:
    return f'<p class="note">{_text(text)}</p>'


def _cell(value: object, key: object = None, css: str = "") -> str:
    """Return a table cell; a number as ``key`` is what the column is sorted by."""
    numeric = isinstance(key, int | float) and not isinstance(key, bool) and key == key
    names = " ".join(n for n in ("number" if numeric else "", css) if n)
    attributes = f' class="{names}"' if names else ""
    if numeric:
        attributes += f' data-key="{key}"'.replace("inf", "Infinity")
    elif key is not None:
        attributes += f' title="{_text(key)}"'
    return f"<td{attributes}>{_text(value)}</td>"


def _optional(value: float | None, form: str) -> tuple[str, float | None]:
    return ("none", None) if value is None else (form.format(value), value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, sortable: bool = False) -> str:
    show: Callable[[str], str] = (
        (lambda h: f'<th scope="col"><button type="button">{_text(h)}</button></th>')
        if sortable
        else (lambda h: f'<th scope="col">{_text(h)}</th>')
    )
    head = f"<thead><tr>{''.join(map(show, heads))}</tr></thead>" if any(heads) else ""
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table{" data-sortable" if sortable else ""}>{head}'
        f"<tbody>{body}</tbody></table></div>"
    )


def _with_baselines(figure: Figure, baselines: Mapping[str, float]) -> Figure:
    """Draw each baseline as a level line across the history."""
    numbers = [n for trace in figure.data for n in trace.x or ()]
    dashes = itertools.cycle(("dash", "dot", "dashdot", "longdash"))
    for (name, value), dash in zip(baselines.items(), dashes, strict=False):
        figure.add_scatter(
            x=[min(numbers), max(numbers)],
            y=[value, value],
            mode="lines",
            line={"dash": dash, "width": 2, "color": "#8a8a8a"},
            name=_text(name),
            hoverinfo="name+y",
        )
    return figure


def _figure(title: str, figure: Figure) -> str:
    """Return a figure's place and its data; the page's script draws it in the page's colours."""
    figure.update_layout(
        title=None, template="none", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)"
    )
    top = 15 if figure.layout.showlegend is False else 50
    figure.update_layout(margin={"t": top, "l": 50, "r": 10, "b": 45}, autosize=True)
    data = (figure.to_json() or "{}").replace("<", "\\u003c")
    return (
        f'<div class="figure" role="img" aria-label="{_text(title)}"></div>'
        f'<script type="application/json">{data}</script>'
    )
