"""A property that is worked out when it is first asked for, without a lock.

functools.cached_property of Python 3.11 takes one lock for all objects of a class, so that calls
in two threads wait for each other while each works out its own part. From Python 3.12 it has none:
this module goes when 3.11 is supported no longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_T = TypeVar("_T")


class cached_property(Generic[_T]):  # noqa: N801  # the name that readers know
    """Keeps what a method returns in the object, under the name of the method."""

    def __init__(self, work: Callable[[Any], _T]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Takes the name under which the value is kept."""
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[_T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...

    def __get__(self, instance: object | None, owner: type) -> cached_property[_T] | _T:
        """Works out the value; the next look finds it in the object and does not come here."""
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._work(instance)
        return value
