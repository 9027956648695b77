"""What every page of the service works with; built by `app.create_app`, found in the Flask app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Flask, current_app

from cds_service.feedback.inbox import Inbox
from cds_service.pipeline import Pipeline
from cds_service.settings import Settings
from cds_service.stories import Story
from cds_service.trust.registry import Registry

EXTENSION = "hyponatremia-cds"


def utc_now() -> datetime:
    """The only look at the clock in the whole service: once for each request."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One deployment at work."""

    settings: Settings
    pipeline: Pipeline
    registry: Callable[[], Registry]
    inbox: Inbox
    stories: Mapping[str, Story] = field(default_factory=dict)  # demo mode only
    clock: Callable[[], datetime] = utc_now

    def install(self, app: Flask) -> None:
        """Make it the runtime of this app."""
        app.extensions[EXTENSION] = self


def runtime() -> Runtime:
    """The runtime of the app that answers this request."""
    found: Runtime = current_app.extensions[EXTENSION]
    return found
