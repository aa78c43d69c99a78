"""How much of a search goes to the neighbourhood of its best trial: as much as that has paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_llm.history.progress import spent_share


if TYPE_CHECKING:
    from optuna_llm.history.history import History


MIN_SHARE = 0.1
MAX_SHARE = 0.9
# Before any result half of the trials of either kind are taken to improve on the best; that counts
# as so many trials.
_PRIOR_TRIALS = 4.0
_PRIOR_RATE = 0.5
# Each newer result lets the weight of the older ones fade by this factor, until nothing is left.
_FADING = 0.95
_MEMORY = 200


def local_share(history: History, n_trials: int | None = None) -> float:
    """Return the share of the trials that a search near the best trial has earned.

    Searches differ in what pays. Where a surrogate predicts well, the best of all candidates is
    worth more than a neighbour of the best trial; where it does not, neighbours are. So the rates
    at which trials of both kinds have improved on the best trial before them are compared, and
    each kind gets its part. Towards the end of an announced budget what is found far away can no
    longer be refined: the least share of the local search rises with the square of what is spent.

    Args:
        history: The study.
        n_trials: How many trials the study will have; None where nobody knows.

    Returns:
        Between 0.1 and 0.9; 0.5 before any result.
    """
    place = {o.number: i for i, o in enumerate(history.ranking)}
    trials, successes = ({"local": 0.0, "global": 0.0} for _ in range(2))
    known = [o for o in history.observations if o.number in place]
    best = min((place[o.number] for o in known[:-_MEMORY]), default=len(place))
    for o in known[-_MEMORY:]:
        for tally in (trials, successes):
            tally.update({kind: _FADING * n for kind, n in tally.items()})
        if o.expected.reach:
            trials[o.expected.reach] += 1
            successes[o.expected.reach] += place[o.number] < best
        best = min(best, place[o.number])
    rates = {
        kind: (successes[kind] + _PRIOR_RATE * _PRIOR_TRIALS) / (n + _PRIOR_TRIALS)
        for kind, n in trials.items()
    }
    share = rates["local"] / (rates["local"] + rates["global"])
    least = MIN_SHARE + (MAX_SHARE - MIN_SHARE) * spent_share(history, n_trials) ** 2
    return min(max(share, least), MAX_SHARE)
