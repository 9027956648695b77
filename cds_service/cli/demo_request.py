"""`cds-service demo request`: a story's hook call that makes the service read live."""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import click

from cds_service.cli.demo_options import FHIR_BASE, fhir_token
from cds_service.cli.offline import chosen_stories
from cds_service.demo.stories import Story, default_fixtures_dir
from cds_service.protocol.secret import Secret
from cds_service.protocol.wire import encode

_TOKEN_S = 300


@click.command("request")
@click.argument("name", metavar="STORY")
@FHIR_BASE
def command(name: str, base: str) -> None:
    """Print the hook call of STORY as of now, without prefetch: the service must read from the FHIR server.

    With DEMO_FHIR_TOKEN set, the call carries that token for the FHIR server, as an EHR's would.

    \b
    Example, after `demo load`, with `cds-service demo --fhir-base http://127.0.0.1:8080/fhir` running:
      cds-service demo request cramps-in-siadh --fhir-base http://127.0.0.1:8080/fhir | curl -s \\
        -H 'Content-Type: application/json' --data-binary @- \\
        http://127.0.0.1:8642/cds-services/hyponatremia-patient-view
    """
    (story,) = chosen_stories(default_fixtures_dir(), (name,))
    sys.stdout.write(
        encode(live_call(story, base, fhir_token(), datetime.now(UTC))).decode() + "\n"
    )


def live_call(story: Story, base: str, token: Secret | None, now: datetime) -> dict[str, Any]:
    """The story's hook call at `now`, with the FHIR server in place of the prefetch."""
    call = story.request_at(now)
    call.pop("prefetch", None)
    call |= {"hookInstance": str(uuid.uuid4()), "fhirServer": base}
    if token is not None:
        call["fhirAuthorization"] = {
            "access_token": token.reveal(),
            "token_type": "Bearer",
            "expires_in": _TOKEN_S,
            "scope": "user/*.read",
            "subject": "hyponatremia-cds",
        }
    return call
