"""A search that a FHIR server refuses is asked again: cards, or a 412 that names the status."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from cds_service.app import create_app
from cds_service.errors import DataUnavailable
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.pipeline import Evaluation, Pipeline
from cds_service.protocol.request import HookRequest, Secret
from cds_service.records.client import FhirClient
from cds_service.records.gather import RECENT
from cds_service.records.pool import ReadLimits
from cds_service.records.searches import LONGEST_SEARCH, long_searches
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import Settings
from cds_service.telemetry import configure_logging
from cds_service.trust.client import Client, ServerHabits
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Registry
from tests.fhir_resources import NOW, VIEW, instant, lab, pipeline, sodium, taking
from tests.picky_server import Answer, Asked, Picky, Refuses, nothing, picky

SECONDS = 20.0  # a deadline that only a test about deadlines comes near
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-01-01"}
LOW = (PATIENT, sodium("117"), lab("potassium", "3.9"), taking("sertraline"))
STATUSES = [400, 403, 404, 405, 414, 422, 431, 500, 501, 503, 200]


@pytest.fixture
def fhir() -> Iterator[FhirClient]:
    fhir = FhirClient()
    yield fhir
    fhir.close()


def live(fhir: FhirClient) -> Pipeline:
    """The whole service, which reads FHIR servers by this client."""
    service = copy.copy(pipeline())
    service._fhir = fhir
    return service


def call(
    server: Picky,
    fhir: FhirClient,
    *,
    seconds: float = SECONDS,
    service: Pipeline | None = None,
    habits: ServerHabits | None = None,
) -> Evaluation:
    """One patient-view without prefetch; raises DataUnavailable for a 412."""
    client = Client(
        name="mercy",
        anonymous=False,
        fhir_bases=(server.base,),
        allow_private=True,
        habits=habits or ServerHabits(),
    )
    request = HookRequest(
        service=VIEW,
        hook="patient-view",
        hook_instance="i",
        received=NOW,
        patient_id="p1",
        user_id="Practitioner/1",
        fhir_server=server.base,
        token=Secret("t"),
    )
    return (service or live(fhir)).answer(request, client, Deadline.after(seconds))


def has(name: str) -> Callable[[Asked], bool]:
    return lambda asked: name in asked.parameters


def more_codes_than(most: int) -> Callable[[Asked], bool]:
    return lambda asked: asked.codes > most


def longer_than(most: int) -> Callable[[Asked], bool]:
    return lambda asked: asked.length > most


ODD: dict[str, Callable[[Asked], bool]] = {
    "_sort": has("_sort"),
    "_count": has("_count"),
    "_include": has("_include"),
    "status": has("status"),
    "many codes": more_codes_than(35),
    "very many codes": more_codes_than(9),
    "long URL": longer_than(1000),
    "all of them": lambda asked: (
        bool({"_sort", "_count", "_include", "status"} & set(asked.parameters)) or asked.codes > 35
    ),
}


BY_LENGTH = ("many codes", "very many codes", "long URL", "all of them")


def refusing(is_odd: Callable[[Asked], bool], status: int) -> Refuses:
    return lambda asked: status if is_odd(asked) else None


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("odd", ODD)
def test_a_server_that_refuses_a_parameter_gives_cards_or_a_412_that_names_the_status(
    odd: str, status: int, fhir: FhirClient
) -> None:
    with picky(LOW, refusing(ODD[odd], status)) as server:
        first, second = call(server, fhir), call(server, fhir)
    assert [card["source"]["topic"]["code"] for card in first.cards] == ["sodiumSevere"]
    assert [card["uuid"] for card in first.cards] == [card["uuid"] for card in second.cards]
    lacking = {key: s.shown for key, s in second.sources.items() if not s.holds_the_newest}
    lacking = {key: shown for key, shown in lacking.items() if key not in EXTRA}
    if status == 403 and odd in BY_LENGTH:  # a number of codes is no question of access
        assert set(lacking.values()) == {"failed: refused, status 403"}
    else:
        assert lacking == {}


EXTRA = tuple(pipeline().knowledge.services[VIEW].optional)


@pytest.mark.parametrize("status", [*STATUSES, 401, 429])
@pytest.mark.parametrize("kind", ["Observation", "MedicationRequest", "Condition"])
def test_a_type_that_is_always_refused_is_never_an_all_clear(
    kind: str, status: int, fhir: FhirClient
) -> None:
    refuses = refusing(lambda asked: asked.kind == kind, status)
    with picky(LOW, refuses) as server:
        if kind != "Observation":
            answer = call(server, fhir)
            assert answer.cards
            named = "" if status == 200 else f"status {status})"
            assert named in answer.cards[0]["detail"]
            return
        with pytest.raises(DataUnavailable) as refused:
            call(server, fhir)
    expected = "the answer is no searchset" if status == 200 else f"(status {status})"
    assert expected in refused.value.message


@pytest.mark.parametrize("status", STATUSES)
def test_what_worked_is_asked_first_by_the_next_call(status: int, fhir: FhirClient) -> None:
    with picky(LOW, refusing(ODD["all of them"], status)) as server:
        call(server, fhir)
        begun = len(server.searches())
        call(server, fhir)
        again = [asked for asked in server.searches()[begun:] if status != 403 or asked.codes < 36]
    assert all("_sort" not in asked.parameters for asked in again)
    assert all(asked.codes <= 35 for asked in again)


def test_the_forms_that_worked_are_told_in_words_and_forgotten_after_a_while() -> None:
    now = [0.0]
    fhir = FhirClient(clock=lambda: now[0])
    with picky(LOW, refusing(has("_sort"), 400)) as server:
        call(server, fhir)
        call(server, fhir)
        asked = len(server.searches())
        now[0] = 601.0
        call(server, fhir)
        assert len(server.searches()) > asked + 3  # as written, and refused again
    fhir.close()


def test_a_token_that_is_refused_is_not_tried_in_other_forms(fhir: FhirClient) -> None:
    with picky(LOW, refusing(lambda asked: asked.kind == "Observation", 401)) as server:
        with pytest.raises(DataUnavailable, match=r"refused the token of the call \(status 401\)"):
            call(server, fhir)
        assert len(server.searches()) == 4  # sodium, glucose, labs, vitals: once each


def test_a_403_that_no_form_mends_is_not_questioned_in_each_call(fhir: FhirClient) -> None:
    with picky(LOW, refusing(lambda asked: asked.kind == "Condition", 403)) as server:
        for _ in range(4):
            assert call(server, fhir).cards
        assert len(server.searches("Condition")) == 5  # twice in the first call, then once


def test_a_server_that_refuses_everything_is_asked_few_times(fhir: FhirClient) -> None:
    with picky(LOW, lambda asked: 400) as server:
        with pytest.raises(DataUnavailable):
            call(server, fhir)
        assert len(server.asked) <= 5 * 7


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_once_more_when_it_says_so(status: int, fhir: FhirClient) -> None:
    seen: set[str] = set()

    def first_time(asked: Asked) -> Answer | None:
        name = f"{asked.path} {asked.parameters.get('code', '')}"
        if name in seen:
            return None
        seen.add(name)
        return Answer(status, {"Retry-After": "0"})

    with picky(LOW, first_time) as server:
        answer = call(server, fhir)
    assert answer.cards
    assert all(s.holds_the_newest for key, s in answer.sources.items() if key not in EXTRA)


@pytest.mark.parametrize("after", ["60", "999999999", "Fri, 20 Nov 2026 09:00:00 GMT", "-1", "²"])
def test_a_busy_server_is_not_waited_for_beyond_the_deadline(after: str, fhir: FhirClient) -> None:
    busy = Answer(429, {"Retry-After": after.encode("utf-8").decode("latin-1")})
    with picky(LOW, lambda asked: busy) as server:
        with pytest.raises(DataUnavailable, match="429"):
            call(server, fhir)
        searches = [(asked.path, sorted(asked.parameters.items())) for asked in server.asked]
    assert len(searches) == len({str(search) for search in searches}), "it waited and asked again"


def test_other_forms_are_tried_only_inside_the_deadline(fhir: FhirClient) -> None:
    def slow(asked: Asked) -> int | None:
        if asked.kind == "Observation":
            server.ending.wait(0.3)
            return 400
        return None

    with picky(LOW, slow) as server, pytest.raises(DataUnavailable):
        call(server, fhir, seconds=0.5)


def test_searches_ask_to_be_read_leniently(fhir: FhirClient) -> None:
    with picky(LOW) as server:
        call(server, fhir)
        assert {asked.headers["Prefer"] for asked in server.asked} == {"handling=lenient"}


def test_the_status_of_a_failed_read_is_in_the_line_of_the_call_and_its_address_is_not(
    tmp_path: Path,
) -> None:
    stream = io.StringIO()
    with picky(LOW, refusing(lambda asked: asked.kind == "Condition", 500)) as server:
        registry = Registry.demo(server.base)
        settings = Settings(mode="demo", data_dir=tmp_path, public_url="http://cds.test")
        app = create_app(settings, registry=lambda: registry, clock=lambda: NOW)
        configure_logging(stream)
        body = {
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "fhirServer": server.base,
            "context": {"userId": "Practitioner/1", "patientId": "p1"},
        }
        answer = app.test_client().post(f"/cds-services/{VIEW}", json=body)
    structlog.reset_defaults()
    assert answer.status_code == 200
    line = next(json.loads(x) for x in stream.getvalue().splitlines() if '"event": "call"' in x)
    assert line["statuses"] == {"conditions": 500}
    assert "127.0.0.1" not in stream.getvalue()


def old_and_new(count: int, newest: str, days: float = 300) -> list[dict[str, Any]]:
    """So many normal sodiums, evenly through the days before the last, and the newest 2 h ago."""
    step = (days - 1) * 24 / count
    return [*(sodium("139", 24 + step * (count - n)) for n in range(count)), sodium(newest, 2)]


def test_one_page_of_510_results_oldest_first_is_complete(fhir: FhirClient) -> None:
    with picky([PATIENT, *old_and_new(509, "117")]) as server:
        server.sorts = False
        server.refuses = refusing(has("_count"), 400)
        answer = call(server, fhir)
    sodium_read = answer.sources["sodium"]
    assert (len(sodium_read.resources), sodium_read.missing) == (510, None)
    assert "sodium results (" not in answer.cards[0]["detail"]


@pytest.mark.parametrize("newest", ["117", "139"])
def test_a_server_that_gives_the_oldest_first_is_asked_for_the_last_week(
    newest: str, fhir: FhirClient
) -> None:
    with picky([PATIENT, *old_and_new(400, newest)]) as server:
        server.sorts, server.page = False, 10
        answer = call(server, fhir)
        dated = [asked.parameters["date"] for asked in server.searches() if has("date")(asked)]
    assert answer.sources["sodium"].missing == "older"
    assert dated[0] == f"ge{NOW - RECENT:%Y-%m-%d}"
    assert bool(answer.cards) == (newest == "117")
    if newest == "117":
        assert "sodium results (only the newest were read)" in answer.cards[0]["detail"]


@pytest.mark.parametrize("why", ["date ignored", "date refused", "nothing this week"])
def test_a_cut_answer_that_the_date_does_not_mend_is_no_all_clear(
    why: str, fhir: FhirClient
) -> None:
    results = old_and_new(400, "117")
    with picky([PATIENT, *(results[:-20] if why == "nothing this week" else results)]) as server:
        server.sorts, server.page = False, 10
        server.knows_date = why != "date ignored"
        server.refuses = refusing(has("date"), 400) if why == "date refused" else nothing
        with pytest.raises(DataUnavailable, match="more pages than are followed"):
            call(server, fhir)


def test_the_days_that_are_asked_for_reach_further_back_than_any_rule_that_needs_all_results() -> (
    None
):
    for limits in pipeline().knowledge.limits.values():
        assert limits.rate_long_window_hours + timedelta(days=1) <= RECENT


def test_a_part_of_the_codes_that_is_not_read_is_no_all_clear(fhir: FhirClient) -> None:
    """The half that failed may hold the newest result, whatever the other half says."""
    wanted = pipeline().knowledge.services[VIEW].prefetch["sodium"]
    codes = wanted.partition("code=")[2].partition("&")[0].split(",")
    lost = codes[-1].rpartition("|")[2]

    def refuses(asked: Asked) -> int | None:
        return 400 if asked.codes > 1 or lost in asked.parameters.get("code", "") else None

    normal = [sodium("139", hours) for hours in (2, 30, 60)]
    with picky([PATIENT, *normal], refuses) as server:
        for _ in range(2):  # discovered, and remembered
            with pytest.raises(DataUnavailable, match="400"):
                call(server, fhir, habits=ServerHabits(max_codes=1))


def test_a_server_that_only_takes_post_is_read_by_post(fhir: FhirClient) -> None:
    def only_post(asked: Asked) -> int | None:
        is_read = asked.path.startswith(("Patient/", "Encounter/"))
        return None if asked.method == "POST" or is_read else 405

    with picky(LOW, only_post) as server:
        with pytest.raises(DataUnavailable, match="405"):
            call(server, fhir)
        del server.asked[:]
        answer = call(server, fhir, habits=ServerHabits(search="post"))
        assert all("p1" not in asked.path for asked in server.searches())
    assert answer.cards


def test_the_keys_of_the_registry_shape_each_search(fhir: FhirClient) -> None:
    with picky(LOW) as server:
        assert call(server, fhir, habits=ServerHabits(max_codes=20, category="laboratory")).cards
        searches = server.searches()
        assert {asked.parameters["category"] for asked in searches} == {
            "laboratory",
            "vital-signs,exam,survey",
        }
        assert max(asked.codes for asked in searches) <= 20
        assert all("category" not in a.parameters for a in server.searches("MedicationRequest"))


def test_a_next_link_under_another_name_of_the_server_is_read_from_the_registered_base(
    fhir: FhirClient,
) -> None:
    other = "http://inner.example:8080/ehr/r4"
    with picky([PATIENT, *old_and_new(20, "117", days=20)]) as server:
        server.page, server.link_base = 5, other
        server.sorts = False
        with pytest.raises(DataUnavailable, match="also_known_as"):
            call(server, fhir)
        known = ServerHabits(also_known_as=(other,))
        answer = call(server, fhir, habits=known)
    assert answer.sources["sodium"].missing is None
    assert len(answer.sources["sodium"].resources) == 21
    assert answer.cards


def test_results_of_a_patient_under_another_name_of_the_server_are_this_patients(
    fhir: FhirClient,
) -> None:
    other = "http://inner.example:8080/ehr/r4"
    low = {**sodium("117"), "subject": {"reference": f"{other}/Patient/p1"}}
    with picky([PATIENT, low]) as server:
        with pytest.raises(DataUnavailable):
            call(server, fhir)
        assert call(server, fhir, habits=ServerHabits(also_known_as=(other,))).cards


def test_a_long_list_of_local_codes_is_asked_for_in_parts_and_warned_of(
    tmp_path: Any, fhir: FhirClient
) -> None:
    path = tmp_path / "codes.csv"
    system = "urn:oid:2.16.840.1.113883.3.247.1.7.15"
    rows = [f"{system},NA-SERUM-{n:04},,sodium" for n in range(400)]
    path.write_text("\n".join(["system,code,ingredient,analyte", *rows]))
    plain = load_knowledge(default_hooks_dir())
    site = site_codes(plain.terms, codes=path)
    knowledge = asking_for(plain, site)
    warnings = long_searches(service.prefetch for service in knowledge.services.values())
    assert len(warnings) == 1
    assert "'sodium'" in warnings[0]
    assert long_searches(s.prefetch for s in plain.services.values()) == ()
    local = sodium("117")
    local["code"] = {"coding": [{"system": system, "code": "NA-SERUM-0399"}]}
    service = Pipeline(
        knowledge,
        pipeline()._settings,
        fhir,
        type(pipeline()._options)(local_codes=site.local),
    )
    with picky([PATIENT, local]) as server:
        answer = call(server, fhir, service=service)
        longest = max(asked.length for asked in server.asked)
    assert answer.cards
    assert longest <= LONGEST_SEARCH + len("/fhir/")


def test_a_slow_half_is_named_and_never_an_all_clear() -> None:
    """The deadline comes while one of several searches is still open."""
    fhir = FhirClient(ReadLimits())
    newest = sodium("139", 2), sodium("139", 60)

    def slow(asked: Asked) -> None:
        if asked.codes and "2951-2" not in asked.parameters["code"]:
            server.ending.wait(5)

    with picky([PATIENT, *newest], slow) as server, pytest.raises(DataUnavailable):
        call(server, fhir, seconds=0.6, habits=ServerHabits(max_codes=1))
    fhir.close()


def test_instants_of_the_stub_sort_as_text() -> None:
    assert instant(hours=2) > instant(hours=30)
