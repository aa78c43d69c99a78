from __future__ import annotations

import copy
import pickle

from optuna_llm.sharing.streams import RandomStreams


def test_a_stream_depends_on_seed_number_and_whole_name_only() -> None:
    names = ["n_units_l0", "n_units_l1", "n_units_l2", "dropout_l0", "dropout_l1", "", "学习率"]
    streams = RandomStreams(3)
    drawn = {(k, n): streams(k, n).random() for k in (0, 1) for n in names}
    assert len(set(drawn.values())) == len(drawn)
    again = RandomStreams(3)
    assert drawn == {(k, n): again(k, n).random() for k, n in reversed(drawn)}
    assert RandomStreams(4)(0, "n_units_l0").random() not in drawn.values()


def test_without_a_seed_copies_of_an_unused_sampler_differ_and_one_keeps_its_own() -> None:
    streams = RandomStreams(None)
    other = copy.deepcopy(streams)
    assert streams(0, "x").random() != other(0, "x").random()
    sent = pickle.loads(pickle.dumps(streams))
    assert sent(0, "x").random() == streams(0, "x").random()
