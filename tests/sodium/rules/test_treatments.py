"""Fluid restriction, salt tablets, demeclocycline and lithium where they may harm."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.sodium.snapshot import Missing, Patient
from tests.sodium.patients import Story, order, problem
from tests.sodium.rules.orders import Scene, restriction, saline, selected, table

LOW = Story(sodium="131", setting="inpatient")
TABLET = saline(None, "salt-tablet", None, route="systemic")
ASCITES = problem("ascites", days=10)


def ward(*problems: object, **more: object) -> Story:
    """An inpatient at 131 with these problems."""
    return replace(LOW, problems=problems, **more)


TWICE = replace(TABLET, regimen="1 g three times a day")
AGAIN = replace(TWICE, reference="MedicationRequest/2")

SCENES = (
    Scene(
        says="F38: the same salt tablets twice",
        order=TWICE,
        story=ward(drafts=(AGAIN,)),
        fires={"OS-SALT": "info twice"},
        shows=("ordered-twice",),
    ),
    Scene(
        says="F38: salt tablets twice in another dose may both be meant, and no card comes of it",
        order=TWICE,
        story=ward(drafts=(replace(AGAIN, regimen="2 g daily"),)),
    ),
    Scene(
        says="vector 7: restriction six days after a bleed",
        order=restriction(),
        story=ward(problem("sah", days=6)),
        fires={"OS-FR": "critical main"},
        removes=True,
        shows=("do-csw", "because-csw"),
    ),
    Scene(
        says="restriction with an unread problem list: no card, and the reason says why",
        order=restriction(),
        story=ward(missing={"conditions": Missing.TIMEOUT}),
    ),
    Scene(
        says="F6: restriction with an unread list of medicines: lithium may be on it",
        order=restriction(),
        story=ward(missing={"medications": Missing.TIMEOUT}),
    ),
    Scene(
        says="vector 52: restriction in adrenal insufficiency",
        order=restriction(),
        story=ward(problem("adrenal", days=2000)),
        fires={"OS-FR": "critical main"},
        removes=True,
        shows=("do-adrenal", "because-adrenal"),
    ),
    Scene(
        says="restriction in hypovolemia",
        order=restriction(),
        story=ward(problem("hypovolemia", days=3)),
        fires={"OS-FR": "warning main"},
        removes=True,
        shows=("do-hypo", "because-hypo"),
    ),
    Scene(
        says="F23: restriction in hypovolemia, by an order with words that are not understood",
        order=replace(restriction(), restricts_plainly=False),
        story=ward(problem("hypovolemia", days=3)),
        fires={"OS-FR": "warning main"},
    ),
    Scene(
        says="restriction after a brain injury",
        order=restriction(),
        story=ward(problem("tbi", days=9)),
        fires={"OS-FR": "warning main"},
        removes=True,
        shows=("do-neuro", "because-neuro"),
    ),
    Scene(
        says="restriction on the first day of a vaptan",
        order=restriction(),
        story=ward(orders=(order("tolvaptan", days=0.5),)),
        fires={"OS-FR": "warning vaptan"},
        removes=True,
        shows=("do-vaptan", "because-vaptan"),
    ),
    Scene(
        says="restriction on the third day of a vaptan (F6)",
        order=restriction(),
        story=ward(orders=(order("tolvaptan", days=2.5),)),
        fires={"OS-FR": "warning fluid"},
        removes=True,
    ),
    Scene(
        says="N9: restriction with a vaptan drafted in the same session",
        order=restriction(),
        story=ward(drafts=(selected("tolvaptan"),)),
        fires={"OS-FR": "warning vaptan"},
        removes=True,
    ),
    Scene(
        says="restriction in salt wasting, at any sodium, even an unread one",
        order=restriction(),
        story=replace(
            ward(problem("salt-wasting", days=3)), sodium=None, missing={"sodium": Missing.FAILED}
        ),
        fires={"OS-FR": "critical main"},
        removes=True,
    ),
    Scene(
        says="restriction in hypovolemia, age not known: no removal",
        order=restriction(),
        story=ward(problem("hypovolemia", days=3), patient=Patient()),
        fires={"OS-FR": "warning main"},
    ),
    Scene(says="restriction in overload", order=restriction(), story=ward(ASCITES)),
    Scene(
        says="restriction while evidence points both ways",
        order=restriction(),
        story=ward(ASCITES, problem("vomiting", days=2)),
    ),
    Scene(
        says="salt tablets in overload",
        order=TABLET,
        story=ward(ASCITES),
        fires={"OS-SALT": "warning main"},
        shows=("reconsider-salt", "judged-overloaded"),
    ),
    Scene(says="salt tablets in SIADH", order=TABLET, story=ward(problem("siadh", days=5))),
    Scene(says="salt tablets, volume not known", order=TABLET, story=ward()),
    Scene(
        says="demeclocycline with a low sodium",
        order=selected("demeclocycline"),
        story=ward(),
        fires={"OS-DEMECLO": "info main"},
        shows=("kidney-function", "onset-slow"),
    ),
    Scene(
        says="demeclocycline with a low sodium in Europe, whose guideline advises against it",
        order=selected("demeclocycline"),
        story=Story(),
        fires={"OS-DEMECLO": "info european"},
        profile="european",
    ),
    Scene(
        says="demeclocycline with a low sodium in cirrhosis",
        order=selected("demeclocycline"),
        story=ward(problem("cirrhosis", days=900)),
        fires={"OS-DEMECLO": "warning main"},
        shows=("liver-or-kidney",),
        hides=("other-treatment",),
    ),
    Scene(
        says="demeclocycline with a low sodium and failing kidneys",
        order=selected("demeclocycline"),
        story=ward(problem("ckd-4-5", days=900)),
        fires={"OS-DEMECLO": "warning main"},
    ),
    Scene(
        says="demeclocycline against acne",
        order=selected("demeclocycline"),
        story=replace(LOW, sodium="140"),
    ),
    Scene(
        says="demeclocycline in pregnancy",
        order=selected("demeclocycline"),
        story=ward(problem("pregnancy", days=60)),
        fires={"OS-DEMECLO": "warning pregnancy"},
        shows=("avoid-in-pregnancy", "fetal-harm"),
    ),
    Scene(says="lithium for its own reason", order=selected("lithium"), story=ward()),
    Scene(
        says="lithium for low sodium",
        order=selected("lithium", reasons=["siadh"]),
        story=ward(),
        fires={"OS-DEMECLO": "info main"},
    ),
)


@table(SCENES)
def test_other_orders(scene: Scene) -> None:
    scene.check()
