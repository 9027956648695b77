"""Reads one test patient as a hook call would, and tells what came; no value of the record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import click

from cds_service.cli.ledger import ledger
from cds_service.cli.manners import did_you_mean
from cds_service.cli.prefetch_table import VENDORS
from cds_service.knowledge.load import load_knowledge
from cds_service.knowledge.names import Analyte, Missing, Unused
from cds_service.protocol.request import Secret
from cds_service.records.causes import cause, told
from cds_service.records.client import Access, FhirClient
from cds_service.records.gather import Ask, gather
from cds_service.records.prefetch import Source
from cds_service.records.reader import CallRecords, read_snapshot
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import Settings, naming
from cds_service.terminology.vocabulary import Vocabulary, vocabulary
from cds_service.trust.client import Client
from cds_service.trust.deadline import Deadline

_TEST_S = 10.0
_FORBIDDEN = 403
_LONGEST_CODE = 100
_OF_PATIENT = "patient/"


def records_are_read(
    tested: Client, service: str, patient: str, access_token: str | None, settings: Settings
) -> bool:
    """Searches as a hook call does, and reports counts and forms; no value of the record."""
    if not tested.fhir_bases:
        return ledger().check(False, "it names no FHIR server: give fhir_bases")
    knowledge = load_knowledge(settings.hooks_dir)
    site = site_codes(knowledge.terms, codes=settings.local_codes, named=naming)
    services = asking_for(knowledge, site).services
    if service not in services:
        raise click.BadParameter(
            f"there is no such service{did_you_mean(service, services)}", param_hint="--service"
        )
    ask = Ask(
        templates=services[service].prefetch,
        optional=services[service].optional,
        patient_id=patient,
        fhir_server=tested.fhir_bases[0],
        token=Secret(access_token) if access_token else None,
        client=tested,
        now=datetime.now(UTC),
    )
    if not isinstance(ask.access, Access):
        return ledger().check(
            False,
            "its FHIR server wants a token: give --access-token, or open_access = true in the "
            "entry if it reads without one",
        )
    fhir = FhirClient(ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None)
    # Without the deadline of a call: a slow server is shown too.
    began = time.monotonic()
    sources = gather(ask, fhir, Deadline.after(_TEST_S)).sources
    seconds = time.monotonic() - began
    forms = fhir.forms(ask.access)
    fhir.close()
    whole = _report_sources(ask, sources, forms)
    known = vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders, site.local)
    _show_usable(ask, sources, known, knowledge.words.unused)
    within = seconds * 1000 < tested.deadline_ms
    text = f"all of it in {seconds:.1f} s (deadline_ms {tested.deadline_ms})"
    return ledger().check(within, text) and whole


def _report_sources(ask: Ask, sources: Mapping[str, Source], forms: Mapping[str, str]) -> bool:
    """Reports each key; keys that lack the same for the same cause are one line."""
    told_alike: dict[tuple[bool, str], list[str]] = {}
    kept: dict[str, object] = {}
    for key in (*ask.templates, *ask.client.extra_sources):
        source, scope = sources[key], _scope(ask, key, sources[key])
        asked = f", asked {forms[key]}" if forms.get(key) else ""
        number = len(source.resources)
        found = f"{number} resource{'' if number == 1 else 's'}"
        why = f": {told(source)}" if source.missing is not None else ""
        good = source.holds_the_newest
        line = f"{found}{asked}{why}{scope}"
        told_alike.setdefault((good, line if why else f"{key}: {line}"), []).append(key)
        kept[key] = {
            "resources": number,
            "form": forms.get(key) or "",
            "cause": cause(source),
            "status": source.status,
            "good": good,
        }
    ledger().figure("sources", kept)
    shown = []
    for (good, line), keys in told_alike.items():
        text = line if line.startswith(f"{keys[0]}: ") else f"{', '.join(keys)}: {line}"
        shown.append(ledger().check(good, text))
    return all(shown)


def _scope(ask: Ask, key: str, source: Source) -> str:
    """Returns the scope that a token lacks with which a search is refused, as the guides name it.

    Below 403 the server took the token, so that only its scopes can be too few.
    """
    if source.missing is not Missing.REFUSED or source.status != _FORBIDDEN:
        return ""
    template = {**ask.optional, **ask.templates}[key]
    scopes = VENDORS[ask.client.vendor or "generic"].scopes_of(key, template)
    alike = [one.replace(_OF_PATIENT, "system/", 1) for one in scopes if _OF_PATIENT in one]
    or_else = f", or {', '.join(alike)}" if alike else ""
    return f": its token needs the scope {', '.join(scopes)}{or_else}"


def _show_usable(
    ask: Ask, sources: Mapping[str, Source], known: Vocabulary, unused: Mapping[str, str]
) -> None:
    """Tells how much of what came the rules can use: counts, and the codes that nothing knows."""
    records = CallRecords(
        patient_id=ask.patient_id,
        now=ask.now or datetime.now(UTC),
        bases=ask.client.names_of(ask.client.base_for(ask.fhir_server)),
        sources=sources,
    )
    snapshot = read_snapshot(records, known)
    sodium = sum(lab.analyte == Analyte.SODIUM for lab in snapshot.labs)
    orders = len(snapshot.exposures)
    ledger().note(
        f"The rules can use {sodium} sodium results ({len(snapshot.dropped)} not: their code, "
        f"unit, time or status), "
        f"and {orders - snapshot.unrecognised} of {orders} medication orders."
    )
    ledger().figure("sodium", {"usable": sodium, "not_usable": len(snapshot.dropped)})
    ledger().figure("orders", {"recognised": orders - snapshot.unrecognised, "all": orders})
    _show_dropped(Counter((_shown(one.code), one.why) for one in snapshot.dropped), unused)
    if snapshot.dropped_foreign:
        ledger().note(f"{snapshot.dropped_foreign} resources are of another patient.")


def _show_dropped(counted: Counter[tuple[str, Unused]], unused: Mapping[str, str]) -> None:
    """Names the code of each result that no rule can use, with the reason and how often."""
    rows: list[dict[str, object]] = []
    for (code, why), number in counted.most_common():
        text = unused[why]
        reason = text.partition(": ")[2] or text
        ledger().note(f"  not used: {code or 'without a code'} ({number}): {reason}")
        rows.append({"code": code, "reason": str(why), "number": number})
    ledger().figure("dropped", rows)


def _shown(code: str) -> str:
    """Returns a code on one line; what could move a cursor is left out."""
    return "".join(c for c in code if c.isprintable())[:_LONGEST_CODE]
