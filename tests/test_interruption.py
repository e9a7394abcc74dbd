"""Signals end a command once, in the same way, and never while files are written."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from convverify.cli import interruption, main

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


pytestmark = pytest.mark.usefixtures("dispositions")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a clock that stands, and is set by hand."""
    now = [100.0]
    monkeypatch.setattr(interruption.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("number", NUMBERS)
def test_each_signal_interrupts_as_ctrl_c_does(number: signal.Signals) -> None:
    with interruption.heard():
        assert not interruption.came()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert interruption.came()


def test_signals_of_one_burst_interrupt_once(clock: Any) -> None:
    with interruption.heard():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        for number in NUMBERS * 3:
            clock[0] += 0.2
            signal.raise_signal(number)


def test_a_signal_of_later_interrupts_again(clock: Any) -> None:
    with interruption.heard():
        for number in NUMBERS:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            clock[0] += 2.5


def test_an_exception_that_code_at_work_has_made_of_an_interruption_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def imports(what: str) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__ on 'cached_property' instance") from error

    monkeypatch.setattr("convverify.reporting.plain.show_registries", imports)
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.split() == ["convverify:", "interrupted"]


def test_a_held_signal_waits_until_signals_are_heeded() -> None:
    with interruption.heard():
        interruption.hold()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            interruption.heed()
        interruption.hold()
        interruption.heed()  # which have waited together interrupt once


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruption.heard():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)
        assert not interruption.came()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_dispositions_are_given_back_where_nothing_came() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with interruption.heard():
        assert before != [signal.getsignal(number) for number in NUMBERS]
    assert before == [signal.getsignal(number) for number in NUMBERS]


def test_after_an_interruption_no_other_disturbs_the_end_of_the_process() -> None:
    with interruption.heard(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    for number in NUMBERS:
        signal.raise_signal(number)
