"""`/` outside demo mode: where a person lands who opens the service's address in a browser."""

from __future__ import annotations

from flask import Blueprint, render_template

from cds_service.web.runtime import runtime

blueprint = Blueprint("start", __name__)


@blueprint.get("/")
def start() -> str:
    """What this service is, and the addresses that matter."""
    here = runtime()
    knowledge = here.pipeline.knowledge
    return render_template(
        "start.html",
        base=here.settings.base_url,
        services=knowledge.services.values(),
        reviewed=knowledge.reviews.complete,
    )
