"""What reading one resource needs beside the resource itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from cds_service.records.products import Index
from cds_service.terminology.vocabulary import Vocabulary


class ReadContext(Struct, frozen=True, kw_only=True):
    """One call: its words, its clock, and the resources that others refer to."""

    vocabulary: Vocabulary
    index: Index
    now: datetime
    zone: timedelta | None = None
    encounter: str = ""  # "Encounter/7" of the context; "" without one
