"""Everything one hook call can know: its prefetch, then what that lacks from the FHIR server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.errors import DataLeftAlone, DataRefused, DataTooSlow, DataUnavailable
from cds_service.protocol.request import Secret
from cds_service.records.breaker import Pause
from cds_service.records.causes import cause
from cds_service.records.client import Access, FhirClient, Read, Reads, Wanted
from cds_service.records.fhir_types import Issue, decode_resource
from cds_service.records.prefetch import (
    ABSENT,
    Query,
    Source,
    as_prefetched,
    page_of,
    prefetched,
    query,
)
from cds_service.sodium.blind_spots import Unlooked
from cds_service.sodium.snapshot import PART_OF, Missing
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client

# If results were cut and are not the newest for certain, those of so many days are asked for alone.
# Rules look back 48 h for a sodium that rises too fast (`rate_long_window_hours`): a week is more
# than that, and little enough for five pages of ten results.
RECENT = timedelta(days=7)

Unreachable = Literal["no-fhir-server", "not-registered", "no-token", "odd-token"]


class Ask(Struct, frozen=True, kw_only=True):
    """One hook call, as far as its data go."""

    templates: Mapping[str, str]  # prefetch key -> template
    optional: Mapping[str, str] = field(default_factory=dict)  # the same, if the client lists it
    patient_id: str
    encounter_id: str | None = None
    prefetch: Mapping[str, object] = field(default_factory=dict)
    fhir_server: str | None = None
    token: Secret | None = None
    odd_token: bool = False  # one came, and cannot be used
    client: Client = field(default_factory=Client)
    now: datetime | None = None  # the time of the call
    trace: Mapping[str, str] = field(default_factory=dict)  # headers that name the call

    @property
    def access(self) -> Access | Unreachable:
        """Leave to read this client's FHIR server, or what it lacks."""
        if self.fhir_server is None:
            return "no-fhir-server"
        base = self.client.base_for(self.fhir_server)
        if base is None:
            return "not-registered"
        if self.token is None and not self.client.open_access:
            return "odd-token" if self.odd_token else "no-token"
        return Access(
            client=self.client.name,
            base=base,
            token=self.token,
            allow_private=self.client.allow_private,
            habits=self.client.habits,
            trace=self.trace,
        )


class Gathered(Struct, frozen=True, kw_only=True):
    """The sources by key, and what may read a few more resources within the same deadline."""

    sources: Mapping[str, Source]
    reads: Reads
    unreachable: Unreachable | None = None  # why nothing could be read live, if nothing could
    pause: Pause | None = None  # since when the FHIR server has been left alone, if it is


def gather(ask: Ask, fhir: FhirClient, deadline: Deadline) -> Gathered:
    """Every key of the templates and every optional key, by the deadline.

    What the prefetch lacks is read live, in parallel and in the order of the templates. An optional
    key that the client's registry entry does not list is NOT_READ. BadRequest if the prefetch
    brings another patient.
    """
    listed: tuple[str, ...] = ask.client.extra_sources
    extras = {key: ask.optional[key] for key in listed if key in ask.optional}
    queries = _queries(ask, {**ask.templates, **extras})
    sources = {key: _in_prefetch(ask, key, asked) for key, asked in queries.items()}
    sources |= {key: _NOT_READ for key in ask.optional if key not in extras}
    older = _older_table(ask)
    sources |= _sent_within_another(ask, sources, older)
    wanted = [
        _wanted(asked, sources[key], ask.now)
        for key, asked in queries.items()
        if asked is not None and _is_unfinished(sources[key])
    ]
    access = ask.access
    reads = fhir.reads(access if isinstance(access, Access) else None, deadline, ask.patient_id)
    for key, read in reads.all(wanted).items():
        after = _after(sources[key], read)
        if not isinstance(access, Access) and after.missing is not None:
            after = replace(after, note=after.note or access)
        sources[key] = after
    return Gathered(
        sources=sources | _missing_with_another(sources, older),
        reads=reads,
        unreachable=None if isinstance(access, Access) else access,
        pause=reads.pause,
    )


def _in_prefetch(ask: Ask, key: str, asked: Query | None) -> Source:
    """Returns what the prefetch holds for a key."""
    if asked is None:
        return _NOT_APPLICABLE
    names = ask.client.prefetch_aliases.get(key, ())
    return prefetched(asked, ask.prefetch, names, ask.client.habits.null_means == "none")


def _sent_within_another(
    ask: Ask, sources: Mapping[str, Source], older: Mapping[str, str]
) -> dict[str, Source]:
    """Returns the keys of PART_OF that came within the key that they belong to."""
    return {
        key: _within(whole, sources[whole])
        for key, whole in older.items()
        if sources[whole].origin == "prefetch" and not _leaves_out(ask, whole, key)
    }


def _missing_with_another(
    sources: Mapping[str, Source], older: Mapping[str, str]
) -> dict[str, Source]:
    """Returns the keys of PART_OF that are missing with the key that they belong to: one reason."""
    return {
        key: _within(whole, sources[key])
        for key, whole in older.items()
        if sources[key].missing and sources[whole].missing
    }


def _within(whole: str, source: Source) -> Source:
    return replace(source, resources=(), missing=None, next_link=None, note=f"in {whole}")


def _older_table(ask: Ask) -> dict[str, str]:
    """Returns PART_OF if the EHR was set up with an older table of queries, as far as it shows.

    Such an EHR asks for vital signs with the laboratory results, and for past medicines with the
    current ones. One that sends either of the newer keys left the other one out, or failed to read
    it.
    """
    if any(_sent(ask, key) for key in PART_OF):
        return {}
    known = ask.templates
    return {key: whole for key, whole in PART_OF.items() if key in known and _sent(ask, whole)}


def _sent(ask: Ask, key: str) -> list[object]:
    """What the prefetch holds for a key, under our name and the client's own names."""
    names = (key, *ask.client.prefetch_aliases.get(key, ()))
    return [ask.prefetch[name] for name in names if name in ask.prefetch]


def _leaves_out(ask: Ask, whole: str, key: str) -> bool:
    """Whether a Bundle says by its own link that its search did not ask for what `key` asks."""
    wanted = dict(parse_qsl(ask.templates[key].partition("?")[2]))
    bundles = [as_prefetched(value) for value in _sent(ask, whole)]
    for link in (link for bundle in bundles if bundle is not None for link in bundle.link):
        asked = dict(parse_qsl(urlsplit(link.url).query)) if link.relation == "self" else {}
        for name in ("status", "code"):
            values = set(wanted.get(name, "").split(","))
            if name in wanted and name in asked and values.isdisjoint(asked[name].split(",")):
                return True
    return False


_NOT_APPLICABLE = Source(state="absent", missing=Missing.NOT_APPLICABLE)
_NOT_READ = Source(state="absent", missing=Missing.NOT_READ)


def _queries(ask: Ask, templates: Mapping[str, str]) -> dict[str, Query | None]:
    context = {"patientId": ask.patient_id, "encounterId": ask.encounter_id}
    return {key: query(key, template, context) for key, template in templates.items()}


def _is_unfinished(source: Source) -> bool:
    return source.next_link is not None or (
        source.state in ("absent", "failed") and source.missing is not Missing.NOT_APPLICABLE
    )


def _wanted(asked: Query, source: Source, now: datetime | None) -> Wanted:
    goes_on = source.next_link is not None
    # Rules look at medicines of more than a week.
    may_be_cut = asked.enough is not None and asked.expected == "Observation"
    return Wanted(
        key=asked.key,
        url=source.next_link if source.next_link is not None else asked.url,
        expected=asked.expected,
        identity=asked.identity,
        so_far=source.resources if goes_on else (),
        enough=asked.enough,
        since=f"{now - RECENT:%Y-%m-%d}" if now is not None and may_be_cut else "",
        goes_on=goes_on,
    )


def _after(source: Source, read: Read) -> Source:
    """What a key is after the live read that followed its prefetch."""
    if read.missing is None:
        return Source(
            state="satisfied" if read.resources else "empty",
            origin="live",
            resources=read.resources,
            bodies=read.bodies,
            said=() if read.resources else _said(read),
        )
    if read.bodies and read.resources:
        return Source(
            state="satisfied",
            origin="live",
            resources=read.resources,
            missing=read.missing,
            bodies=read.bodies,
            status=read.status,
            note=read.note,
        )
    if source.resources or (source.state == "failed" and read.missing is Missing.UNREACHABLE):
        return source
    untried = source.state == "absent" and read.missing is Missing.UNREACHABLE
    return Source(
        state="absent" if untried else "failed",
        missing=read.missing,
        status=read.status,
        note=read.note,
    )


def _said(read: Read) -> tuple[Issue, ...]:
    """What the server warned of in an answer without results."""
    pages = [page_of(decode_resource(body), "") for body in read.bodies]
    return tuple([issue for page in pages if page is not None for issue in page.said])


_NEEDED: Mapping[Unlooked, str] = {
    "sodium": "Sodium results are needed: neither the prefetch key 'sodium' nor a live read "
    "brought them.",
    "medications": "The current medicines are needed: neither the prefetch key 'medications' nor "
    "a live read brought them all.",
    "conditions": "The problem list is needed: neither the prefetch key 'conditions' nor a live "
    "read brought it all.",
    "order": "A selected order could not be read: it, or the Medication or the order of an order "
    "set that it points to, is neither among the draft orders nor readable.",
    "orders": "No draft order came: check that 'draftOrders' holds the selected orders as "
    "resources, and that the EHR's registration holds the scope for unsigned orders.",
}
_PARTLY = "Only a part of the sodium results could be read, and not the newest for certain."
_UNUSABLE = "Sodium could not be checked, although results came."
_IN_PART = frozenset({Missing.TRUNCATED, Missing.IN_PART, Missing.OLDER})
_WHY_UNREACHABLE: Mapping[Unreachable, str] = {
    "no-fhir-server": "The call carries no 'fhirServer'.",
    "no-token": "The call carries no 'fhirAuthorization', and this FHIR server is not registered "
    "as open.",
    "odd-token": "The member 'fhirAuthorization' holds no token that can be used: it needs an "
    "'access_token' and the 'token_type' Bearer.",
    "not-registered": "",  # the registry entry has its own text
}
_SAID: Mapping[Missing, str] = {
    Missing.WARNED: "The FHIR server answered with a warning in place of results.",
    Missing.HIDDEN: "The FHIR server holds more than the user of the call may see.",
}
_KIND: Mapping[Missing, type[DataUnavailable]] = {
    Missing.TIMEOUT: DataTooSlow,
    Missing.REFUSED: DataRefused,
    Missing.LEFT_ALONE: DataLeftAlone,
}


def unavailable(
    what: Unlooked, why: Missing, gathered: Gathered, client: Client, told: str = ""
) -> DataUnavailable:
    """The error for `what` is missing and `why`; fixed texts, nothing of the patient.

    `told` says why a result could not be used, if that is the reason.
    """
    if what == "orders":
        return DataUnavailable(_NEEDED[what])
    code = code_of(what, why, gathered)
    if why is Missing.UNUSABLE:
        error = DataUnavailable(f"{_UNUSABLE} {told} (cause: {code})")
    else:
        needed = _PARTLY if what == "sodium" and why in _IN_PART else _NEEDED[what]
        told = f"{needed} {_cause(what, why, gathered, client)} (cause: {code})"
        error = _KIND.get(why, DataUnavailable)(told)
    error.causes = {what: code}
    return error


def code_of(what: Unlooked, why: Missing, gathered: Gathered) -> str:
    """Returns the code of why `what` is missing; empty if `what` is no source."""
    source = gathered.sources.get(what, ABSENT)
    return cause(replace(source, missing=why)) if what in gathered.sources else ""


def unchecked(what: Unlooked, why: Missing, code: str) -> str:
    """Returns why a call could not be checked, as it is counted: one of few, for each client."""
    if what in ("order", "orders", "unidentified"):
        return "order"
    return code if code in _WHY_UNREACHABLE else _KIND.get(why, DataUnavailable).code


def unidentified(code: str) -> DataUnavailable:
    """The error for a selected order of which neither code (in our words) nor name is known."""
    return DataUnavailable(
        f"The selected order could not be identified ({code}): it needs the name of the medicine, "
        "or a code that this service knows."
    )


def _cause(what: Unlooked, why: Missing, gathered: Gathered, client: Client) -> str:
    source = gathered.sources.get(what, ABSENT)
    if why is Missing.TIMEOUT:
        return "The FHIR server is taking too long to respond and guidance cannot be provided."
    if why is Missing.REFUSED:
        return (
            f"The FHIR server refused the token of the call{_with_status(source)}: "
            "check its scopes and how long it is valid."
        )
    if why is Missing.VERSION:
        return "The results are of another FHIR version than R4."
    if why in _SAID:
        return _SAID[why]
    if why is Missing.LEFT_ALONE:
        since = gathered.pause.words() if gathered.pause is not None else "left alone"
        return f"The FHIR server was not asked: {since}."
    if gathered.unreachable is not None:
        return _WHY_UNREACHABLE[gathered.unreachable] or client.refusal
    if source.note:
        it = "it all" if source.resources else "it"
        return f"The FHIR server did not give {it}{_with_status(source)}: {source.note}."
    return f"The FHIR server did not give it{_with_status(source)}."


def _with_status(source: Source) -> str:
    return f" (status {source.status})" if source.status else ""
