"""A development deployment on any database, as tests of what is kept need it: no tokens, suppression on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask

from cds_service.app import Pages, create_app
from cds_service.demo.stories import Story
from cds_service.settings import Settings
from cds_service.web.pages import start_page
from cds_service.web.runtime import runtime_of
from tests.conftest import NOW
from tests.patience import PATIENCE_S

PATIENT_VIEW = "/cds-services/hyponatremia-patient-view"


def deployment(
    folder: Path,
    url: str = "",
    clock: Callable[[], datetime] = lambda: NOW,
    entry: str = "",
    pages: Pages = (start_page,),
    **settings: Any,
) -> Flask:
    """The service with one client that has no keys; `entry` is for more lines of it."""
    clients = folder / "clients.toml"
    bases = "'https://fhir.mercy.example/r4', 'https://old.mercy.example/r4'"
    clients.write_text(f"[clients.mercy]\nfhir_bases = [{bases}]\n{entry}", encoding="utf-8")
    return create_app(
        Settings(
            mode="development",
            clients_file=clients,
            data_dir=folder,
            database_url=url,
            public_url="http://cds.test",
            **settings,
        ),
        pages=pages,
        clock=clock,
    )


def a_call(story: Story, now: datetime = NOW, user: str = "Practitioner/7") -> dict[str, Any]:
    """A story's hook call by this user."""
    call: dict[str, Any] = json.loads(json.dumps(story.request_at(now), default=float))
    call["context"]["userId"] = user
    return call


def feedback(card: str, outcome: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A feedback call with one item."""
    item: dict[str, Any] = {
        "card": card,
        "outcome": outcome,
        "outcomeTimestamp": at.isoformat(),
        **more,
    }
    if outcome == "accepted":
        item.setdefault("acceptedSuggestions", [{"id": "one"}])
    return {"feedback": [item]}


def settle(app: Flask) -> None:
    """Wait until the rows of all calls are written."""
    assert runtime_of(app).recorder.flush(PATIENCE_S)


def close(app: Flask) -> None:
    """Let go of threads and connections."""
    runtime_of(app).recorder.close(1)
    runtime_of(app).database.engine.dispose()
