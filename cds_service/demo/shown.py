"""The resources of a chart as the service judges them: plot and cards are of one case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from cds_service.chart.view import View, view_of
from cds_service.demo.chart import Chart
from cds_service.errors import ServiceError
from cds_service.knowledge.load import Service
from cds_service.protocol.references import type_and_id
from cds_service.protocol.request import HookRequest
from cds_service.telemetry import fresh_id
from cds_service.trust.client import Client, ExtraSource
from cds_service.trust.deadline import Deadline
from cds_service.web.runtime import Runtime

HOOK = "patient-view"
_PATIENCE_S = 5.0
# Doses and diets that a chart shows and most EHRs do not send.
_MORE: tuple[ExtraSource, ...] = ("MedicationAdministration", "NutritionOrder")
# Where each kind of resource goes; Observations are sorted by their codes.
_KEYS: dict[str, str] = {
    "Condition": "conditions",
    "MedicationRequest": "medications",
    "Medication": "medications",
    "MedicationAdministration": "MedicationAdministration",
    "NutritionOrder": "NutritionOrder",
}
_SEARCHES = (
    *("sodium", "glucose", "labs", "vitals", "conditions", "medications", "pastMedications"),
    *_MORE,
)


def patient_view(here: Runtime) -> Service:
    """Returns the service that answers when a chart is opened."""
    services = here.pipeline.knowledge.services.values()
    return next(service for service in services if service.hook == HOOK)


def shown_case(
    here: Runtime,
    client: Client,
    resources: Iterable[Mapping[str, Any]],
    record: Chart,
    now: datetime,
) -> View | None:
    """Returns the view of the chart; None if these resources make no patient that can be judged."""
    _, patient = type_and_id(record.patient_id)
    _, encounter = type_and_id(record.encounter_id)
    if not patient:
        return None
    service = patient_view(here)
    call = HookRequest(
        service=service.id,
        hook=HOOK,
        hook_instance=fresh_id(64),
        patient_id=patient,
        encounter_id=encounter or None,
        received=now,
        prefetch=_prefetch(resources, record),
    )
    asked = replace(client, explain_missing_data=True, extra_sources=_MORE)
    try:
        case = here.pipeline.answer(call, asked, Deadline.after(_PATIENCE_S)).case
    except ServiceError:
        return None
    return view_of(case) if case is not None else None


def _prefetch(resources: Iterable[Mapping[str, Any]], record: Chart) -> dict[str, Any]:
    """Returns what an EHR with these resources would send; drafts are not signed and stay out."""
    sodium = {result.id for result in record.sodium}
    sorted_in: dict[str, list[Any]] = {key: [] for key in _SEARCHES}
    single: dict[str, Any] = {}
    for one in resources:
        kind = one.get("resourceType")
        if kind in ("Patient", "Encounter"):
            single.setdefault(str(kind).lower(), one)
            continue
        if kind == "Observation":
            sorted_in["sodium" if one.get("id") in sodium else "labs"].append(one)
        elif kind in _KEYS and one.get("status") != "draft":
            sorted_in[_KEYS[str(kind)]].append(one)
    bundles = {
        key: {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": one} for one in found],
        }
        for key, found in sorted_in.items()
    }
    return single | bundles
