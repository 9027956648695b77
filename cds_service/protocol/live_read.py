"""One request of a call to a FHIR server: what was asked, what came, and how long it took."""

from __future__ import annotations

from msgspec import Struct


class LiveRead(Struct, kw_only=True):
    """One request; its URL and body are patient data, which nothing keeps longer than the call.

    The times are seconds of the monotonic clock. `ended` 0: no answer came while the call waited.
    """

    key: str  # prefetch key, or the reference that was followed
    method: str
    url: str
    sent: bytes = b""  # the form of a search by POST
    began: float
    ended: float = 0.0
    status: int = 0  # 0: no answer
    body: bytes = b""
    cause: str = ""  # why there was no answer, in our own words

    @property
    def milliseconds(self) -> float | None:
        """Returns how long the answer took; None if the call did not wait for it."""
        return round((self.ended - self.began) * 1000, 1) if self.ended else None
