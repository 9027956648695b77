"""The report counts a card that says "do not" as followed only if its order went (`cds-service report`)."""

from __future__ import annotations

import re

from cds_service.engine.finding import DraftOrder, Finding, RemoveDraft, StopOrder
from cds_service.knowledge.words import SharedWords
from tests.fhir_resources import pipeline
from tests.sodium.rules.orders import Scene, all_scenes
from tests.sodium.rules.test_order_select_words import service, text_of

AGAINST = re.compile(
    r"do not give|not give it|not advised|do not combine|no hypotonic fluid now", re.IGNORECASE
)
LESS = 60  # so many cards say it; fewer, and the test has lost sight of them


def says_no(finding: Finding) -> bool:
    """Returns True if the headline or one of the first four lines says not to give the order."""
    words = [text_of(finding.rule, one) for one in finding.do[:4]]
    head = service().rules[finding.rule].summary[finding.variant]
    return any(AGAINST.search(said) for said in (head, *words))


def leaves_it(finding: Finding) -> set[str]:
    """Returns the kinds of the buttons that neither remove nor stop nor replace the order.

    A card with a sample as its only button is left out: no other button could be taken, and the
    report knows the buttons of a card only.
    """
    if len(finding.suggestions) == 1 and finding.suggestions[0].kind.startswith("repeat-sodium"):
        return set()
    gone = (RemoveDraft, StopOrder, DraftOrder)
    return {
        one.kind
        for one in finding.suggestions
        if not any(isinstance(action, gone) for action in one.actions)
    }


def not_counted(scene: Scene, words: SharedWords) -> list[str]:
    return [
        f"{scene.says}: {finding.rule} {finding.variant}: {kind}"
        for finding in scene.findings().values()
        if says_no(finding)
        for kind in leaves_it(finding) - words.keeping([one.kind for one in finding.suggestions])
    ]


def test_each_button_of_a_card_that_says_do_not_and_leaves_the_order_counts_as_kept() -> None:
    scenes, words = all_scenes(), pipeline().knowledge.words
    assert sum(says_no(f) for scene in scenes for f in scene.findings().values()) > LESS
    assert [told for scene in scenes for told in not_counted(scene, words)] == []


def test_a_removal_counts_as_followed_and_a_sample_of_a_chart_too() -> None:
    words = pipeline().knowledge.words
    assert not words.keeping(["remove-draft"]) & {"remove-draft", "remove-restriction"}
    assert "repeat-sodium-stat" not in words.keeping(["repeat-sodium-stat", "workup"])
