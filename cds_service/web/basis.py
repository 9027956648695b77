"""`/basis`: what every card rests on, for a reader without an account. No patient data."""

from __future__ import annotations

from flask import Blueprint, render_template

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
        services=sorted(knowledge.services.values(), key=lambda s: s.id, reverse=True),
        profiles=list(knowledge.limits),
        demo=here.settings.mode == "demo",
    )
