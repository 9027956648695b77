"""No button draws what was measured lately (B.4, M6); on dialysis no test of what the kidney sheds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftLabs, Finding
from cds_service.sodium.case import Case
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Order
from tests.examples import SEARCHING
from tests.sodium.patients import Story, ago, problem, result
from tests.sodium.rules.charts import CHARTS
from tests.sodium.rules.orders import all_scenes

NEUTRAL = {
    "serum-osmolality": "278",
    "urine-osmolality": "350",
    "urine-sodium": "25",
    "urine-potassium": "30",
    "urine-creatinine": "60",
    "urate": "5.0",
    "glucose": "100",
    "potassium": "4.2",
    "creatinine": "0.9",
    "tsh": "2.1",
    "cortisol": "22",
    "calcium": "9.4",
    "magnesium": "2.0",
    "phosphate": "3.4",
}
KEPT = {"potassium-high", "potassium-first"}  # a potassium that forbids its order is seen again
SOON = 24  # an older sodium, and what was measured with it, is measured again
DIALYSIS = problem("dialysis", days=900)


def drafted(findings: list[Finding]) -> Iterator[tuple[str, DraftLabs]]:
    """The laboratory orders that are for now, with the rule that offers them."""
    for finding in findings:
        buttons = finding.suggestions if finding.variant not in KEPT else ()
        actions = [action for button in buttons for action in button.actions]
        draws = [draft for draft in actions if isinstance(draft, DraftLabs)]
        yield from ((finding.rule, draft) for draft in draws if not draft.after)


def told(case: Case, order: Order | None = None) -> list[Finding]:
    rules = (*BOOK.chart.values(), *BOOK.discharge.values())
    found = [rule(case) for rule in rules]
    if order is not None:
        found += [rule.judge(case, order) for rule in BOOK.order.values()]
    return [finding for finding in found if isinstance(finding, Finding)]


def stories() -> list[tuple[Story, Order | None]]:
    charts: list[tuple[Story, Order | None]] = [(story, None) for story in CHARTS]
    scenes = [(s.story, s.order) for s in all_scenes()]
    return [*charts, *scenes]


def case_of(story: Story, order: Order | None) -> Case:
    drafts = story.drafts if order is None else (order, *story.drafts)
    return replace(story, drafts=drafts).case()


def with_sodium(story: Story) -> set[str]:
    """What the story measured with its sodium, without a value that cannot be used."""
    case, at = story.case(), ago(hours=story.sodium_hours)
    hour = timedelta(hours=1)
    return {a for a in NEUTRAL if any(abs(r.at - at) < hour for r in case.readings.all(a))}


def is_shown_as_before(kinds: set[tuple[object, ...]], story: Story, *parts: object) -> bool:
    """Whether `make test` has seen this button beside as many results; `make check-long` sees all."""
    kind = (*parts, story.setting, bool(story.results), bool(story.drafts))
    seen = kind in kinds
    kinds.add(kind)
    return seen and not SEARCHING


def test_no_button_draws_what_was_measured_with_this_sodium() -> None:
    kinds: set[tuple[object, ...]] = set()
    for story, order in [s for s in stories() if s[0].sodium_hours <= SOON]:
        before, known = list(drafted(told(case_of(story, order)))), with_sodium(story)
        for rule, draft in before:
            assert not known.intersection(draft.analytes), (rule, story)
        offered = [(rule, a) for rule, draft in before for a in draft.analytes if a in NEUTRAL]
        new = [one for one in offered if not is_shown_as_before(kinds, story, *one)]
        for analyte in {analyte for _, analyte in new} - known:
            measured = result(analyte, NEUTRAL[analyte], story.sodium_hours)
            again = replace(story, results=(*story.results, measured))
            for rule, draft in drafted(told(case_of(again, order))):
                assert analyte not in draft.analytes, (rule, analyte, story)


@pytest.mark.parametrize("chunk", range(4))
def test_on_dialysis_no_button_draws_what_only_a_kidney_tells(chunk: int) -> None:
    for story, order in stories()[chunk::4]:
        dialyzed = replace(story, problems=(*story.problems, DIALYSIS))
        for rule, draft in drafted(told(case_of(dialyzed, order))):
            useless = [a for a in draft.analytes if a == "urate" or a.startswith("urine")]
            assert not useless, (rule, story)
