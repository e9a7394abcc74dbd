"""A session: batches go to a host and come back in order; where the host dies, it is known at which trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trials import hosted, session_of, tried

from convverify.campaign.session import Session
from convverify.host.process import HUNG, SIGNALLED
from convverify.judging.script import Plan
from convverify.judging.trial import Trial
from convverify.operands.case import Case

KERNELS = """
import ctypes, os, time

import numpy as np

calls = 0


def conv2d(x, w):
    return x @ w[0, 0]


def dies_of_forty_rows(x, w):
    return os.abort() if x.shape[1] == 40 else x @ w[0, 0]


def hangs_at_forty_rows(x, w):
    while x.shape[1] == 40:
        time.sleep(0.01)
    return x @ w[0, 0]


def hangs_at_the_third_call(x, w):
    global calls
    calls += 1
    while calls == 3:
        time.sleep(0.01)
    return x @ w[0, 0]


def warms_up(x, w):
    global calls
    calls += 1
    if calls == 1:
        time.sleep(0.5)
    return x @ w[0, 0]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a session, with the kernels in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels.py").write_text(KERNELS)
    return tmp_path


def case(rows: int) -> Case:
    """A case with so many rows."""
    return Case.parse(f"x=1x{rows}x2x3 w=1x1x3x2 values=integers seed={rows}")


def trials(session: Session, *rows: int) -> list[Trial]:
    """Trials with so many rows each."""
    return [Trial(session.kernel, case(one)) for one in rows]


def are_right(made: list[Trial]) -> bool:
    """Whether all have been carried out and are right."""
    return all(trial.answered and trial.value_fault is None for trial in made)


# Batches.


def test_batches_come_back_in_the_order_in_which_they_went() -> None:
    with hosted("kernels.py", "conv2d") as session:
        batches = [trials(session, 1, 2, 3), trials(session, 4), trials(session, 5, 6)]
        session.submit(batches[0])
        session.submit(batches[1])
        assert session.on_the_way == 2
        first = session.collect()
        session.submit(batches[2])
        collected = [first, session.collect(), session.collect()]
        assert [batch.trials for batch in collected] == batches
        assert [batch.done for batch in collected] == [3, 1, 2]
        assert all(are_right(batch) for batch in batches)
        assert (session.on_the_way, session.calls, session.dead) == (0, 6, False)


def test_an_empty_batch_is_done() -> None:
    with hosted("kernels.py", "conv2d") as session:
        session.submit([])
        batch = session.collect()
        assert (batch.done, batch.death, batch.trials) == (0, None, [])


def test_a_batch_is_known_to_be_done_without_waiting() -> None:
    session = session_of(lambda x, w: x @ w[0, 0])
    assert not session.is_done()
    session.submit(trials(session, 1))
    assert session.is_done()


def test_what_does_not_fit_is_left_out_and_the_others_are_done() -> None:
    session = session_of(lambda x, w: x @ w[0, 0])
    made = trials(session, 1, 2, 3)
    made[1].case = Case.parse("x=9999x9999x99x1 w=1x1x1x1")
    made[1].problem = made[1].case.problem
    session.submit(made)
    batch = session.collect()
    assert batch.too_large == [made[1]]
    assert batch.trials == [made[0], made[2]]
    assert are_right(batch.trials)


# Deaths.


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize("kernel", ["dies_of_forty_rows", "hangs_at_forty_rows"])
def test_a_death_is_known_at_each_place_of_a_batch(kernel: str, position: int) -> None:
    with hosted("kernels.py", kernel, timeout=0.5) as session:
        rows = [1, 2, 3, 4]
        rows[position] = 40
        made, behind = trials(session, *rows), trials(session, 5, 6)
        session.submit(made, ())
        session.submit(behind, ())
        batch = session.collect()
        assert batch.death is not None
        assert (batch.done, batch.death.case, batch.death.step, batch.death.calling) == (position, position, 0, True)
        assert batch.death.kind == (HUNG if kernel.startswith("hangs") else SIGNALLED)
        assert are_right(made[:position])
        assert not any(trial.observed for trial in made[position:])
        assert batch.lost == behind
        assert (session.on_the_way, session.dead) == (0, True)
        session.fresh()
        again = trials(session, *(one for one in rows if one != 40), 5, 6)
        session.submit(again, ())
        assert session.collect().done == 5
        assert are_right(again)


def test_a_death_in_a_later_step_is_known_as_such() -> None:
    with hosted("kernels.py", "hangs_at_the_third_call", timeout=0.5) as session:
        session.submit(trials(session, 2), ("fresh_output",))
        batch = session.collect()
        assert batch.death is not None
        assert (batch.done, batch.death.case, batch.death.step) == (0, 0, 2)


def test_the_second_of_two_batches_may_be_the_one_that_dies() -> None:
    with hosted("kernels.py", "dies_of_forty_rows") as session:
        made = trials(session, 1, 2), trials(session, 3, 40, 4)
        for several in made:
            session.submit(several, ())
        assert session.collect().death is None
        batch = session.collect()
        assert (batch.done, batch.lost) == (1, [])
        assert batch.death is not None
        assert are_right([*made[0], made[1][0]])


def test_what_was_on_the_way_is_forgotten_where_a_fresh_host_is_asked_for() -> None:
    with hosted("kernels.py", "conv2d") as session:
        session.submit(trials(session, 1))
        session.submit(trials(session, 2))
        session.fresh()
        made = trials(session, 3)
        session.submit(made)
        assert session.on_the_way == 1
        assert session.collect().trials == made
        assert are_right(made)


# Patience.


def test_a_first_call_may_take_longer_and_what_it_took_is_remembered() -> None:
    with hosted("kernels.py", "warms_up", timeout=0.1) as session:
        session.submit(trials(session, 2), ("repeatable",))
        assert session.collect().death is None
        assert 0.4 < session.warm_up < 5.0


def test_a_case_may_be_given_more_time_than_its_limit() -> None:
    with hosted("kernels.py", "hangs_at_forty_rows", timeout=0.2) as session:
        session.submit(trials(session, 1), ())
        session.collect()
        session.patience = 4.0
        session.submit(trials(session, 40), ())
        death = session.collect().death
        assert death is not None
        assert death.number > 0.8


# Asking once more.


def again(plan: Plan) -> None:
    plan.call("again")


def test_a_host_is_asked_once_more_about_a_trial() -> None:
    with hosted("kernels.py", "conv2d") as session:
        trial = tried(session, case(3))
        seen = session.ask(trial, again)["again"]
        assert seen.result is not None
        assert trial.first_values is not None
        np.testing.assert_array_equal(seen.result, trial.first_values)


def test_asking_leaves_what_is_on_the_way_as_it_is() -> None:
    with hosted("kernels.py", "conv2d") as session:
        trial, behind = trials(session, 3, 4)
        session.submit([trial])
        session.submit([behind])
        session.collect()
        assert session.ask(trial, again)["again"].result is not None
        assert session.ask(trial, again)["again"].result is not None
        assert session.is_done()
        assert session.collect().trials == [behind]
        assert are_right([trial, behind])


def test_asking_about_a_case_that_kills_says_nothing_and_the_next_question_is_answered_by_a_fresh_host() -> None:
    with hosted("kernels.py", "dies_of_forty_rows") as session:
        trial, other = tried(session, case(3)), Trial(session.kernel, case(40))
        assert "again" not in session.ask(other, again)
        assert session.dead
        assert session.ask(trial, again)["again"].result is not None
        assert not session.dead


def test_asking_while_a_batch_on_the_way_dies_keeps_its_death_for_who_collects_it() -> None:
    with hosted("kernels.py", "dies_of_forty_rows") as session:
        trial = trials(session, 3)
        session.submit(trial)
        session.submit(trials(session, 40), ())
        session.collect()
        assert session.ask(trial[0], again)["again"].result is not None
        batch = session.collect()
        assert batch.death is not None
        assert batch.done == 0


def test_what_does_not_fit_cannot_be_asked() -> None:
    session = session_of(lambda x, w: x @ w[0, 0])
    trial = tried(session, case(3))

    def too_much(plan: Plan) -> None:
        plan.memory(1 << 60)

    assert session.ask(trial, too_much) == {}


# What a host leaves out.


def test_records_that_are_missing_or_senseless_are_nonsense_of_their_trials() -> None:
    session = session_of(lambda x, w: x @ w[0, 0])
    session.host.mapping.append_record = lambda slot, text: None  # type: ignore[method-assign]
    made = trials(session, 1, 2)
    session.submit(made)
    batch = session.collect()
    assert batch.done == 2
    assert all(trial.first.nonsense for trial in made)
