"""What the sections of the report say, but for its figures: a study as tables in HTML."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import pprint
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_llm.errors import redact
from optuna_llm.expectations.recorded import recorded_quantiles
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.settings import installed
from optuna_llm.history.settings import settings_of
from optuna_llm.reporting.best import BestConfiguration
from optuna_llm.reporting.best import choose
from optuna_llm.reporting.markup import bar
from optuna_llm.reporting.markup import cell
from optuna_llm.reporting.markup import note
from optuna_llm.reporting.markup import number_cell
from optuna_llm.reporting.markup import table
from optuna_llm.reporting.markup import text
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import ModelUse
from optuna_llm.reporting.tables import has_constraints
from optuna_llm.reporting.tables import is_infeasible
from optuna_llm.reporting.tables import objective_labels
from optuna_llm.reporting.tables import proposer
from optuna_llm.reporting.tables import rationale
from optuna_llm.reporting.tables import show_value
from optuna_llm.reporting.tables import summarize_sources


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.expectations.in_units import Hindsight as Foretold
    from optuna_llm.stopping.hindsight import Hindsight


MAX_TABLE_TRIALS = 200
_MAX_IMPORTANT, _MAX_SETTINGS = 30, 20
_LEVELS = (0.1, 0.5, 0.9)


def best_trials(history: History, baselines: Mapping[str, float]) -> str:
    """Return the best trial and its configuration, or the Pareto front."""
    if history.best is None:
        return "<p>No trial has completed.</p>"
    if history.is_multi_objective and not history.pareto_front:
        nearest = f"trial {history.best.number} is the nearest."
        return f"<p>No trial satisfied the constraints; {nearest}</p>"
    if history.is_multi_objective:
        front = sorted(history.pareto_front, key=lambda o: o.values or ())
        rows = [
            [cell(o.number, o.number), *_value_cells(o), *_param_cells(o, _param_names(history))]
            for o in front[:MAX_TABLE_TRIALS]
        ]
        heads = ["trial", *objective_labels(history), *_param_names(history)]
        n = (
            "One Pareto-optimal trial"
            if len(front) == 1
            else f"{len(front)} Pareto-optimal trials"
        )
        return f"<p>{n}.</p>" + table(heads, rows)
    best = history.best
    value = best.trial.value
    assert value is not None
    label = text(objective_labels(history)[0])
    parts = [
        f'<p class="best"><span>{value:.5g}</span> {label}, '
        f"trial {best.number}, {text(LABELS[proposer(best)])}</p>"
    ]
    if is_infeasible(best):
        parts.append("<p>No trial satisfied the constraints; this one is the nearest.</p>")
    if why := rationale(best):
        parts.append(f"<blockquote>{text(why)}</blockquote>")
    if baselines:
        rows = [
            [cell(name), cell(f"{other:.5g}", other), cell(_difference(history, other))]
            for name, other in baselines.items()
        ]
        parts.append(table(["compared with", "its value", "the best trial is"], rows))
    kept = choose(history)
    shown = [("best value", best)]
    if kept is not None and kept.is_noisy:
        parts.append(f"<p>{text(_despite_noise(kept, best))}</p>")
        shown += [
            ("to keep", o) for o in history.complete if o.number == kept.trial != best.number
        ]
    names = list(dict.fromkeys(name for _, o in shown for name in o.trial.params))
    cells = [_param_cells(o, names) for _, o in shown]
    rows = [[cell(name), *values] for name, *values in zip(names, *cells, strict=True)]
    if rows:
        parts.append(table(["parameter", *(head for head, _ in shown)], rows))
        exact = pprint.pformat(best.trial.params, sort_dicts=False)
        parts.append(f"<details><summary>As Python</summary><pre>{text(exact)}</pre></details>")
    parts.append(
        note(
            "The best of many trials looks better than it is: confirm the configuration on data"
            " that the search has not seen."
        )
    )
    return "\n".join(parts)


def _despite_noise(kept: BestConfiguration, best: Observation) -> str:
    """Say which configuration to keep where values are noisy."""
    low, high = (f"{end:.5g}" for end in kept.interval)
    times = "once" if kept.n_evaluations == 1 else f"{kept.n_evaluations} times"
    told = (
        f"{kept.value:.5g} is expected of another evaluation, and 80 % of them between {low} and"
        f" {high}; it was evaluated {times}."
    )
    if kept.trial == best.number:
        return f"Values are noisy, but this configuration is the one to keep: {told}"
    return (
        "Values are noisy, and the best one was probably lucky. The configuration to keep is that"
        f" of trial {kept.trial}: {told}"
    )


def _difference(history: History, other: float) -> str:
    best = history.best
    assert best is not None
    value = best.trial.value
    assert value is not None
    if is_infeasible(best):
        return "infeasible"
    gain = best.signs[0] * (other - value)
    share = f" ({abs(gain / other):.1%})" if other else ""
    if gain == 0:
        return "equal"
    return f"{'better' if gain > 0 else 'worse'} by {abs(gain):.4g}{share}"


def stopping(found: Hindsight) -> str:
    """Return what further trials were worth."""
    return f"<p>{text(found.sentence)}</p>" + note(
        "A study is done when the next trial is expected to bring less than is worth a trial:"
        " a twentieth of the standard error of the best value where that is known, else 0.3 % of"
        " the interquartile range of the better half. StopWhenDone stops it there."
    )


def sources(history: History) -> str:
    """Return what each proposer brought."""
    several, constrained = history.is_multi_objective, has_constraints(history)
    rows = [
        [
            cell(LABELS[s.proposer]),
            cell(s.trials, s.trials),
            cell(s.improvements, s.improvements),
            number_cell(s.failure_share, "{:.0%}"),
            *([number_cell(s.infeasible_share, "{:.0%}")] if constrained else []),
            number_cell(s.median_rank, "{:g}"),
            *([] if several else [number_cell(s.best, "{:.5g}")]),
            *([] if several else [number_cell(s.median_regret, "{:.3g}")]),
            cell(f"{s.tokens:,}", s.tokens),
            number_cell(s.cost, "{:.4g}"),
        ]
        for s in summarize_sources(history)
    ]
    heads = ["proposer", "trials", "improvements", "failed"]
    heads += ["infeasible"] * constrained + ["median rank"]
    heads += ([] if several else ["best value", "median regret"]) + ["tokens", "cost"]
    return table(heads, rows) + note(
        "An improvement is a trial that beats everything before it, as the first one does; rank 1"
        " is the best trial."
        + ("" if several else " Regret is the distance from the best value of the study.")
    )


def what_matters(history: History, shares: Mapping[str, float]) -> str:
    """Return how much each parameter matters; nothing where that is not known."""
    if not shares:
        return ""
    rows = [
        [cell(name), bar(share), cell(f"{share:.0%}", share)]
        for name, share in list(shares.items())[:_MAX_IMPORTANT]
    ]
    several = f" to {objective_labels(history)[0]}" if history.is_multi_objective else ""
    return table(["parameter", "", f"importance{several}"], rows) + note(
        "By Optuna's PED-ANOVA: how far the best tenth of the trials differs from all others in"
        " each parameter. It says nothing of parameters that were not varied."
    )


def model_use(usage: ModelUse) -> str:
    """Return what the language model used."""
    rows = [
        [cell(name), cell(value)]
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
    return table(["", ""], rows) + note(
        "As recorded with the trials; the cost is in the currency of the prices."
    )


def all_trials(history: History, before: Foretold) -> str:
    """Return the table of the trials, the best first, with what was expected of each.

    Args:
        history: The study.
        before: What a surrogate expects of trials from those before them, where no sampler has
            recorded it.
    """
    ranked = {o.number for o in history.ranking}
    unranked = [o for o in reversed(history.observations) if o.number not in ranked]
    shown = [*history.ranking, *unranked][:MAX_TABLE_TRIALS]
    names = _param_names(history)
    expected = {} if history.is_multi_objective else _expected(history, shown, before)
    rows = [
        [
            cell(o.number, o.number),
            *_value_cells(o),
            *([_interval_cell(o, expected.get(o.number))] if expected else []),
            cell(LABELS[proposer(o)]),
            cell(_reason(o), css="reason"),
            cell(*_duration(o)),
            *_param_cells(o, names),
        ]
        for o in shown
    ]
    n_trials = len(history.observations)
    which = (
        f"The best {len(shown)} of {n_trials} trials. "
        if len(shown) < n_trials
        else "All trials, the best first. "
    )
    told = (
        " Expected: where 80 % of the values were to lie, as it was known before the trial; bold"
        " where the value is outside."
        if expected
        else ""
    )
    heads = ["trial", *objective_labels(history), *(["expected"] if expected else [])]
    heads += ["proposer", "rationale", "seconds", *names]
    return note(which + "Click a heading to sort." + told) + table(heads, rows, sortable=True)


def _expected(
    history: History, shown: Sequence[Observation], before: Foretold
) -> dict[int, Sequence[float]]:
    """Return low end, median and high end of what was expected of trials, by number."""
    found: dict[int, Sequence[float]] = {}
    places = [before.levels.index(level) for level in _LEVELS]
    for o, row in zip(before.observations, before.quantiles[:, places], strict=True):
        found[o.number] = [float(q) for q in row]
    for o in shown:
        recorded = recorded_quantiles(history, o, _LEVELS)
        if recorded is not None:
            found[o.number] = recorded
    return found


def _interval_cell(o: Observation, expected: Sequence[float] | None) -> str:
    if expected is None:
        return cell("")
    low, median, high = expected
    value = o.trial.value if o.values is not None else None
    css = "outside" if value is not None and not low <= value <= high else ""
    return cell(f"{low:.4g} to {high:.4g}", median, css)


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
        return [cell(state) for _ in o.signs]
    return [cell(f"{v:.6g}" + " (infeasible)" * is_infeasible(o), v) for v in o.trial.values or ()]


def _param_names(history: History) -> list[str]:
    return list(history.search_space().names)


def _param_cells(o: Observation, names: Sequence[str]) -> list[str]:
    params = o.trial.params
    return [cell(show_value(params[n]), params[n]) if n in params else cell("") for n in names]


def what_ran_it(study: Study, history: History, usage: ModelUse) -> str:
    """Return the samplers of a study with their settings and versions, and what else is known."""
    recorded = sum(o.origin is not None for o in history.observations)
    n_trials, runs = len(history.observations), settings_of(study)
    rows = [
        [cell(run.trial, run.trial), cell(str(run), css="text"), cell(_versions(run.versions))]
        for run in runs[:_MAX_SETTINGS]
    ]
    told = table(["from trial", "sampler, as far as not at its defaults", "with"], rows)
    if not runs:
        told = (
            "<p>The sampler is not recorded: it is of another package, or of an earlier version of"
            f" this one. {recorded} of {n_trials} trials carry a record of optuna-llm.</p>"
        )
    facts = {
        "objective": ", ".join(objective_labels(history)),
        "models": ", ".join(usage.models) or "none",
        **{f"attribute {key}": redact(str(value)) for key, value in study.user_attrs.items()},
        "this page": _versions(installed()),
    }
    return told + table(["", ""], [[cell(k), cell(v, css="text")] for k, v in facts.items()])


def _versions(found: Mapping[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in found.items())
