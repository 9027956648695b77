"""While sodium rises, an order that lowers it is a brake or a mistake, and the card says which (S13)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.rules.room import room_of
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.charts import SEIZURE, rising, sweet
from tests.sodium.rules.orders import Scene, saline, selected, table, water

ALCOHOL = problem("alcohol-use-disorder", days=400)
DILUTE = result("urine-osmolality", "90")
DESMOPRESSIN = selected("desmopressin", route="iv")
HALF = saline("0.45", "hypotonic", "1000")
AMIODARONE = replace(water("500"), drugs=selected("amiodarone").drugs, carries=True)
LATE = result("sodium", "140", 60)  # a normal value before: the fall was acute
UP_6 = rising(118, 112)
UP_5 = rising(117, 112)
JUMPED = rising(126, 112, hours=3)  # more than 12 within 4 h, and no value confirms it
CLINIC = Story(sodium="131", sodium_hours=1, results=(result("sodium", "126.5", 9),))
SCENES = (
    Scene(
        says="S13: dextrose after a rise of 5 at usual risk lowers a low sodium for nothing",
        order=water(),
        story=UP_5,
        fires={"OS-HYPOTONIC": "warning brake-early-water"},
        shows=("brake-early", "brake-if", "ceiling-aasld"),
        removes=True,
    ),
    Scene(
        says="S13: below a rise of 4 it is the card of any low sodium",
        order=water(),
        story=rising(115.9, 112),
        fires={"OS-HYPOTONIC": "warning water"},
        removes=True,
    ),
    Scene(
        says="S13: 0.45 % saline at the edge of 4",
        order=HALF,
        story=rising(116, 112),
        fires={"OS-HYPOTONIC": "warning brake-early"},
        shows=("brake-early",),
        removes=True,
    ),
    Scene(
        says="S13: dextrose near the limit may be the brake",
        order=water(),
        story=UP_6,
        fires={"OS-HYPOTONIC": "info brake-water"},
        shows=("brake-near", "brake-watch", "ceiling-aasld"),
    ),
    Scene(
        says="S13: exactly at the limit nothing is left",
        order=HALF,
        story=rising(120, 112),
        fires={"OS-HYPOTONIC": "info brake"},
        shows=("brake-near",),
    ),
    Scene(
        says="S13: above the limit it may be the rescue, which no card disturbs",
        order=water(),
        story=rising(120.5, 112),
    ),
    Scene(
        says="S13: at high risk the goal is reached at 4",
        order=water(),
        story=rising(117, 112, ALCOHOL),
        fires={"OS-HYPOTONIC": "info brake-water"},
        shows=("brake-near",),
    ),
    Scene(
        says="S13: above the goal of a high risk, a warning on the chart, the order may be the brake",
        order=water(),
        story=rising(119, 112, ALCOHOL),
        fires={"OS-HYPOTONIC": "info brake-water"},
        shows=("brake-near",),
    ),
    Scene(
        says="F27: a rise of 5 in dilute urine goes on by itself",
        order=water(),
        story=rising(117, 112, results=(DILUTE,)),
        fires={"OS-HYPOTONIC": "info brake-water"},
        shows=("brake-near",),
    ),
    Scene(
        says="F1: dextrose after a rise of 5 with a seizure is never right",
        order=water(),
        story=rising(117, 112, SEIZURE),
        fires={"OS-HYPOTONIC": "critical symptom-water"},
        removes=True,
    ),
    Scene(
        says="F2: after a documented acute fall no rise is braked",
        order=water(),
        story=rising(121, 112, results=(LATE,)),
        fires={"OS-HYPOTONIC": "warning brake-acute-water"},
        shows=("brake-acute",),
        removes=True,
    ),
    Scene(
        says="F2: the same with 0.45 % saline",
        order=HALF,
        story=rising(121, 112, results=(LATE,)),
        fires={"OS-HYPOTONIC": "warning brake-acute"},
        removes=True,
    ),
    Scene(
        says="F31: in the clinic no limit of hours is under way, and no room is named",
        order=water(),
        story=CLINIC,
        fires={"OS-HYPOTONIC": "warning brake-early-water"},
        shows=("brake-early-unknown",),
    ),
    Scene(
        says="F31: the same in dilute urine",
        order=water(),
        story=replace(CLINIC, results=(*CLINIC.results, DILUTE)),
        fires={"OS-HYPOTONIC": "info brake-water"},
        shows=("brake-near-unknown",),
    ),
    Scene(
        says="F31: 3 % saline after a rise over a gap of 55 h names that span",
        order=saline(),
        story=rising(132, 112, hours=55),
        fires={"OS-HTS-OVER": "warning earlier-long", "OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="M10 c: a rise that rests on one value is repeated before sodium is lowered",
        order=water(),
        story=JUMPED,
        fires={"OS-HYPOTONIC": "warning brake-doubted-water"},
        shows=("brake-repeat",),
    ),
    Scene(
        says="M10 c: 0.45 % saline and desmopressin wait for the repeat too",
        order=HALF,
        story=JUMPED,
        fires={"OS-HYPOTONIC": "warning brake-doubted"},
        shows=("brake-repeat",),
    ),
    Scene(
        says="M10 c: desmopressin for a rise that rests on one value",
        order=DESMOPRESSIN,
        story=JUMPED,
        fires={"OS-DDAVP": "warning brake-doubted"},
        shows=("brake-repeat",),
    ),
    Scene(
        says="M10 c: a repeat that agrees makes it an over-correction, and the order the rescue",
        order=water(),
        story=replace(JUMPED, results=(*JUMPED.results, result("sodium", "125", 0.3))),
    ),
    Scene(
        says="M10 c: a rise that glucose makes is treated by its glucose, not by dextrose",
        order=water(),
        story=sweet((112, 110), (118, 600)),
        fires={"OS-HYPOTONIC": "warning brake-doubted-water"},
        shows=("brake-glucose",),
    ),
    Scene(
        says="F23: the diluent of a drug after a rise of 5 is its diluent, not a mistake",
        order=AMIODARONE,
        story=UP_5,
        fires={"OS-HYPOTONIC": "info diluent"},
    ),
    Scene(says="F23: near the limit a diluent is silent", order=AMIODARONE, story=UP_6),
    Scene(
        says="M13: desmopressin after a rise of 5 at usual risk is no brake yet",
        order=DESMOPRESSIN,
        story=UP_5,
        fires={"OS-DDAVP": "warning brake-early"},
        shows=("brake-early", "brake-if"),
    ),
    Scene(
        says="M13: desmopressin near the limit may be the brake",
        order=DESMOPRESSIN,
        story=UP_6,
        fires={"OS-DDAVP": "info brake"},
        shows=("brake-near", "brake-watch"),
    ),
    Scene(
        says="M13: desmopressin beside hypertonic saline is a clamp",
        order=DESMOPRESSIN,
        story=replace(UP_6, drafts=(replace(saline(), reference="MedicationRequest/other"),)),
    ),
    Scene(
        says="M13: desmopressin above the limit may be the rescue",
        order=DESMOPRESSIN,
        story=rising(120.5, 112),
    ),
    Scene(
        says="M13: desmopressin against a bleeding limits water while sodium rises, and says the room",
        order=DESMOPRESSIN,
        story=rising(117, 112, problem("bleeding-disorder", days=4000)),
        fires={"OS-DDAVP": "critical bleeding-hold"},
        shows=("bleeding-limit-fluid", "ceiling-aasld"),
    ),
    Scene(
        says="M13: replacement in diabetes insipidus is never a brake, near the limit neither",
        order=selected("desmopressin"),
        story=rising(119, 112, problem("diabetes-insipidus", days=900)),
        fires={"OS-DDAVP": "info replacement"},
        shows=("replacement-never-stop", "ceiling-aasld"),
    ),
    Scene(
        says="F2: desmopressin after a documented acute fall",
        order=DESMOPRESSIN,
        story=rising(121, 112, results=(LATE,)),
        fires={"OS-DDAVP": "warning brake-acute"},
        shows=("brake-acute",),
    ),
    Scene(
        says="F22: potassium after a rise of 6 is counted, and not withheld",
        order=selected("potassium chloride", route="iv"),
        story=replace(rising(119, 112), results=(*UP_6.results, result("potassium", "3.8"))),
        fires={"OS-RAISE": "info main"},
        shows=("potassium-by-protocol", "ceiling-aasld"),
        hides=("hold-or-count",),
    ),
    Scene(
        says="F22: at high risk potassium is counted with the rise from the goal of 4 on",
        order=selected("potassium chloride", route="iv"),
        story=rising(116, 112, ALCOHOL),
        fires={"OS-RAISE": "info main"},
        shows=("potassium-unmeasured", "ceiling-aasld"),
    ),
    Scene(
        says="F22: below the goal it is counted before any rise",
        order=selected("potassium chloride", route="iv"),
        story=rising(115.9, 112, ALCOHOL),
        fires={"OS-RAISE": "info counts"},
    ),
    Scene(
        says="F22: above the limit of 48 h the card of potassium names that limit",
        order=selected("potassium chloride", route="iv"),
        story=rising(128.4, 120.6, hours=25, results=(result("sodium", "112", 44),)),
        fires={"OS-RAISE": "warning main"},
        shows=("above-limit-two-days",),
        hides=("above-limit",),
    ),
    Scene(
        says="F22: above the limit by the average of a long gap",
        order=selected("potassium chloride", route="iv"),
        story=rising(132, 112, hours=55),
        fires={"OS-RAISE": "warning main"},
        shows=("above-limit-average",),
    ),
)


@table(SCENES)
def test_s13_an_order_while_sodium_rises(scene: Scene) -> None:
    scene.check()


def test_f22_potassium_that_runs_is_told_beside_the_rise() -> None:
    """Near the limit on the card of the rate, from the goal on on that of the band."""
    running = order("potassium chloride", days=0.3, route="iv")
    assert "raising-drugs-potassium" in _keys("RATE-NEAR", rising(119, 112, orders=(running,)))
    assert "raising-drugs-potassium" in _keys("RATE-OVER", rising(121, 112, orders=(running,)))
    reached = rising(117, 112, ALCOHOL, orders=(running,))
    assert "potassium-runs" in _keys("PV-SEV", reached)
    assert "potassium-runs" not in _keys("PV-SEV", replace(reached, problems=()))
    assert "potassium-runs" not in _keys("PV-SEV", replace(reached, orders=()))


def _keys(rule: str, story: Story) -> list[str]:
    return keys(fired(story.case())[rule])


RISES = st.builds(
    lambda start, rise, hours, more, dilute: rising(
        start + rise, start, *more, hours=hours, results=(DILUTE,) if dilute else ()
    ),
    st.integers(104, 126),
    st.integers(0, 14),
    st.sampled_from([3, 9, 20, 26]),
    st.lists(st.sampled_from([ALCOHOL, SEIZURE]), max_size=2, unique=True),
    st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(
    RISES,
    st.sampled_from(
        [(water(), "OS-HYPOTONIC"), (HALF, "OS-HYPOTONIC"), (DESMOPRESSIN, "OS-DDAVP")]
    ),
    st.sampled_from(["aasld", "european"]),
)
def test_s13_only_a_rise_above_its_limit_is_silent(
    story: Story, ordered: tuple[Order, str], profile: str
) -> None:
    order_, rule = ordered
    scene = Scene(says="", order=order_, story=story, profile=profile)
    rate = scene.case().rate
    if scene.case().sodium.low and rate.rule != "RATE-OVER" and rate.episode is None:
        assert rule in scene.findings(), scene.outcomes()[rule]


@settings(max_examples=60, deadline=None)
@given(RISES, st.sampled_from(["aasld", "european"]))
def test_f32_a_high_risk_never_has_more_room(story: Story, profile: str) -> None:
    usual = room_of(replace(story, problems=()).case(profile))
    high = room_of(replace(story, problems=(ALCOHOL,)).case(profile))
    if usual is not None and usual.left is not None and high is not None and high.left is not None:
        assert high.left <= usual.left


@settings(max_examples=80, deadline=None)
@given(RISES, st.sampled_from(["aasld", "european"]))
def test_f31_no_card_says_a_limit_of_a_shorter_time(story: Story, profile: str) -> None:
    case = replace(story, stay_days=5).case(profile)
    cards = [*fired(case).values(), *(r for r in (rule(case) for rule in BOOK.discharge.values()))]
    for card in cards:
        hours, limit = getattr(card, "facts", {}).get("hours"), getattr(card, "variant", "")
        if card.rule in ("RATE-OVER", "DC-OVER") and limit in (
            "fast",
            "slow",
            "still",
            "now",
            "near",
        ):
            assert hours is None or float(hours) <= 24, card
