"""What each proposer brought, and what the language model used."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from optuna_llm.history.history import History
from optuna_llm.reporting.figures.frame import COLORS
from optuna_llm.reporting.figures.frame import annotate
from optuna_llm.reporting.figures.frame import finish
from optuna_llm.reporting.figures.frame import grid
from optuna_llm.reporting.figures.frame import import_plotly
from optuna_llm.reporting.figures.frame import wrap
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import summarize_sources


if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure


def plot_sources(study: Study) -> Figure:
    """Plot what each proposer brought: trials, improvements, failures, ranks, regret and cost.

    What no proposer has is left out, such as failures where no trial has failed.

    The regret of a trial is how far its value is from the best one of the study; it is left out of
    studies with several objectives. Where no price is known, tokens take the place of the cost;
    without a language model both are left out.

    Args:
        study: The study.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    go = import_plotly().graph_objects
    history = History.from_study(study)
    summaries = summarize_sources(history)[::-1]  # Plotly draws bars from the bottom up.
    panels: list[tuple[str, list[float | None], str]] = [
        ("trials", [s.trials for s in summaries], ".4~r"),
        ("improvements of the best", [s.improvements for s in summaries], ".4~r"),
    ]
    panels += [
        ("share of failed trials", [s.failure_share for s in summaries], ".0%"),
        ("share of infeasible trials", [s.infeasible_share for s in summaries], ".0%"),
        ("median rank (1 is best)", [s.median_rank for s in summaries], ".4~r"),
    ]
    if not history.is_multi_objective:
        panels.append(("median regret", [s.median_regret for s in summaries], ".3~g"))
    if any(s.cost is not None for s in summaries):
        panels.append(("cost of the model", [s.cost for s in summaries], ".3~g"))
    elif any(s.tokens for s in summaries):
        panels.append(("tokens of the model", [s.tokens for s in summaries], ".3~s"))
    panels = [panel for panel in panels if any(panel[1])] or panels[:1]
    figure = go.Figure()
    for index, (title, values, number_format) in enumerate(panels, start=1):
        suffix = "" if index == 1 else str(index)
        figure.add_trace(
            go.Bar(
                y=[LABELS[s.proposer] for s in summaries],
                x=values,
                texttemplate=f"%{{x:{number_format}}}",
                textangle=0,
                orientation="h",
                marker={"color": [COLORS[s.proposer] for s in summaries]},
                hoverinfo="x+y",
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
            )
        )
        figure.update_layout(
            {
                f"xaxis{suffix}": {
                    "title": {"text": title},
                    "tickformat": "~%" if "%" in number_format else "",
                    "rangemode": "tozero",
                    "nticks": 6,
                    "automargin": True,
                },
                f"yaxis{suffix}": {"type": "category", "automargin": True},
            }
        )
    if not summaries:
        annotate(figure, "The study has no trials yet.")
    layout = grid(len(panels), 2, ygap=0.45, xgap=0.35)
    figure.update_layout(grid=layout, showlegend=False)
    height = 60 + layout["rows"] * (75 + 24 * len(summaries))
    return finish(figure, f"Sources of {study.study_name}", height)


def plot_spending(study: Study) -> Figure:
    """Plot tokens and money that the language model has used so far, and its latency, over trials.

    Requests that failed are marked. The panel of the cost is left out where no price is known.

    Args:
        study: The study.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    plotly = import_plotly()
    go = plotly.graph_objects
    history = History.from_study(study)
    asked = [(o, o.cost) for o in history.observations if o.cost.requests]
    title = f"Spending of {study.study_name}"
    if not asked:
        figure = go.Figure()
        annotate(figure, "No language model was used in this study.")
        return finish(figure, title, 200)
    priced = any(cost.cost is not None for _, cost in asked)
    rows = ["tokens", *(["cost"] if priced else []), "seconds a request"]
    figure = plotly.subplots.make_subplots(
        rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.06
    )
    numbers = [o.number for o, _ in asked]
    totals = [
        ("tokens", "prompt tokens", "prompt_tokens", COLORS["base"]),
        ("tokens", "completion tokens", "completion_tokens", COLORS["llm"]),
        ("cost", "cost", "cost", COLORS["prior"]),
    ]
    marker = {
        "size": [10 if c.request_failed else 6 for _, c in asked],
        "symbol": ["x" if c.request_failed else "circle" for _, c in asked],
    }

    def hover(unit: str, amounts: list[float]) -> list[str]:
        return [
            f"trial {o.number}: {amount:.6g} {unit}, {c.requests} request(s)"
            + (f"<br>failed: {wrap(c.error or '')}" if c.request_failed else "")
            for (o, c), amount in zip(asked, amounts, strict=True)
        ]

    for row_name, name, field, color in totals:
        if row_name not in rows:
            continue
        amounts = [getattr(cost, field) or 0.0 for _, cost in asked]
        figure.add_trace(
            go.Scatter(
                x=numbers,
                y=list(itertools.accumulate(amounts)),
                mode="lines+markers",
                line={"color": color, "shape": "hv"},
                marker=marker,
                stackgroup=row_name,
                name=name,
                hovertext=hover(name, amounts),
                hoverinfo="text",
            ),
            row=rows.index(row_name) + 1,
            col=1,
        )
    latencies = [cost.seconds / cost.requests for _, cost in asked]
    figure.add_trace(
        go.Scatter(
            x=numbers,
            y=latencies,
            mode="markers",
            marker={**marker, "color": COLORS["fallback"]},
            name="latency",
            hovertext=hover("seconds", latencies),
            hoverinfo="text",
        ),
        row=len(rows),
        col=1,
    )
    for row, name in enumerate(rows, start=1):
        figure.update_yaxes(title_text=name, rangemode="tozero", automargin=True, row=row, col=1)
    # Filled curves get no margin of their own, and would be cut at the first and last trial.
    figure.update_xaxes(range=[-1, history.observations[-1].number + 1])
    figure.update_xaxes(title_text="trial", row=len(rows), col=1)
    figure.update_layout(legend_traceorder="normal")
    return finish(figure, title, 140 + 150 * len(rows))
