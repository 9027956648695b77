"""Where words of a drawing find room: beside no other words, and on no curve and no point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

_CHARACTER = 7.2  # the width of a bold letter; what is placed is never wider than reckoned
_ABOVE, _BELOW = 11.0, 3.0  # of letters, over and under the line on which they are written

Place = tuple[float, float]


class Box(Struct, frozen=True):
    """A rectangle of the drawing; down is more."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Returns whether the two have a place in common."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def is_crossed(self, start: Place, end: Place) -> bool:
        """Returns whether a straight line from `start` to `end` goes through the rectangle."""
        enters, leaves = 0.0, 1.0
        for begin, step, low, high in (
            (start[0], end[0] - start[0], self.left, self.right),
            (start[1], end[1] - start[1], self.top, self.bottom),
        ):
            if step == 0:
                if not low < begin < high:
                    return False
                continue
            first, last = sorted(((low - begin) / step, (high - begin) / step))
            enters, leaves = max(enters, first), min(leaves, last)
        return enters < leaves


class Label(Struct, frozen=True):
    """Words at the middle of their line."""

    words: str
    x: float
    y: float

    @property
    def box(self) -> Box:
        """The room that the words take."""
        half = len(self.words) * _CHARACTER / 2
        return Box(self.x - half, self.y - _ABOVE, self.x + half, self.y + _BELOW)


class Crowd:
    """What is drawn already: curves, points and words."""

    def __init__(self, curves: Iterable[Sequence[Place]], within: Box) -> None:
        """Takes curves as their corners, and the rectangle that no words may leave."""
        self._lines = [pair for curve in curves for pair in pairwise(curve)]
        self._boxes: list[Box] = []
        self._within = within

    def add_point(self, place: Place, radius: float) -> None:
        """Keeps words away from a point."""
        x, y = place
        self._boxes.append(Box(x - radius, y - radius, x + radius, y + radius))

    def add_line(self, start: Place, end: Place) -> None:
        """Keeps words away from a straight line."""
        self._lines.append((start, end))

    def add(self, label: Label) -> None:
        """Keeps other words away from these."""
        self._boxes.append(label.box)

    def first_free(self, labels: Iterable[Label]) -> Label | None:
        """Returns the first of these labels that has room, and keeps others away from it."""
        for label in labels:
            if self._has_room(label.box):
                self.add(label)
                return label
        return None

    def _has_room(self, box: Box) -> bool:
        inside = self._within.left <= box.left and box.right <= self._within.right
        if not inside or box.top < self._within.top or box.bottom > self._within.bottom:
            return False
        if any(box.meets(taken) for taken in self._boxes):
            return False
        return not any(box.is_crossed(*ends) for ends in self._lines)
