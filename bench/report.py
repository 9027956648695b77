"""Measures the report over a simulated year with 200,000 issued cards and 50,000 answers."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cds_service.feedback.figures import figures
from cds_service.feedback.report_html import report_page
from cds_service.store.engine import open_database, sqlite_url
from cds_service.store.figures import FigureTables
from tests.feedback.simulated import fill

CARDS, ANSWERS = 200_000, 50_000


def main() -> None:
    """Prints the seconds of each step."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="hyponatremia-bench-") as folder:
        database = open_database(sqlite_url(Path(folder)))
        began = time.perf_counter()
        fill(database, "bench", cards=CARDS, answers=ANSWERS, until=now)
        filled = time.perf_counter()
        year = figures(
            FigureTables(database), ["bench"], (now - timedelta(days=365)).date(), now, {}
        )
        counted = time.perf_counter()
        page = report_page(year)
        written = time.perf_counter()
    print(
        f"fill {filled - began:.1f} s, figures {counted - filled:.2f} s, "
        f"page {written - counted:.3f} s"
    )
    answered = year.total.accepted + year.total.overridden
    print(f"{year.total.cards} cards, {answered} answered, {len(page)} bytes")


if __name__ == "__main__":
    main()
