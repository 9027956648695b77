"""What every page of the service works with; built by `app.create_app`, found in the Flask app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from flask import Flask, current_app
from msgspec import Struct, field

from cds_service.demo.stories import Story
from cds_service.feedback.inbox import Inbox
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.suppression import Suppression
from cds_service.pipeline import Pipeline
from cds_service.settings import Settings
from cds_service.store.engine import Database
from cds_service.store.recorder import Recorder
from cds_service.trust.gate import Gate
from cds_service.trust.registry import Registry

EXTENSION = "hyponatremia-cds"


def utc_now() -> datetime:
    """The only look at the clock in the whole service: once for each request."""
    return datetime.now(UTC)


class Runtime(Struct, frozen=True, kw_only=True):
    """One deployment at work."""

    settings: Settings
    pipeline: Pipeline
    registry: Callable[[], Registry]
    gate: Gate
    inbox: Inbox
    database: Database
    recorder: Recorder
    pseudonyms: Pseudonyms
    suppression: Suppression | None = None  # None: no card stays away, whatever was answered
    rxnorm_release: date | None = None  # of the site's RxNorm index, where there is one
    stories: Mapping[str, Story] = field(default_factory=dict)  # demo mode only
    clock: Callable[[], datetime] = utc_now

    def install(self, app: Flask) -> None:
        """Make it the runtime of this app."""
        app.extensions[EXTENSION] = self


def runtime() -> Runtime:
    """The runtime of the app that answers this request."""
    return runtime_of(current_app)


def runtime_of(app: Flask) -> Runtime:
    """The runtime of this app."""
    found: Runtime = app.extensions[EXTENSION]
    return found
