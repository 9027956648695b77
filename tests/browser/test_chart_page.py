"""What a clinician and a tester do on the chart page, in a real browser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from cds_service.demo.stories import default_fixtures_dir, load_story
from tests.browser.conftest import PATIENCE_MS, Open

FIXTURES = default_fixtures_dir()
expect.set_options(timeout=PATIENCE_MS)


def _cards(page: Page) -> Locator:
    return page.locator("#cards article.card")


def _call(page: Page, kind: str) -> Locator:
    """The newest exchange of a kind."""
    return (
        page.locator("#exchange > li")
        .filter(has=page.locator("b", has_text=re.compile(f"^{kind}$")))
        .first
    )


def test_the_list_filters_as_one_types(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_label(re.compile("^Find a patient")).fill("third day of the vaptan")
    expect(page.locator("#count")).to_have_text(re.compile("^1 of [0-9]+ patients$"))
    page.get_by_role("link", name=re.compile("Paul Leclerc")).click()
    expect(page.get_by_role("heading", name="Paul Leclerc")).to_be_visible()
    page.go_back()
    expect(page.get_by_label(re.compile("^Find a patient"))).to_have_value(
        "third day of the vaptan"
    )
    expect(page.locator("#count")).to_have_text(re.compile("^1 of "))


def test_a_list_with_a_filter_can_be_sent_as_a_link(open_page: Open) -> None:
    page = open_page("/#100%25")
    expect(page.get_by_label(re.compile("^Find a patient"))).to_have_value("100%")
    page = open_page("/#%E2%9")
    expect(page.locator("#count")).to_have_text(re.compile("^[0-9]+ patients$"))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("3%", "3 % saline for sodium 132, no severe symptoms"),
        ("hypertonic mild", "3 % saline for sodium 132, no severe symptoms"),
        ("zoloft", "Going home with a sodium of 128"),
    ],
)
def test_a_patient_is_found_by_brand_and_strength(words: str, name: str, open_page: Open) -> None:
    page = open_page("/")
    page.get_by_label(re.compile("^Find a patient")).fill(words)
    expect(page.locator("#patients li:visible").filter(has_text=name)).to_have_count(1)
    group = page.locator("#patients .group:visible").first
    expect(group.locator(".count")).to_have_text(re.compile(r"^\d+ of \d+$"))


def test_patients_are_grouped_with_sodium_and_level(open_page: Open) -> None:
    page = open_page("/")
    group = page.locator(".group").filter(
        has=page.get_by_role("heading", name="Sodium rises too fast")
    )
    row = group.locator("li").filter(has_text="Sodium 118 to 127 in 24 hours")
    expect(row.locator(".tags")).to_contain_text("sodium 127 mmol/L")
    expect(row.locator(".level")).to_have_text("critical")


def test_an_unknown_patient_is_a_page(open_page: Open) -> None:
    page = open_page("/chart/nobody", expected=("404",))
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such patient")
    page.get_by_role("link", name="All patients").click()
    expect(page.locator("#patients")).to_be_visible()


def test_cards_live_and_die_with_their_draft(open_page: Open) -> None:
    page = open_page("/chart/saline-3-percent-mild")
    page.get_by_role("button", name="Order it").click()
    places = page.locator("#cards-order-select .of-draft")
    expect(places.locator("article.card h4")).to_contain_text(["3% saline"])
    page.get_by_label("or type a drug").fill("sertraline")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(places).to_have_count(2)
    expect(places.nth(0).locator("article.card h4")).to_contain_text("Sertraline")
    expect(places.nth(1).locator("article.card h4").first).to_contain_text("3% saline")
    page.locator("#drafts").get_by_role("button", name="Remove sertraline").click()
    expect(places).to_have_count(1)
    places.get_by_role("button", name=re.compile("^Remove")).first.click()
    expect(page.locator("#drafts .draft")).to_have_count(0)
    done = places.locator("article.card").first
    expect(done.locator(".receipts .ok")).to_contain_text("feedback stored")
    expect(done.locator(".detail")).to_be_hidden()  # folded to its headline


def test_an_own_case_hides_the_sentence_of_the_story_and_lists_what_changed(
    open_page: Open,
) -> None:
    page = open_page("/chart/normal-sodium")
    expect(page.locator("#story")).to_be_visible()
    page.get_by_text("Edit the story's sodium values").click()
    page.get_by_label("Sodium, mmol/L").first.fill("124.25")
    page.get_by_role("button", name="Show what changes").click()
    expect(page.locator("#story")).to_be_hidden()
    expect(page.locator("#own-changes")).to_contain_text("Before: 139")
    expect(page.locator("#own-changes")).to_contain_text("After: 124.25")
    expect(page.locator("#cards-title")).to_be_in_viewport()
    for seen in ("#own-flag", "#own-changes"):
        expect(page.locator(seen)).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Back to the story").click()
    expect(page.locator("#story")).to_be_visible()
    expect(page.locator("#own-changes")).to_be_hidden()


def test_answers_can_be_shown_as_for_epic_and_for_the_european_profile(open_page: Open) -> None:
    page = open_page("/chart/near-the-limit")
    expect(page.locator(".room")).to_contain_text("not above 124")
    expect(_cards(page).first.locator(".detail li")).not_to_have_count(0)
    page.get_by_label("Show the answers as for").select_option("fhir-epic")
    expect(_cards(page).first.locator(".detail li")).to_have_count(0)  # plain text has no list
    expect(_cards(page).first.locator(".detail")).to_contain_text("• Slow down")
    page.get_by_label("Show the answers as for").select_option("fhir-european")
    expect(_cards(page).first.locator(".source")).to_contain_text("European 2014 profile")
    page.wait_for_function("location.hash.startsWith('#case=')")
    again = open_page(page.evaluate("location.pathname + location.hash"))
    expect(_cards(again).first.locator(".source")).to_contain_text("European 2014 profile")


def test_a_call_is_seen_with_and_without_a_token(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh", expected=("401",))
    summary = _cards(page).locator("h4")
    expect(summary).to_contain_text("Mild low sodium 131")
    expect(_call(page, "patient-view")).not_to_contain_text("token")
    page.get_by_role("radio", name=re.compile("^Signed: ")).check()
    expect(_call(page, "patient-view")).to_contain_text("with a token (JWT)")
    expect(_call(page, "patient-view")).to_contain_text("200")
    expect(summary).to_contain_text("Mild low sodium 131")
    _cards(page).get_by_role("button", name="Dismiss").click()
    expect(_cards(page).locator(".receipts")).to_contain_text("feedback stored")
    page.get_by_label("Show the answers as for").select_option("fhir-epic")
    expect(summary).to_contain_text("Mild low sodium 131")
    expect(_cards(page).locator(".detail strong")).to_have_count(
        0
    )  # the tenant of the token is Epic's
    page.get_by_role("radio", name=re.compile("^Signed by a stranger")).check()
    expect(page.locator("article.failure")).to_contain_text("(401)")
    page.get_by_role("radio", name=re.compile("^No token")).check()
    expect(summary).to_contain_text("Mild low sodium 131")
    seen = page.context.new_page()
    seen.goto(page.url.partition("/chart")[0] + "/workbench")
    rows = seen.locator("#timeline > li")
    for words in ("Token refused: ", "Token of test-ehr, tenant fhir-epic: signature"):
        row = rows.filter(has_text="401" if "refused" in words else "test-ehr").first
        row.locator("summary").first.click()
        expect(row).to_contain_text(words)


def test_json_that_breaks_says_line_and_column(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    page.get_by_text("Paste a Bundle").click()
    page.get_by_label("FHIR R4 Bundle (JSON)").fill('{\n  "resourceType": "Bundle",\n  oops\n}')
    page.get_by_role("button", name="Use this Bundle").click()
    expect(page.locator("#own-status")).to_have_text(
        "This is not JSON: it breaks at line 3, column 3."
    )
    # A browser names no place for these two.
    page.get_by_label("FHIR R4 Bundle (JSON)").fill('{\n  "entry": oops\n}')
    page.get_by_role("button", name="Use this Bundle").click()
    expect(page.locator("#own-status")).to_contain_text("breaks at line 2, column 12.")
    page.get_by_label("FHIR R4 Bundle (JSON)").fill('{\n  "entry": [')
    page.get_by_role("button", name="Use this Bundle").click()
    expect(page.locator("#own-status")).to_contain_text("ends too early, at line 2, column 13.")


def test_opening_a_chart_shows_the_card_of_its_story(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    card = _cards(page).first
    expect(card.locator(".kind")).to_have_text("Warning")
    expect(card.get_by_role("heading")).to_contain_text("131 mmol/L")
    expect(card.get_by_role("link", name=re.compile("Hyponatremia CDS"))).to_have_attribute(
        "href", re.compile("/basis#")
    )
    expect(_call(page, "patient-view").locator(".ok")).to_have_text("200")


def test_an_accepted_suggestion_becomes_a_draft_order_and_its_feedback_is_stored(
    open_page: Open,
) -> None:
    page = open_page("/chart/cramps-in-siadh")
    card = _cards(page).first
    card.get_by_role("button", name=re.compile("Repeat sodium")).click()
    expect(page.locator("#drafts .draft")).to_contain_text("Sodium")
    expect(card.locator(".receipts")).to_contain_text(
        re.compile(r"Accepted: Repeat sodium.*feedback stored \(200")
    )
    expect(_call(page, "feedback").locator(".ok")).to_have_text("200")


def test_an_order_of_the_story_is_warned_of_and_removed_by_the_suggestion(open_page: Open) -> None:
    page = open_page("/chart/saline-3-percent-mild")
    page.get_by_role("button", name="Order it").click()
    card = page.locator("#cards-order-select article.card").first
    expect(card.get_by_role("heading")).to_contain_text("3% saline")
    expect(page.locator("#drafts .draft")).to_have_count(1)
    card.get_by_role("button", name=re.compile("^Remove")).click()
    expect(page.locator("#drafts .draft")).to_have_count(0)
    expect(card.locator(".receipts .ok")).to_contain_text("feedback stored")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_card_that_is_done_folds_to_one_line(width: int, open_page: Open) -> None:
    """It was 133 pixels high."""
    page = open_page("/chart/cramps-in-siadh", width=width)
    card = _cards(page).first
    card.get_by_role("button", name="Dismiss").click()
    expect(card.locator(".receipts")).to_contain_text("feedback stored")
    box = card.bounding_box()
    assert box is not None
    assert box["height"] < 48, box
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_card_that_was_dismissed_when_it_was_picked_does_not_come_at_signing(
    open_page: Open,
) -> None:
    page = open_page("/chart/saline-3-percent-mild")
    page.get_by_role("button", name="Order it").click()
    card = page.locator("#cards-order-select article.card")
    card.get_by_role("button", name="Dismiss").click()
    expect(card.locator(".receipts")).to_contain_text("feedback stored")
    page.locator("#sign").click()
    words = "Signed: the service had nothing to say that was not answered"
    expect(page.locator("#status")).to_contain_text(words)
    expect(page.locator("#drafts .draft")).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="Order it").click()
    expect(card.get_by_role("heading")).to_contain_text("3% saline")
    page.locator("#sign").click()
    expect(page.locator("#cards-order-sign article.card")).to_have_count(1)


def test_signing_asks_about_all_drafts_and_a_card_holds_it_once(open_page: Open) -> None:
    page = open_page("/chart/saline-3-percent-mild")
    sign = page.locator("#sign")
    expect(sign).to_be_disabled()
    page.get_by_role("button", name="Order it").click()
    expect(page.locator("#cards-order-select article.card")).to_have_count(1)
    with page.expect_request("**/hyponatremia-order-sign") as sent:
        sign.click()
    context = json.loads(sent.value.post_data or "")["context"]
    assert ("selections" in context, len(context["draftOrders"]["entry"])) == (False, 1)
    assert context["draftOrders"]["entry"][0]["fullUrl"].startswith("urn:uuid:")
    held = page.locator("#cards-order-sign article.card").first
    expect(held.get_by_role("heading")).to_contain_text("3% saline")
    expect(sign).to_have_text("Sign all the same")
    expect(page.locator("#drafts .draft")).to_have_count(1)
    sign.click()
    expect(page.locator("#drafts .draft")).to_have_count(0)
    expect(page.locator("#status")).to_contain_text("Signed all the same")
    expect(sign).to_be_disabled()


def test_the_moment_of_discharge_says_who_measures_next(open_page: Open) -> None:
    page = open_page("/chart/discharge-at-128")
    with page.expect_request("**/hyponatremia-encounter-discharge") as sent:
        page.get_by_role("button", name="Discharge the patient").click()
    context = json.loads(sent.value.post_data or "")["context"]
    assert set(context) == {"userId", "patientId", "encounterId"}
    card = page.locator("#cards-encounter-discharge article.card")
    expect(card).to_have_count(1)
    expect(card.get_by_role("heading")).to_contain_text("say who repeats it, and when")
    card.get_by_role("button", name=re.compile("^Repeat sodium on")).click()
    expect(page.locator("#drafts .draft")).to_have_count(1)


def test_a_discharge_with_nothing_to_settle_says_so(open_page: Open) -> None:
    page = open_page("/chart/discharge-steady-at-131")
    page.get_by_role("button", name="Discharge the patient").click()
    expect(page.locator("#cards-encounter-discharge .nothing")).to_be_visible()


def test_an_order_that_nothing_speaks_against_is_signed_at_once(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    page.get_by_label("or type a drug").fill("metformin")
    page.get_by_role("button", name="Order", exact=True).click()
    page.locator("#sign").click()
    expect(page.locator("#status")).to_contain_text("Signed: the service had nothing to say")
    expect(page.locator("#drafts .draft")).to_have_count(0)


def test_a_change_of_the_drafts_is_asked_about_anew(open_page: Open) -> None:
    page = open_page("/chart/saline-3-percent-mild")
    page.get_by_role("button", name="Order it").click()
    page.locator("#sign").click()
    expect(page.locator("#sign")).to_have_text("Sign all the same")
    page.get_by_label("or type a drug").fill("metformin")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.locator("#sign")).to_have_text("Sign the draft orders")


def test_a_card_is_overridden_with_a_reason(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    card = _cards(page).first
    card.get_by_label("Reason not to follow it").select_option(label="Already being managed")
    card.get_by_label("Comment (optional)").fill("seen by nephrology")
    with page.expect_request("**/feedback") as sent:
        card.get_by_role("button", name="Override").click()
    item = json.loads(sent.value.post_data or "")["feedback"][0]
    assert item["outcome"] == "overridden"
    assert item["overrideReason"]["reason"]["code"] == "already-managed"
    assert item["overrideReason"]["userComment"] == "seen by nephrology"
    expect(card.locator(".receipts")).to_contain_text(
        "Overridden: Already being managed: feedback stored (200"
    )
    expect(card.locator(".detail")).to_be_hidden()


def test_overriding_asks_for_a_reason_and_dismissing_does_not(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    card = _cards(page).first
    card.get_by_role("button", name="Override").click()
    expect(card.get_by_label("Reason not to follow it")).to_be_focused()
    expect(card.locator(".receipts li")).to_have_count(0)
    card.get_by_role("button", name="Dismiss").click()
    expect(card.locator(".receipts")).to_contain_text("Dismissed: feedback stored")


def _plot(page: Page) -> Locator:
    """The plot that is shown now."""
    return page.locator("#sodium .span:not([hidden]) svg.wide")


def test_a_drug_is_picked_from_the_menu_or_typed(open_page: Open) -> None:
    page = open_page("/chart/sertraline-with-low-sodium")
    page.get_by_label("Pick an order").select_option("carbamazepine")
    expect(page.locator("#cards-order-select")).to_contain_text("carbamazepine")
    expect(_plot(page).locator(".row-name.draft")).to_contain_text("carbamazepine")
    page.get_by_label("or type a drug").fill("citalopram 20 mg tablet")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.locator("#cards-order-select article h4").first).to_contain_text("Citalopram")
    expect(page.locator("#drafts .draft")).to_have_count(2)


def test_no_card_is_said_in_words(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    expect(page.locator("#cards")).to_contain_text("found nothing to say")
    page.get_by_text("Why not").click()
    expect(page.locator("#cards li").first).to_be_visible()


def test_a_broken_server_is_a_failure_and_no_all_clear(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh", expected=("412",))
    expect(_cards(page)).to_have_count(1)  # the call by prefetch is over
    page.get_by_role("radio", name=re.compile("^Broken")).check()
    failure = page.locator("#cards article.failure")
    expect(failure).to_contain_text("could not check this patient (412)")
    expect(failure).to_contain_text("no all-clear")
    expect(_call(page, "patient-view").locator(".bad")).to_have_text("412")


def test_a_service_that_cannot_be_reached_is_a_failure_and_no_all_clear(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh", expected=("ERR_INTERNET_DISCONNECTED",))
    expect(_cards(page)).to_have_count(1)
    page.context.set_offline(True)
    _cards(page).get_by_role("button", name=re.compile("Repeat sodium")).click()
    expect(_cards(page).locator(".receipts .bad")).to_contain_text("feedback NOT stored")
    page.get_by_label("Pick an order").select_option("sertraline")
    expect(page.locator("#status")).to_contain_text("nothing was ordered")
    page.get_by_label("or type a drug").fill("sertraline")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.locator("#cards-order-select article.failure")).to_contain_text("no all-clear")


def test_a_discovery_that_fails_is_a_failure_and_is_asked_again(open_page: Open) -> None:
    page = open_page("/", expected=("ERR_FAILED",))
    page.route("**/cds-services", lambda route: route.abort(), times=1)
    page.get_by_role("link", name=re.compile("Nora Lindqvist")).click()
    expect(page.locator("#cards article.failure")).to_contain_text("no answer")
    page.get_by_role("radio", name=re.compile("^Live")).check()
    expect(_cards(page).first.get_by_role("heading")).to_contain_text("131 mmol/L")


def test_a_slow_server_costs_what_came_too_late_and_the_card_says_so(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh", expected=("503",))
    expect(_cards(page)).to_have_count(1)  # the call by prefetch is over
    _read_slowly(page)
    detail = _cards(page).first.locator(".detail")
    expect(detail).to_contain_text(
        "Not checked (no answer in time): problem list, current medicines"
    )


def _read_slowly(page: Page) -> None:
    """Asks the slow server until a busy machine works out in 0.1 s what came by the deadline."""
    answered = re.compile("1 card|503")
    while True:
        page.get_by_role("radio", name=re.compile("^Slow")).check()
        call = _call(page, "patient-view").filter(has_text="fhir-slow")
        expect(call).to_contain_text(answered)
        if "503" not in call.inner_text():
            return
        page.get_by_role("radio", name=re.compile("^Prefetch")).check()
        expect(_cards(page)).to_have_count(1)


def test_live_reads_give_the_cards_of_the_prefetch(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    summary = _cards(page).first.get_by_role("heading").inner_text()
    page.get_by_role("radio", name=re.compile("^Live")).check()
    expect(_call(page, "patient-view")).to_contain_text("live reads")
    expect(_cards(page).first.get_by_role("heading")).to_have_text(summary)


def test_the_exchange_unfolds_to_request_and_response(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    expect(_cards(page)).to_have_count(1)
    call = _call(page, "patient-view")
    call.locator("summary").first.click()
    expect(call.get_by_role("group", name="Request")).to_contain_text("hookInstance")
    expect(call.get_by_role("group", name="Response")).to_contain_text("cards")
    expect(call.locator(".sources")).to_contain_text("sodium: satisfied (prefetch)")


def test_an_edited_value_changes_the_card_and_its_address_brings_it_back(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    expect(page.locator("#cards")).to_contain_text("found nothing to say")
    page.get_by_text("Edit the story's sodium values").click()
    page.get_by_role("button", name="Add a value").click()
    page.get_by_label("Sodium, mmol/L").first.fill("117")
    page.get_by_label("Hours ago").first.fill("1")
    page.get_by_role("button", name="Show what changes").click()
    expect(_cards(page).first.get_by_role("heading")).to_contain_text("117")
    expect(page.locator("#sodium .span:not([hidden]) svg.wide circle.severe")).to_have_count(1)
    summary = _cards(page).first.get_by_role("heading").inner_text()
    address = page.evaluate("location.pathname + location.hash")
    assert address.startswith("/chart/normal-sodium#case=")
    again = open_page(address)
    expect(_cards(again).first.get_by_role("heading")).to_have_text(summary)
    again.get_by_role("button", name="Back to the story").click()
    expect(again.locator("#cards")).to_contain_text("found nothing to say")


def test_a_pasted_bundle_is_a_patient_of_its_own(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    story = load_story(FIXTURES / "seizure")
    page.get_by_text("Paste a Bundle").click()
    page.get_by_label("FHIR R4 Bundle (JSON)").fill('{"resourceType": "Patient"}')
    page.get_by_role("button", name="Use this Bundle").click()
    expect(page.locator("#own-status")).to_contain_text("no FHIR Bundle")
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": r} for r in story.resources],
    }
    hostile = json.loads(json.dumps(bundle).replace("Solberg", "<img src=x onerror=alert(1)>"))
    page.get_by_label("FHIR R4 Bundle (JSON)").fill(json.dumps(hostile))
    page.get_by_role("button", name="Use this Bundle").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ingrid <img src=x onerror=alert(1)>")
    expect(page.locator("#banner img")).to_have_count(0)
    expect(page.locator("#sodium-table tbody tr")).not_to_have_count(0)


def _use(page: Page, *resources: dict[str, Any], **entry: str) -> None:
    entries = [{"resource": resource} | entry for resource in resources]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    page.get_by_label("FHIR R4 Bundle (JSON)").fill(json.dumps(bundle))
    page.get_by_role("button", name="Use this Bundle").click()


def _sodium(value: float, reference: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"sodium-{value}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]},
        "subject": {"reference": reference},
        "effectiveDateTime": datetime.now(UTC).isoformat(timespec="seconds"),
        "valueQuantity": {"value": value, "unit": "mmol/L"},
    }


OLGA = {
    "resourceType": "Patient",
    "id": "olga",
    "birthDate": "1950-01-01",
    "name": [{"given": ["Olga"], "family": "Own"}],
}


def test_references_inside_a_pasted_bundle_are_followed_and_strangers_left_out(
    open_page: Open,
) -> None:
    """Bundles of test data generators name patients by urn; an EHR that holds them would have resolved that."""
    page = open_page("/chart/normal-sodium")
    page.get_by_text("Paste a Bundle").click()
    urn = "urn:uuid:5cbc121b-cd71-4428-b8b7-31e53eba8184"
    generated = {name: value for name, value in OLGA.items() if name != "id"}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": urn, "resource": generated},
            {"resource": _sodium(117, urn)},
            {"resource": _sodium(150, "Patient/somebody-else")},
            {"resource": {"resourceType": "Claim", "id": "c"}},
        ],
    }
    page.get_by_label("FHIR R4 Bundle (JSON)").fill(json.dumps(bundle))
    page.get_by_role("button", name="Use this Bundle").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Olga Own")
    expect(_cards(page).first.get_by_role("heading")).to_contain_text("117")
    expect(page.locator("#sodium-table tbody tr")).to_have_count(1)
    expect(page.locator("#own-status")).to_contain_text("Left out, as no part of this chart: 2")


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ([{"resourceType": "Observation"}], "no Patient"),
        ([{"resourceType": "Patient"}], "no id"),
        ([OLGA | {"id": "not an id"}], "no id"),
        ([OLGA, *([_sodium(129, "Patient/olga")] * 2000)], "too large"),
    ],
    ids=["no patient", "no id", "bad id", "too large"],
)
def test_a_bundle_that_is_refused_changes_neither_patient_nor_address(
    resources: list[dict[str, Any]], words: str, open_page: Open
) -> None:
    page = open_page("/chart/cramps-in-siadh")
    expect(_cards(page)).to_have_count(1)
    page.get_by_text("Paste a Bundle").click()
    _use(page, *resources)
    expect(page.locator("#own-status")).to_contain_text(words)
    expect(page.get_by_role("heading", level=1)).to_have_text("Nora Lindqvist")
    expect(page.locator("#own-flag")).to_be_hidden()
    assert page.evaluate("location.hash") == ""
    expect(_cards(page).first.get_by_role("heading")).to_contain_text("131 mmol/L")


def test_the_address_of_a_case_pasted_over_an_open_chart_opens_the_case(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    page.get_by_text("Paste a Bundle").click()
    _use(page, OLGA, _sodium(117, "Patient/olga"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Olga Own")
    case = page.evaluate("location.hash")
    other = open_page("/chart/cramps-in-siadh")
    expect(_cards(other)).to_have_count(1)
    other.evaluate("hash => { location.hash = hash }", case)
    expect(other.get_by_role("heading", level=1)).to_have_text("Olga Own")


def test_the_address_brings_draft_orders_and_the_data_mode_back(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    page.get_by_role("radio", name="Live").check()
    page.get_by_label("Pick an order").select_option("saline-3")
    heading = page.locator("#cards-order-select .card").first.get_by_role("heading")
    expect(heading).to_contain_text("3% saline")
    summary = heading.inner_text()
    page.wait_for_function("location.hash.startsWith('#case=')")
    again = open_page(page.evaluate("location.pathname + location.hash"))
    expect(again.locator("#cards-order-select .card").first.get_by_role("heading")).to_have_text(
        summary
    )
    expect(again.locator("#drafts .draft")).to_have_count(1)
    expect(again.get_by_role("radio", name="Live")).to_be_checked()
    expect(again.get_by_role("heading", level=1)).to_have_text("Nora Lindqvist")
    again.locator("#drafts").get_by_role("button", name="Remove").click()
    again.get_by_role("radio", name="Prefetch").check()
    again.wait_for_function("location.hash === ''")


def test_an_own_case_comes_back_with_its_draft_orders(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    page.get_by_text("Paste a Bundle").click()
    _use(page, OLGA, _sodium(132, "Patient/olga"))
    expect(page.locator("#own-status")).to_contain_text("Shown with this Bundle")
    page.get_by_label("Pick an order").select_option("saline-3")
    expect(page.locator("#cards-order-select .card").first.get_by_role("heading")).to_contain_text(
        "132"
    )
    page.wait_for_function("location.hash.startsWith('#case=')")
    again = open_page(page.evaluate("location.pathname + location.hash"))
    expect(again.get_by_role("heading", level=1)).to_have_text("Olga Own")
    expect(again.locator("#cards-order-select .card").first.get_by_role("heading")).to_contain_text(
        "132"
    )


def test_doses_are_marked_on_the_plot_and_listed(open_page: Open) -> None:
    page = open_page("/chart/rising-too-fast")
    page.get_by_label("all", exact=True).check()
    expect(_plot(page).locator(".event.dose")).to_have_count(2)
    expect(page.locator(".legend .key-dose")).to_have_text("dose given")
    expect(page.locator("#doses-table tbody tr")).to_have_count(2)
    page.get_by_label("Pick an order").select_option(
        "saline-3"
    )  # the chart is drawn again by the page's script
    expect(_plot(page).locator(".event.draft")).to_have_count(1)
    expect(_plot(page).locator(".event.dose")).to_have_count(2)  # the time shown is still all


def test_what_is_pressed_before_the_script_is_there_is_not_lost(open_page: Open) -> None:
    """A monkey found it: the form was sent in place of an order, and the order was lost."""
    page = open_page("/chart/cramps-in-siadh")
    page.route("**/chart.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.reload()
    waits = page.locator("[data-waits]")
    assert waits.count() >= 5
    for button in waits.all():
        expect(button).to_be_disabled()
    page.get_by_label("or type a drug").fill("sertraline")
    page.get_by_label("or type a drug").press("Enter")  # a form without script would be sent
    page.unroute("**/chart.js")
    page.reload()
    expect(page.get_by_role("button", name="Order", exact=True)).to_be_enabled()


def test_a_draft_says_what_it_orders(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    page.get_by_label("Pick an order").select_option("saline-3")
    expect(page.locator("#drafts .draft")).to_contain_text("250 mL, 1 × daily, intravenous")
    page.get_by_label("Pick an order").select_option("saline-3-infusion")
    expect(page.locator("#drafts")).to_contain_text("at 20 mL/h, intravenous")
    _cards(page).get_by_role("button", name=re.compile("total fluids")).click()
    expect(page.locator("#drafts")).to_contain_text("max 1000 mL per 24 h")


def test_a_call_under_way_is_seen_and_the_old_cards_are_not_taken_for_new(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh", expected=("503",))
    expect(_cards(page)).to_have_count(1)
    page.get_by_role("radio", name=re.compile("^Slow")).check()
    expect(_call(page, "patient-view")).to_contain_text("waiting")
    expect(page.locator("#cards-patient-view")).to_have_attribute("aria-busy", "true")
    # A busy machine may need more than the 0.1 s that are left after the last read.
    expect(_call(page, "patient-view")).to_contain_text(re.compile("1 card|503"))
    expect(page.locator("#cards-patient-view")).not_to_have_attribute("aria-busy", "true")


def test_a_card_that_is_about_to_be_replaced_takes_no_answer_that_would_be_lost(
    open_page: Open,
) -> None:
    page = open_page("/chart/cramps-in-siadh")
    expect(_cards(page)).to_have_count(1)
    page.evaluate(
        """() => {
          const real = window.fetch;
          const goes = () => new Promise((resolve) => { window.letGo = resolve; });
          window.fetch = async (...given) => {
            if (String(given[0]).endsWith("-patient-view")) await goes();
            return real(...given);
          };
        }"""
    )
    page.get_by_role("radio", name=re.compile("^Signed: ")).check()
    page.wait_for_function("() => window.letGo")
    dismiss = _cards(page).get_by_role("button", name="Dismiss", include_hidden=True)
    dismiss.focus()
    page.keyboard.press("Enter")
    page.evaluate("() => window.letGo()")
    expect(_call(page, "patient-view")).to_contain_text("with a token (JWT)")
    assert page.locator("#exchange b", has_text="feedback").count() == 0, "sent for the old card"
    dismiss.click()
    expect(_cards(page).locator(".receipts")).to_contain_text("feedback stored")


@pytest.mark.parametrize("hash_", ["#case=%%%", "#case=AAAA", "#case=", "#other"])
def test_an_address_that_holds_no_case_opens_the_story(hash_: str, open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh" + hash_)
    expect(page.locator("#own-trouble")).to_be_visible(
        visible="case=" in hash_ and hash_ != "#case="
    )
    expect(_cards(page).first.get_by_role("heading")).to_contain_text("131 mmol/L")


def test_everything_can_be_done_by_keyboard(open_page: Open) -> None:
    page = open_page("/chart/cramps-in-siadh")
    expect(_cards(page)).to_have_count(1)
    _tab_to(page, "Repeat sodium")
    page.keyboard.press("Enter")
    expect(page.locator("#drafts .draft")).to_have_count(1)
    assert "Repeat sodium" in _focused(page), "the focus stays where it was"
    _tab_to(page, "Choose a reason")
    page.keyboard.press("ArrowDown")
    _tab_to(page, "Override")
    page.keyboard.press("Enter")
    expect(_cards(page).first.locator(".receipts")).to_contain_text("Overridden:")
    _tab_to(page, "Choose …")
    page.keyboard.type("Sertr")
    expect(page.locator("#cards-order-select")).to_contain_text("sertraline")


def _focused(page: Page) -> str:
    text: str = page.evaluate(
        "document.activeElement.textContent + (document.activeElement.ariaLabel ?? '')"
    )
    return text


def _tab_to(page: Page, words: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if words in _focused(page):
            return
    raise AssertionError(f"{words!r} is not reached by the Tab key")


@pytest.mark.parametrize("width", [360, 768, 1600])
@pytest.mark.parametrize("path", ["/", "/chart/saline-3-percent-mild"])
def test_no_page_is_wider_than_the_window(path: str, width: int, open_page: Open) -> None:
    page = open_page(path, width=width)
    if path != "/":
        page.get_by_text("Edit the story's sodium values").click()
        page.get_by_text("Paste a Bundle").click()
        page.get_by_role("button", name="Order it").click()
        expect(page.locator("#cards-order-select article.card")).not_to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_long_name_of_a_draft_is_no_wider_than_a_telephone(open_page: Open) -> None:
    """A monkey found it."""
    page = open_page("/chart/cramps-in-siadh", width=360)
    page.get_by_label("or type a drug").fill("a" * 60)
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.locator("#drafts .draft")).to_contain_text("a" * 60)
    remove = page.locator("#drafts").get_by_role("button")
    remove.scroll_into_view_if_needed()
    expect(remove).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_medicine_inside_its_order_is_named(open_page: Open) -> None:
    page = open_page("/chart/normal-sodium")
    page.get_by_text("Paste a Bundle").click()
    contained = {
        "resourceType": "Medication",
        "id": "inside",
        "code": {"text": "sertraline 50 mg tablet"},
    }
    order = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "contained": [contained],
        "medicationReference": {"reference": "#inside"},
        "subject": {"reference": "Patient/olga"},
    }
    _use(page, OLGA, _sodium(132, "Patient/olga"), order)
    expect(page.get_by_role("heading", level=1)).to_have_text("Olga Own")
    expect(page.locator(".record")).to_contain_text("sertraline 50 mg tablet")


def test_numbers_of_the_plot_are_in_a_table(open_page: Open) -> None:
    page = open_page("/chart/rising-too-fast")
    expect(page.locator("#sodium-table tbody tr")).to_have_count(4)
    expect(page.locator("#sodium-table tbody tr").last).to_be_visible()  # nobody has to open it
    expect(page.locator("#sodium .span:not([hidden]) .plot.wide")).to_be_visible()
