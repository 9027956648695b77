"""Why, and why not: what a tester or an analyst needs most when there is no card. No patient data.

The same object is the response extension and the output of `cds-service explain`.
"""

from __future__ import annotations

from typing import Any

from cds_service.engine.cards import Desk, Writer
from cds_service.engine.finding import Finding
from cds_service.knowledge.load import Knowledge, Service
from cds_service.pipeline import Evaluation

EXTENSION_NAME = "org.hyponatremia-cds.explanation"


def explanation(
    evaluation: Evaluation, service: Service, knowledge: Knowledge, *, with_values: bool = False
) -> dict[str, Any]:
    """Each prefetch key's state, each rule that fired, and for each other rule the first unmet condition.

    Values of the patient are in it only `with_values`, which is for the command line.
    """
    told: dict[str, Any] = {
        "knowledge": knowledge.sha256[:16],
        "sources": {
            key: _source(source.state, source.origin, source.missing)
            for key, source in evaluation.sources.items()
        },
        "returned": [finding.rule for finding in evaluation.returned],
        "suppressed": [finding.rule for finding in evaluation.suppressed],
        "fired": [o.rule for o in evaluation.outcomes if isinstance(o, Finding)],
    }
    if evaluation.reason:
        told["reason"] = evaluation.reason
    if evaluation.case is not None:
        snapshot = evaluation.case.snapshot
        told["foreignResources"] = snapshot.dropped_foreign
        told["unrecognisedOrders"] = snapshot.unrecognised
        told["profile"] = evaluation.case.limits.profile
        desk = Desk(base_url="", terminology_base="", secret=b"")
        writer = Writer(knowledge, service, desk, evaluation.case.limits.profile)
        told["silent"] = [
            {"rule": o.rule, "because": writer.silence(o, with_values=with_values)}
            for o in evaluation.outcomes
            if not isinstance(o, Finding)
        ]
    return {name: value for name, value in told.items() if value not in ({}, [], "")}


def _source(state: str, origin: str, missing: str | None) -> str:
    where = f" ({origin})" if origin != "none" else ""
    return f"{state}{where}" + (f": {missing}" if missing else "")
