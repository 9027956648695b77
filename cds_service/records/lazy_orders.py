"""The medication list, read when a rule first asks for it: most patients' sodium is normal, and then none does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from cds_service.records.elements import Element
from cds_service.sodium.snapshot import Order


class Listing(Sequence[Order]):
    """The orders that some resources are, in their order, as a tuple would hold them.

    Whose a resource is, and whether it can be read at all, was asked before: that decides what the list lacks.
    """

    def __init__(
        self, resources: Sequence[Element], read: Callable[[Element], Order | None]
    ) -> None:
        self._resources, self._read = resources, read
        self._orders: tuple[Order, ...] | None = None

    def _all(self) -> tuple[Order, ...]:
        if self._orders is None:
            found = map(self._read, self._resources)
            self._orders = tuple([order for order in found if order is not None])
        return self._orders

    @overload
    def __getitem__(self, at: int) -> Order: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Order, ...]: ...
    def __getitem__(self, at: int | slice) -> Order | tuple[Order, ...]:
        return self._all()[at]

    def __iter__(self) -> Iterator[Order]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, Listing) else other)

    __hash__ = None  # type: ignore[assignment]  # it compares like the tuple that it stands for

    def __repr__(self) -> str:
        return repr(self._all())
