"""`/basis`: what every card rests on, for a reader without an account. No patient data."""

from __future__ import annotations

from flask import Blueprint, render_template

from cds_service.knowledge.basis import in_order, review_rows
from cds_service.web.runtime import runtime

blueprint = Blueprint("basis", __name__)


@blueprint.get("/basis")
def basis() -> str:
    """Rules, words, numbers and sources as they are in hooks/."""
    here = runtime()
    knowledge = here.pipeline.knowledge
    return render_template(
        "basis.html",
        knowledge=knowledge,
        services=in_order(knowledge),
        reviews=review_rows(knowledge.reviews),
        profiles=list(knowledge.limits),
        demo=here.settings.mode == "demo",
    )
