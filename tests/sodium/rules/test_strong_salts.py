"""F22: sodium salts as strong as hypertonic saline that are no 3 % saline."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import StrongSalt
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, selected, table

SEIZURE = problem("seizure", days=0.2, encounter=True)


def salt(name: str = "sodium bicarbonate", strength: str = "1", ml: str | None = "50") -> Order:
    """A draft of such a salt."""
    known = ("sodium bicarbonate",) if name == "sodium bicarbonate" else ()
    volume = None if ml is None else Decimal(ml)
    strong = StrongSalt(name=name, mmol_per_ml=Decimal(strength), ordered_ml=volume)
    return replace(selected(*known, route="iv"), strong_salt=strong)


def additive(ml: str) -> Order:
    """A draft of a phosphate of sodium."""
    draft = salt("sodium glycerophosphate", "2", ml)
    assert draft.strong_salt is not None
    return replace(draft, strong_salt=replace(draft.strong_salt, additive=True))


def ward(sodium: str, *problems: Any, **more: Any) -> Story:
    """An inpatient whose sodium is two hours old."""
    return Story(sodium=sodium, setting="inpatient", problems=problems, **more)


UNSAID = StrongSalt(
    name="sodium bicarbonate",
    mmol_per_ml=Decimal(1),
    ordered_ml=Decimal(500),
    assumed_percent=Decimal("8.4"),
)


def grams(dose: str | None, route: str = "iv") -> Order:
    """Fosfomycin with so many grams a day."""
    milligrams = None if dose is None else f"{dose}000"
    draft = selected("fosfomycin", route=route, dose=milligrams)
    rich = tuple(replace(drug, sodium_mmol_per_g=Decimal(14)) for drug in draft.drugs)
    return replace(draft, drugs=rich)


SCENES = (
    Scene(
        says="F22: fosfomycin 24 g a day at 119: its sodium is worked out",
        order=grams("24"),
        story=ward("119"),
        fires={"OS-SALTS": "warning load"},
        shows=("load-counts", "load-lowers-potassium"),
    ),
    Scene(
        says="fosfomycin by vein at 119 without a dose: what each gram brings",
        order=grams(None),
        story=ward("119"),
        fires={"OS-SALTS": "warning load-unsaid"},
    ),
    Scene(says="fosfomycin 8 g a day at 119: little sodium", order=grams("8"), story=ward("119")),
    Scene(says="fosfomycin by mouth at 119", order=grams("24", "systemic"), story=ward("119")),
    Scene(says="fosfomycin 24 g a day at 128", order=grams("24"), story=ward("128")),
    Scene(
        says="fosfomycin 24 g a day while sodium rises too fast",
        order=grams("24"),
        story=ward("122", results=(result("sodium", 110, 20),)),
        fires={"OS-RAISE": "warning main"},
        shows=("brought-along",),
    ),
    Scene(
        says="sodium glycerophosphate 20 mL at 119 is less than a bolus",
        order=additive("20"),
        story=ward("119"),
    ),
    Scene(
        says="sodium glycerophosphate 60 mL at 119",
        order=additive("60"),
        story=ward("119"),
        fires={"OS-SALTS": "warning main"},
        shows=("ordered-amount-plain", "bolus-then-sodium-phosphate"),
    ),
    Scene(
        says="bicarbonate by vein at 120 that states no strength: which one, and no word on amounts",
        order=replace(salt(), strong_salt=UNSAID),
        story=ward("120"),
        fires={"OS-SALTS": "warning main-unsaid"},
        shows=("which-strength", "bolus-then-sodium"),
        hides=("same-as-bolus", "ordered-amount-plain", "count-as-saline"),
    ),
    Scene(
        says="bicarbonate by vein with a seizure at 114 that states no strength",
        order=replace(salt(), strong_salt=UNSAID),
        story=ward("114", SEIZURE),
        fires={"OS-SALTS": "info severe-unsaid"},
        shows=("which-strength", "sodium-after-each"),
    ),
    Scene(
        says="bicarbonate 8.4 % with a seizure at 114: guardrails as of 3 % saline",
        order=salt(),
        story=ward("114", SEIZURE),
        fires={"OS-SALTS": "info severe"},
        shows=("same-as-bolus", "sodium-after-each"),
        hides=("count-as-saline", "ordered-amount"),
    ),
    Scene(
        says="bicarbonate 8.4 % 250 mL with a seizure at 114: too much at once",
        order=salt(ml="250"),
        story=ward("114", SEIZURE),
        fires={"OS-SALTS": "warning severe"},
        shows=("ordered-amount", "same-as-bolus"),
    ),
    Scene(
        says="bicarbonate 8.4 % for acidosis at 120: it counts as hypertonic saline",
        order=salt(),
        story=ward("120"),
        fires={"OS-SALTS": "warning main"},
        shows=("same-as-bolus", "count-as-saline"),
    ),
    Scene(
        says="a bag of hypertonic saline with starch at 122 is six boluses",
        order=salt("hypertonic saline with starch or dextran", "1.232", "250"),
        story=ward("122"),
        fires={"OS-SALTS": "warning main"},
        shows=("ordered-amount-plain", "same-as-bolus"),
    ),
    Scene(
        says="molar lactate without a volume at 122",
        order=salt("sodium lactate", "1", None),
        story=ward("122"),
        fires={"OS-SALTS": "warning main"},
        hides=("ordered-amount-plain",),
    ),
    *(
        Scene(
            says=f"F22: {name} at 114 with potassium {potassium}: {'named' if told else 'not'}",
            order=salt(name, ml=ml),
            story=ward("114", *problems, results=(result("potassium", potassium),)),
            fires={"OS-SALTS": "warning main"},
            shows=("against-potassium",) if told else (),
            hides=() if told else ("against-potassium",),
        )
        for problems in ((), (problem("dialysis", days=900),))
        for ml in ("50", "100", None)
        for name, potassium, told in (
            ("sodium bicarbonate", "7.1", True),
            ("sodium bicarbonate", "6.0", True),
            ("sodium bicarbonate", "5.9", False),
            ("sodium lactate", "7.1", False),
        )
    ),
    *(
        Scene(
            says=f"F22: {name} {ml} mL, {base} to {now}: one bolus of it goes beyond the limit",
            order=salt(name, ml=ml),
            story=ward(str(now), *problems, results=(result("sodium", base, 20),)),
            fires=fires,
            shows=("salt-beyond-limit",),
            hides=("count-as-saline", "bolus-then-sodium", "less-of-it"),
        )
        for name in ("sodium bicarbonate", "sodium lactate")
        for ml in ("60", "250")
        for base, now, problems, fires in (
            (113, 120.5, (), {"OS-SALTS": "warning main", "OS-RAISE": "info main"}),
            (113, 121, (), {"OS-SALTS": "warning main", "OS-RAISE": "info main"}),
            (113, 122, (), {"OS-RAISE": "warning main"}),
        )
    ),
    Scene(
        says="F22: near the limit with room for one bolus of it: not the whole amount",
        order=salt(ml="150"),
        story=ward("119", results=(result("sodium", 113, 10),)),
        fires={"OS-RAISE": "warning main"},
        shows=("less-of-it",),
        hides=("salt-beyond-limit",),
    ),
    Scene(
        says="F22: in cirrhosis the goal of the day is what is left",
        order=salt(ml="250"),
        story=ward("118", problem("cirrhosis", days=900), results=(result("sodium", 113, 20),)),
        fires={"OS-SALTS": "warning main", "OS-RAISE": "info main"},
        shows=("salt-beyond-limit",),
        hides=("bolus-then-sodium",),
    ),
    Scene(
        says="F22: with two thirds of the day's rise left one bolus of it may be needed",
        order=salt(ml="250"),
        story=ward("116", results=(result("sodium", 113, 20),)),
        fires={"OS-SALTS": "warning main"},
        shows=("bolus-then-sodium",),
        hides=("salt-beyond-limit",),
    ),
    Scene(
        says="F22: a phosphate of sodium is not asked whether acidosis needs it",
        order=additive("60"),
        story=ward("114"),
        fires={"OS-SALTS": "warning main"},
        shows=("bolus-then-sodium-phosphate",),
        hides=("bolus-then-sodium",),
    ),
    Scene(says="bicarbonate 8.4 % at 126: silent", order=salt(), story=ward("126")),
    Scene(says="bicarbonate 8.4 % at 138: silent", order=salt(), story=ward("138")),
    Scene(
        says="bicarbonate 8.4 % at 130 after an acute fall",
        order=salt(),
        story=ward("130", results=(result("sodium", 140, 20),)),
        fires={"OS-SALTS": "warning main"},
    ),
    Scene(
        says="while sodium rises too fast OS-RAISE speaks of lactate and its like too",
        order=salt("sodium lactate"),
        story=ward("122", results=(result("sodium", 110, 20),)),
        fires={"OS-RAISE": "warning main"},
        shows=("ordered-amount-plain", "same-as-bolus", "salt-beyond-limit"),
        hides=("hold-or-count", "less-of-it"),
    ),
    *(
        Scene(
            says=f"bicarbonate 8.4 % 250 mL at 114 with {risk}: the amount, and no 'give it'",
            order=salt(ml="250"),
            story=story,
            fires={"OS-SALTS": "warning main"},
            shows=("ordered-amount-plain", "bolus-then-sodium", "risk-aasld"),
            hides=("count-as-saline", "count-it"),
        )
        for risk, story in (
            ("a low potassium", ward("114", results=(result("potassium", "3.1"),))),
            ("alcohol", ward("114", problem("alcohol-use-disorder", days=900))),
            ("cirrhosis", ward("114", problem("cirrhosis", days=900))),
        )
    ),
    Scene(
        says="bicarbonate 8.4 % 50 mL at 114 with alcohol is one bolus: it may be given",
        order=salt(),
        story=ward("114", problem("alcohol-use-disorder", days=900)),
        fires={"OS-SALTS": "warning main"},
        shows=("count-as-saline",),
        hides=("bolus-then-sodium", "ordered-amount-plain"),
    ),
    Scene(
        says="bicarbonate 8.4 % 100 mL at 118 is two boluses: one, then sodium",
        order=salt(ml="100"),
        story=ward("118"),
        fires={"OS-SALTS": "warning main"},
        shows=("ordered-amount-plain", "bolus-then-sodium"),
        hides=("count-as-saline",),
    ),
    Scene(
        says="bicarbonate 8.4 % 50 mL at 118 with a potassium of 3.1, which it takes down",
        order=salt(),
        story=ward("118", results=(result("potassium", "3.1"),)),
        fires={"OS-SALTS": "warning main"},
        shows=("lowers-potassium",),
    ),
    Scene(
        says="bicarbonate 8.4 % 50 mL at 118 with a potassium of 4.1",
        order=salt(),
        story=ward("118", results=(result("potassium", "4.1"),)),
        fires={"OS-SALTS": "warning main"},
        hides=("lowers-potassium",),
    ),
)


@table(SCENES)
def test_sodium_salts_as_strong_as_hypertonic_saline(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(
    ("profile", "strength", "volume"),
    [("aasld", "1", "51"), ("european", "1", "77"), ("aasld", "1.232", "42"), ("aasld", "2", "26")],
)
def test_f22_so_much_of_it_is_one_bolus_of_3_percent_saline(
    profile: str, strength: str, volume: str
) -> None:
    scene = Scene(
        says="", order=salt(strength=strength), story=ward("114", SEIZURE), profile=profile
    )
    assert scene.findings()["OS-SALTS"].facts["volume"] == volume
