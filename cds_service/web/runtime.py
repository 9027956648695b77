"""The parts that every page of the service works with; `app.create_app` builds them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from flask import Flask, current_app, request
from msgspec import Struct

from cds_service.feedback.inbox import Inbox
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.suppression import Suppression
from cds_service.pipeline import Pipeline
from cds_service.settings import Settings
from cds_service.store.engine import Database
from cds_service.store.recorder import Recorder
from cds_service.store.switches import Switches
from cds_service.trust.gate import Gate
from cds_service.trust.registry import Registry
from cds_service.trust.smart import SmartServers

EXTENSION = "hyponatremia-cds"


def utc_now() -> datetime:
    """Returns the time; each request reads this clock once."""
    return datetime.now(UTC)


class Runtime(Struct, frozen=True, kw_only=True):
    """The parts of one running deployment."""

    settings: Settings
    pipeline: Pipeline
    registry: Callable[[], Registry]
    gate: Gate
    inbox: Inbox
    database: Database
    recorder: Recorder
    switches: Switches
    pseudonyms: Pseudonyms
    smart: SmartServers
    launch_secret: bytes  # signs what a browser keeps during a launch of the SMART app
    suppression: Suppression | None = None  # None: answered cards are shown again
    rxnorm_release: date | None = None  # of the site's RxNorm index, if it has one
    clock: Callable[[], datetime] = utc_now

    @property
    def index_age_days(self) -> int:
        """The days since the release of the site's RxNorm index; 0 if it has none."""
        released = self.rxnorm_release
        return (self.clock().date() - released).days if released is not None else 0

    def install(self, app: Flask) -> None:
        """Makes this the runtime of `app`."""
        app.extensions[EXTENSION] = self


def runtime() -> Runtime:
    """Returns the runtime of the app that answers this request."""
    return runtime_of(current_app)


def runtime_of(app: Flask) -> Runtime:
    """Returns the runtime of this app."""
    kept: Runtime = app.extensions[EXTENSION]
    return kept


def called_service() -> str:
    """Returns the CDS service that the path of this request names, or "" if none of ours."""
    named = (request.view_args or {}).get("service_id")
    return str(named) if named in runtime().pipeline.knowledge.services else ""
