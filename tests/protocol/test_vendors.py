"""F11: what a vendor's limits leave of a card says the same as the card."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.cli.replay import answer_story
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.pipeline import Pipeline
from cds_service.protocol.limits import ALL, CardLimits, obey
from tests import fhir_resources as records

STORIES = load_stories(default_fixtures_dir())
AGAINST = {
    "OS-HTS-MILD",
    "OS-HTS-NONE",
    "OS-HTS-OVER",
    "OS-HTS-CONC",
    "OS-HTS-GLU",
    "OS-HTS-PSEUDO",
}
VENDORS = {
    "all": ALL,
    "epic": CardLimits(
        accepts_update=False, one_action_per_suggestion=True, selection_behavior_any_only=True
    ),
    "oracle-health": CardLimits(accepts_update=False),
    "athenahealth": CardLimits(accepts_update=False, plain_text_detail=True, no_links=True),
    "generic": CardLimits(one_action_per_suggestion=True),
}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return records.pipeline()


def _removes(suggestion: dict[str, Any]) -> bool:
    return any(action["type"] == "delete" for action in suggestion["actions"])


@pytest.mark.parametrize("limits", VENDORS.values(), ids=VENDORS)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_f11_no_vendor_is_left_with_a_button_that_keeps_an_order_advised_against(
    story: Story, limits: CardLimits, pipeline: Pipeline
) -> None:
    evaluation = answer_story(pipeline, story)
    shown = obey(evaluation.cards, limits)
    for finding, whole, card in zip(evaluation.returned, evaluation.cards, shown, strict=True):
        buttons = card.get("suggestions", [])
        whole_buttons = whole.get("suggestions", [])
        if finding.rule in AGAINST and finding.variant != "rescue":
            assert not any("keep" in button["label"].lower() for button in buttons)
        if any(_removes(button) and len(button["actions"]) == 1 for button in whole_buttons):
            assert any(map(_removes, buttons))
            assert not any(
                button.get("isRecommended") and "keep" in button["label"].lower()
                for button in buttons
            )
