"""Replaces what identifies people in a hook call, so that the call can be kept and shared.

It is an allow-list: only members that the service reads are kept (`fhir_types`), the rest of each
resource is left out. Ids, references and systems of a site become numbered names, dates move by
one constant for each patient, and names are taken out of the texts that rules read. Those texts
are listed, because only a person can say that nothing in them points at a patient.
"""

from __future__ import annotations

import re
import secrets
import uuid
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct, field, inspect

from cds_service.errors import BadRequest
from cds_service.protocol.live_read import LiveRead
from cds_service.protocol.wire import decode, encode
from cds_service.records.fhir_types import Form, Quantity, RecordedCoding, Resource

AT = "at"  # the member that says when a call was made; no part of CDS Hooks
RECORDED = "org.hyponatremia-cds.recorded"  # the extension that says for whom it was answered
SERVER = "https://ehr.invalid/fhir"
_OK = range(200, 300)
_SHORTEST_SHIFT, _SHIFTS = 400, 1800  # days
_CONTEXT = ("patientId", "userId", "encounterId")
# What follows a date is a time of day, which stays as it is.
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})(T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})?)?")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_YEAR = re.compile(r"(?:19|20)\d{2}")
_DAY_IN_WORDS = re.compile(r"\d{4}-\d{2}-\d{2}")
# Dates in other forms, addresses, and numbers that are long enough to be somebody's.
_TELLING = re.compile(
    r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
    r"|\b\d{1,2}\.? ?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? \d{4}\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2},? \d{4}\b"
    r"|https?://\S+|\S+@\S+|\+?\d[\d -]{5,}\d",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST_NAME = 3
_SHORTEST_ID = 4
_SHORTEST_PLACE = 3
# Code systems that everybody has; any other may name a hospital.
_COMMON = re.compile(
    r"https?://(?:[a-z.]*hl7\.org|loinc\.org|snomed\.info|unitsofmeasure\.org|www\.nlm\.nih\.gov"
    r"|www\.whocc\.no|fdasis\.nlm\.nih\.gov|[a-z.]*fhir\.org)(?:/.*)?"
    r"|urn:oid:2\.16\.840\.1\.113883\.(?:5|6)\..*|urn:ietf:.*|urn:iso:.*"
)
# Members that hold or point at people, in any resource: their words are taken out of all texts.
_PEOPLE = frozenset(
    {
        *("subject", "patient", "performer", "author", "requester", "recorder"),
        *("asserter", "informationSource", "participant", "individual"),
        *("generalPractitioner", "sender", "receiver", "custodian", "contact"),
        *("prescriber", "resultsInterpreter", "orderer", "dispenser", "actor"),
    }
)
_OF_PEOPLE = frozenset({"display", "text", "family", "given", "name", "prefix", "suffix"})
_NUMBERS_AND_PLACES = ("value", "line", "city", "postalCode")  # members of those below
_NUMBERS_OF_PEOPLE = frozenset({"identifier", "telecom", "address"})
# Prose that somebody wrote: never kept.
_PROSE = frozenset({"note", "patient_instruction", "description", "details"})
# Their display says which drug or specimen; that of any other reference may be a person's name.
_TELLS_WHAT = frozenset(
    {
        *("medication", "medication_reference", "item", "item_reference"),
        *("reason_reference", "reason", "indication", "specimen", "device", "reference"),
    }
)
_CODES = frozenset({"resource_type", "code", "unit", "comparator", "status", "intent", "gender"})
_IDENTIFYING = ("id", "reference", "full_url")
_READ_AS_TEXT = frozenset(
    {
        *("text", "display", "instruction", "administration_instruction", "name", "value_string"),
        *("base_formula_product_name", "additive_product_name", "abatement_string"),
    }
)


class Replaced(Struct, frozen=True, kw_only=True):
    """A call without identifiers, and what a person should look at before it is shared."""

    call: dict[str, Any]
    texts: tuple[str, ...]  # kept, because rules read them
    left_out: tuple[str, ...]  # places of prose that was left out: "Observation.note"
    keys: tuple[str, ...] = ()  # prefetch keys that the service does not know, left out


class _Page(Struct, kw_only=True):
    """What is noted while one call is replaced."""

    days: timedelta
    at: date
    names: re.Pattern[str] | None
    texts: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)


class Replacer:
    """Replaces calls with one table, so that a patient of two calls stays one patient."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._systems: dict[str, str] = {}
        self._days: dict[str, int] = {}

    def replaced(
        self,
        body: Mapping[str, Any],
        at: datetime,
        keys: Mapping[str, str],
        about: Mapping[str, object],
    ) -> Replaced:
        """Returns a hook call of `at` without identifiers; BadRequest if it names no patient.

        `keys` are the prefetch keys that are read, each with our own name for it. `about` says for
        whom the call was answered.
        """
        context = body.get("context")
        if not isinstance(context, dict) or not context.get("patientId"):
            raise BadRequest("The call has no 'context.patientId'.")
        try:
            return self._replaced(body, context, at, keys, about)
        except RecursionError:
            raise BadRequest("The call is nested too deeply.") from None

    def _replaced(
        self,
        body: Mapping[str, Any],
        context: Mapping[str, Any],
        at: datetime,
        keys: Mapping[str, str],
        about: Mapping[str, object],
    ) -> Replaced:
        patient = str(context["patientId"]).rpartition("/")[2]
        shift = self._days.setdefault(patient, _SHORTEST_SHIFT + secrets.randbelow(_SHIFTS))
        days = timedelta(days=shift)
        page = _Page(days=days, at=at.date(), names=_pattern(_told(body)))
        self._id(patient, "Patient")
        call: dict[str, Any] = {
            "hook": str(body.get("hook", "")),
            "hookInstance": str(uuid.uuid4()),
            AT: (at - days).isoformat(),
            "context": self._context(context, page),
        }
        prefetch = body.get("prefetch")
        held = prefetch if isinstance(prefetch, dict) else {}
        if held:
            call["prefetch"] = {
                keys[key]: self._form(value, Resource, page, "prefetch")
                for key, value in held.items()
                if key in keys
            }
        call["extension"] = {RECORDED: dict(about)}
        return Replaced(
            call=call,
            texts=tuple(page.texts),
            left_out=tuple(page.left_out),
            keys=tuple(key for key in held if key not in keys),
        )

    def _context(self, context: Mapping[str, Any], page: _Page) -> dict[str, Any]:
        kept: dict[str, Any] = {
            name: self._reference(context[name], name[:-2].capitalize())
            for name in _CONTEXT
            if context.get(name)
        }
        if "selections" in context:
            chosen = context["selections"]
            listed = chosen if isinstance(chosen, list) else [chosen]
            kept["selections"] = [self._reference(one, "Order") for one in listed]
        if "draftOrders" in context:
            kept["draftOrders"] = self._form(context["draftOrders"], Resource, page, "draftOrders")
        return kept

    # ---- values, by the type that reads them

    def _form(self, value: Any, kind: type[Form], page: _Page, member: str) -> Any:
        """Returns the members of an object that its type reads; a list item by item."""
        if isinstance(value, list):
            return [self._form(one, kind, page, member) for one in value]
        if not isinstance(value, dict):
            return self._plain(value, member, page)
        what = str(value.get("resourceType", "")) if kind is Resource else ""
        kept = {
            there: self._member(value[there], name, kinds, page, what)
            for name, there, kinds in _members(kind)
            if there in value and self._stays(name, there, kind, page, what, member)
        }
        if what == "Patient":
            kept |= self._person(value, page)
        if what == "Bundle" and value.get("type") in _BUNDLES:
            kept["type"] = value["type"]
        return {name: one for name, one in kept.items() if one is not None}

    def _stays(
        self, name: str, there: str, kind: type[Form], page: _Page, what: str, member: str
    ) -> bool:
        """Whether a member is kept; prose that is left out is noted."""
        if name in _PROSE:
            page.left_out[f"{what or kind.__name__}.{there}"] = None
            return False
        if name == "display" and _names_somebody(kind, member):
            return False
        return not _is_left_out(what, name)

    def _member(
        self, value: Any, name: str, kinds: tuple[type[Form], ...], page: _Page, what: str
    ) -> Any:
        if name == "id":
            return self._id(str(value), what) if isinstance(value, str | int) else None
        if name == "link":
            return [_link(one) for one in value if isinstance(one, dict)] if _many(value) else None
        if isinstance(value, list):
            return [self._member(one, name, kinds, page, what) for one in value]
        if isinstance(value, dict):
            return self._form(value, _fitting(kinds, value), page, name)
        return self._plain(value, name, page)

    def _plain(self, value: Any, name: str, page: _Page) -> Any:
        """Returns a text, number or flag without what identifies anybody."""
        if not isinstance(value, str):
            return value
        if name in _IDENTIFYING:
            return self._reference(value, "Resource")
        if name == "system":
            return self._system(value)
        if name == "value" or _is_uuid(value):  # of an Identifier: a quantity's value is no text
            return self._id(value, "Identifier")
        if name in _CODES:
            return "…" if page.names is not None and page.names.fullmatch(value) else value
        moved = _moved(value, page.days)
        if moved is not None:
            return moved
        kept = _without(value, page)
        if name in _READ_AS_TEXT and kept.strip():
            page.texts[kept] = None
        return kept

    def _person(self, patient: Mapping[str, Any], page: _Page) -> dict[str, Any]:
        number = self._id(str(patient.get("id", "")), "Patient").rpartition("-")[2]
        named: dict[str, Any] = {"name": [{"given": ["Patient"], "family": number}]}
        born = patient.get("birthDate")
        if isinstance(born, str):
            named["birthDate"] = _of_same_age(born, page)
        return named

    # ---- the table

    def _id(self, raw: str, kind: str) -> str:
        if raw in self._ids:
            return self._ids[raw]
        word = re.sub(r"(?<!^)(?=[A-Z])", "-", kind or "Resource").lower()
        self._counts[word] = number = self._counts.get(word, 0) + 1
        self._ids[raw] = f"{word}-{number}"
        return self._ids[raw]

    def _reference(self, value: Any, kind: str) -> Any:
        """Returns a reference, relative, absolute, contained or a bare id, with its id replaced."""
        if not isinstance(value, str | int) or isinstance(value, bool):
            return None
        text = str(value)
        if text.startswith("#"):
            return f"#{self._id(text[1:], kind)}"
        if text.lower().startswith("urn:"):
            return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, self._id(text, 'Urn'))}"
        parts = text.partition("/_history/")[0].rstrip("/").split("/")
        if len(parts) == 1:
            return self._id(parts[0], kind)
        known = parts[-2] if re.fullmatch(r"[A-Z][A-Za-z]{2,60}", parts[-2]) else kind
        relative = f"{known}/{self._id(parts[-1], known)}"
        return f"{SERVER}/{relative}" if "://" in text else relative

    def _system(self, value: str) -> str:
        if not value.strip() or _COMMON.fullmatch(value.strip()):
            return value
        number = len(self._systems) + 1
        return self._systems.setdefault(value, f"https://system-{number}.invalid")


_BUNDLES = ("searchset", "collection", "batch", "transaction", "history")


@cache
def _members(kind: type[Form]) -> tuple[tuple[str, str, tuple[type[Form], ...]], ...]:
    """Returns each member that a type reads: its name, its name in JSON, the types of its parts."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)  # noqa: S101  # a Form is a Struct
    return tuple((one.name, one.encode_name, tuple(_kinds(one.type))) for one in described.fields)


def _kinds(described: inspect.Type) -> Iterator[type[Form]]:
    match described:
        case inspect.StructType():
            yield cast("type[Form]", described.cls)
        case inspect.UnionType():
            for one in described.types:
                yield from _kinds(one)
        case inspect.VarTupleType():
            yield from _kinds(described.item_type)


class _Anything(Form, frozen=True):
    """A concept, quantity, range or period: the parts of a member whose type names none."""

    coding: tuple[RecordedCoding, ...] = ()
    text: str = ""
    value: Any = None
    unit: str = ""
    code: str = ""
    comparator: str = ""
    low: Quantity | None = None
    high: Quantity | None = None
    start: str = ""
    end: str = ""


def _fitting(kinds: tuple[type[Form], ...], value: Mapping[str, Any]) -> type[Form]:
    """Returns the type that reads most of an object's members."""
    if not kinds:
        return _Anything
    return max(kinds, key=lambda kind: sum(there in value for _, there, _ in _members(kind)))


def _is_left_out(what: str, name: str) -> bool:
    """Returns True for what only a person has: a Patient keeps its id, age, sex and death."""
    kept = ("resource_type", "id", "gender", "deceased_boolean", "deceased_date_time")
    return what in ("Patient", "Practitioner", "RelatedPerson") and name not in kept


def _names_somebody(kind: type[Form], member: str) -> bool:
    return any(there == "reference" for _, there, _ in _members(kind)) and (
        member not in _TELLS_WHAT
    )


def _many(value: Any) -> bool:
    return isinstance(value, list)


def _is_uuid(value: str) -> bool:
    try:
        uuid.UUID(value.removeprefix("urn:uuid:"))
    except ValueError:
        return False
    return True


def _link(link: Mapping[str, Any]) -> dict[str, str]:
    """Returns a link of a Bundle: what its search asked for, and no address."""
    relation = str(link.get("relation", ""))
    asked = parse_qsl(urlsplit(str(link.get("url", ""))).query)
    kept = [(k, v) for k, v in asked if k in ("code", "status", "category", "_sort", "_count")]
    if relation != "self":
        return {"relation": relation[:20], "url": "urn:uuid:not-kept"}
    return {"relation": relation, "url": f"{SERVER}/?{urlencode(kept)}"}


# ---- dates


def _moved(value: str, days: timedelta) -> str | None:
    """Returns a date or an instant so many days earlier, as precise as before; None for any other.

    A month moves by the days from its middle, and a year by the whole years.
    """
    text = value.strip()
    try:
        if found := _DATED.fullmatch(text):
            return f"{date.fromisoformat(found[1]) - days}{found[2] or ''}"
        if found := _MONTH.fullmatch(text):
            return f"{date(int(found[1]), int(found[2]), 15) - days:%Y-%m}"
        if _YEAR.fullmatch(text):
            return f"{(date(int(text), 7, 1) - days).year}"
    except (ValueError, OverflowError):
        return ""
    return None


def _of_same_age(born: str, page: _Page) -> str:
    """Returns the birth date moved with all else; a day is added or taken if the age differs."""
    moved = _moved(born, page.days)
    if moved is None or not _DAY_IN_WORDS.fullmatch(born.strip()):
        return moved or ""
    was = _years(date.fromisoformat(born.strip()), page.at)
    new = date.fromisoformat(moved)
    tried = (new + timedelta(days=step) for step in (0, 1, -1, 2, -2))
    return str(next((day for day in tried if _years(day, page.at - page.days) == was), new))


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


# ---- words


def _without(text: str, page: _Page) -> str:
    """Returns a text without the names, numbers and addresses of people; its dates are moved."""
    if page.names is not None:
        text = page.names.sub("…", text)
    text = _DAY_IN_WORDS.sub(lambda found: _moved(found[0], page.days) or "…", text)
    return _TELLING.sub(lambda f: f[0] if _DAY_IN_WORDS.fullmatch(f[0]) else "…", text)


def _pattern(told: Iterable[str]) -> re.Pattern[str] | None:
    words = sorted(set(told), key=len, reverse=True)
    if not words:
        return None
    joined = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE)


def _told(value: Any, person: bool = False, member: str = "") -> Iterator[str]:
    """Yields the names of people, and their numbers and ids, wherever they are in a call."""
    waiting: list[tuple[Any, bool, str]] = [(value, person, member)]
    while waiting:
        part, person, member = waiting.pop()
        if isinstance(part, str):
            yield from _telling(part, person, member)
            continue
        if isinstance(part, list):
            waiting += [(one, person, member) for one in part]
        elif isinstance(part, dict):
            waiting += _with_names(part, person)


def _with_names(part: Mapping[str, Any], person: bool) -> Iterator[tuple[Any, bool, str]]:
    """Yields each member of an object, whether it tells of a person, and its name."""
    of_one = person or part.get("resourceType") in ("Patient", "Practitioner")
    for name, one in part.items():
        yield one, (of_one and name not in ("code", "coding")) or name in _PEOPLE, name


def _telling(text: str, person: bool, member: str) -> Iterator[str]:
    """Yields what a text says of a person, if its member is one that names or numbers people."""
    if member in ("id", "reference", "patientId", "userId", "encounterId"):
        own = text.rpartition("/")[2]
        if len(own) >= _SHORTEST_ID and any(letter.isdigit() for letter in own):
            yield own
    elif person and member in _OF_PEOPLE:
        yield from (w for w in _WORD.findall(text) if len(w) >= _SHORTEST_NAME)
    elif person and member in _NUMBERS_AND_PLACES and len(text) >= _SHORTEST_PLACE:
        yield text


# ---- what was read live becomes the prefetch


def with_live_reads(body: Mapping[str, Any], reads: Sequence[LiveRead]) -> dict[str, Any]:
    """Returns a call whose prefetch also holds what the FHIR server answered to the service.

    A key whose last read failed gets nothing. What was followed by reference joins the medicines.
    """
    prefetch = body.get("prefetch")
    held = dict(prefetch) if isinstance(prefetch, dict) else {}
    pages: dict[str, list[Any]] = {}
    followed: list[Any] = []
    for read in reads:
        if read.status not in _OK or not read.body:
            continue
        page = _decoded(read.body)
        if "/" in read.key:
            followed.append(page)
        else:
            pages.setdefault(read.key, []).append(page)
    asked = {unquote(read.url) for read in reads}
    for key, all_ in pages.items():
        first = held.get(key)
        # A first page that was sent is gone on with; all else that was sent has been read anew.
        goes_on = [first] if _next_of(first) else []
        held[key] = _joined([*goes_on, *all_], asked)
    if followed:
        held["medications"] = _joined([held.get("medications") or _EMPTY, *followed], asked)
    return {**body, "prefetch": held} if held else dict(body)


_EMPTY: Mapping[str, Any] = {"resourceType": "Bundle", "type": "searchset"}


def _decoded(body: bytes) -> Any:
    try:
        return decode(body.removeprefix(BOM_UTF8))
    except BadRequest:
        return None


def _joined(pages: Sequence[Any], asked: Collection[str]) -> Any:
    """Returns the pages of one search as one Bundle, or one resource as it is.

    A next link that was not `asked` says that there is more.
    """
    whole = [page for page in pages if isinstance(page, dict)]
    if len(whole) == 1 and whole[0].get("resourceType") != "Bundle":
        return whole[0]
    entries: dict[object, Any] = {}
    for page in whole:
        is_bundle = page.get("resourceType") == "Bundle"
        for entry in (page.get("entry") or []) if is_bundle else [{"resource": page}]:
            entries.setdefault(encode(entry), entry)  # a search that was repeated brings it again
    joined: dict[str, Any] = {**_EMPTY, "entry": list(entries.values())}
    more = [link for page in whole for link in _next_of(page)]
    if any(unquote(str(link.get("url"))) not in asked for link in more):
        joined["link"] = [{"relation": "next", "url": "urn:uuid:not-kept"}]
    return joined


def _next_of(page: Any) -> list[Mapping[str, Any]]:
    """Returns the next links of a Bundle."""
    links = page.get("link") if isinstance(page, dict) else None
    listed = links if isinstance(links, list) else []
    return [one for one in listed if isinstance(one, dict) and one.get("relation") == "next"]
