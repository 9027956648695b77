"""A visit of the demo's chart page: what is answered in it does not come twice, until it ends.

Each opening of the page names a user of its own, so that a chart opened anew tells its whole story.
"""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from cds_service.trust.client import Client
from cds_service.web.runtime import Runtime

_USER = "Practitioner/demo-clinician"
_BYTES = 6


def new_visitor() -> str:
    """Returns the user of one opening of the chart page."""
    return f"{_USER}-{secrets.token_hex(_BYTES)}"


def on_its_visit(here: Runtime, client: Client, user: str | None) -> Client:
    """Returns the client as it answers this user: on a visit it remembers what was answered."""
    visit = (user or "").removeprefix(f"{_USER}-")
    if here.settings.mode != "demo" or not visit or visit == user:
        return client
    return replace(client, visit=visit, suppression=True)
