"""Turns: calls that are made one at a time, each when the judge says so, by the judge's clock.

All that can be done before is done before: the clock runs from the moment when the judge asks until the result's bytes are in the shared
memory and it has been told so.  The two sides speak through two words: the turn that is asked for, and the one that is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .mapping import PAGE, TURN, TURNED, Mapping

READY = 0xFFFFFFFF  # what the host says when it is ready for the first turn
CONVERT, CALL, END = 1, 2, 3  # what a turn is for: the low bits of its number
_LOOK = 0.5  # seconds after which one looks whether the judge is still there


def take_turns(
    mapping: Mapping, operands: tuple[Any, Any], room: Any, convert: Callable[[Any], Any] | None,
    call: Callable[[Any, Any], tuple[dict[str, Any], Any]], show: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Take turns until the judge ends them, or a call fails.

    `operands` lie where the judge will put their values, `room` is where results go, as many bytes as are expected.  `call` makes a call,
    and returns what came of it, and what is to be thrown away when the clock has stopped.  `show` lets the judge see what came of a call,
    where it is another than before.
    """
    for array in operands:
        array.reshape(-1).view("u1")[::PAGE].max(initial=0)  # pages that are touched now cost nothing later
    room[::PAGE] = 0
    parent, turn, shown = os.getppid(), 0, None
    given = list(operands)
    mapping.set_word(TURNED, READY)
    while True:
        turn = _next_turn(mapping, turn, parent)
        if turn & 3 == CONVERT and convert is not None:
            given = [convert(array) for array in operands]
            mapping.set_word(TURNED, turn)
        elif turn & 3 == CALL:
            outcome, waste = call(*given)
            if outcome != shown:
                shown = outcome
                show(outcome)
            mapping.set_word(TURNED, turn)
            del waste
            if "error" in outcome:
                return
            given = [array[:] for array in operands]  # new objects each time, for nobody to know them again
        else:
            return


def _next_turn(mapping: Mapping, turn: int, parent: int) -> int:
    while (asked := mapping.wait(TURN, turn, _LOOK)) == turn:
        if os.getppid() != parent:
            os._exit(0)
    return asked
