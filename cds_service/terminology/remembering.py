"""Remembers answers without what was asked, so that no word of a record outlives its call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")


def remembering(function: Callable[_Asked, _Answer], most: int = 2048) -> Callable[_Asked, _Answer]:
    """Returns the function with a memory for its latest answers; they must hold no free text.

    The memory holds a hash of what was asked, with 64 bits and a seed that each process makes up:
    two texts of the same hash would share an answer, once in a billion years of calls.
    """
    answers: dict[int, _Answer] = {}
    lock = threading.Lock()

    def answer(*asked: _Asked.args, **named: _Asked.kwargs) -> _Answer:
        key = hash(asked)
        if key in answers:
            try:
                return answers[key]
            except KeyError:  # another thread has just forgotten it
                return function(*asked, **named)
        found = function(*asked, **named)
        with lock:
            if len(answers) >= most:
                del answers[next(iter(answers))]
            answers[key] = found
        return found

    return answer
