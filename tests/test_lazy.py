"""A part of a case is worked out once, and one call does not wait for the part of another."""

from __future__ import annotations

import threading

from cds_service.lazy import cached_property

WAIT_S = 10


class Slow:
    """Works out its part when it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.times = 0

    @cached_property
    def part(self) -> int:
        """Returns 7."""
        self.times += 1
        self.begun.set()
        assert self.may_end.wait(WAIT_S)
        return 7


def test_a_part_is_worked_out_once() -> None:
    one = Slow()
    one.may_end.set()
    assert (one.part, one.part, one.times) == (7, 7, 1)
    assert isinstance(Slow.part, cached_property)


def test_a_heavy_body_of_one_call_does_not_hold_up_the_parts_of_another() -> None:
    heavy, quick = Slow(), Slow()
    quick.may_end.set()
    holder = threading.Thread(target=lambda: heavy.part)
    asker = threading.Thread(target=lambda: quick.part)
    holder.start()
    assert heavy.begun.wait(WAIT_S)
    asker.start()
    asker.join(WAIT_S)
    waits = asker.is_alive()
    heavy.may_end.set()
    holder.join(WAIT_S)
    assert not waits, "the call with a usual body waited for the part of a heavy one"
