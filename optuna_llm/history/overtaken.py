"""Whether two workers have come to the same configuration at the same moment.

A sampler announces its proposal, then looks at the study once more: whoever writes last sees the
other, so that one of the two at least can propose something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_llm.space.tried import Tried


if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from optuna_llm.history.history import History
    from optuna_llm.space.search_space import SearchSpace


def is_overtaken(
    configuration: Mapping[str, Any], space: SearchSpace, before: History, now: History
) -> bool:
    """Say whether another worker has come to a configuration that was just announced.

    Args:
        configuration: Native parameters.
        space: Their space.
        before: The study, as it was when the configuration was proposed.
        now: The same study after it was announced.
    """
    settled = {o.number for o in before.observations if o.state.is_finished()}
    newer = [(o.intended, ()) for o in now.observations if o.number not in settled]
    return bool(configuration) and Tried.of(space, newer).repeats(configuration)
