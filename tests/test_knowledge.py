"""hooks/ is a closed set: names lead somewhere, numbers and words are used, a mistake stops the start."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import fields

import cds_service
from cds_service.cli.knowledge import check
from cds_service.errors import ConfigurationError, KnowledgeError
from cds_service.knowledge import names
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.knowledge.regulatory import load_regulatory
from cds_service.knowledge.review import translation_of
from cds_service.pipeline import HOOKS
from tests.fhir_resources import pipeline

PACKAGE = Path(cds_service.__file__).parent
VIEW, ORDERS, SERVICES = "chart.toml", "orders.toml", "services.toml"
NUMBERS, WORDS = "knowledge/thresholds.toml", "knowledge/words.toml"
# B.7 of docs/clinical-decisions.md: public, and stable for ever.
TOPICS = frozenset(
    {
        "demyelinationSigns",
        "dialysisLowSodium",
        "dischargeAfterOvercorrection",
        "dischargeLowSodium",
        "dischargeNewDrug",
        "fluidsEncouraged",
        "hypertonicSodiumSalt",
        "osmoticAgent",
        "sodiumEmergency",
        "sodiumEncephalopathy",
        "sodiumSevere",
        "sodiumModerate",
        "sodiumMildSymptomatic",
        "sodiumMild",
        "sodiumAcuteFall",
        "glucoseShift",
        "pseudohyponatremia",
        "sodiumOutdated",
        "sodiumCheckDue",
        "overcorrection",
        "correctionNearLimit",
        "sodiumImplausible",
        "hypertonicSalineNoHyponatremia",
        "hypertonicSalineMild",
        "hypertonicSalineNoSevereSymptoms",
        "hypertonicSalineGuardrails",
        "raiseOvercorrection",
        "sodiumNeededFirst",
        "concentratedSaline",
        "vaptanHypovolemia",
        "vaptanLiver",
        "vaptanWithHypertonicSaline",
        "vaptanDuration",
        "vaptanSevereSymptoms",
        "vaptanContraindicated",
        "adrenalBeforeThyroid",
        "vaptanNoHyponatremia",
        "vaptanStart",
        "isotonicSalineSiadh",
        "isotonicSalineOverload",
        "hypotonicFluid",
        "sodiumLoweringDrug",
        "sodiumLoweringCombination",
        "baselineSodium",
        "diureticCirrhosis",
        "baclofenCirrhosis",
        "saltTabletsOverload",
        "fluidRestrictionHarm",
        "ureaEncephalopathy",
        "demeclocycline",
        "sodiumNotChecked",
    }
)


@cache
def knowledge() -> Knowledge:
    return pipeline().knowledge


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """A copy of hooks/ to break."""
    copy = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), copy)
    return copy


@cache
def _attributes() -> frozenset[str]:
    return frozenset(
        node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    )


def test_the_topics_are_those_of_the_public_interface() -> None:
    assert set(knowledge().topics) == TOPICS


def test_every_topic_has_a_rule() -> None:
    assert {rule.topic for rule in knowledge().rules.values()} == TOPICS


def test_every_number_is_read_by_the_code() -> None:
    assert {f.name for f in fields(Limits)} - {"profile"} - _attributes() == set()


def test_every_citation_and_override_reason_is_used() -> None:
    rules = knowledge().rules.values()
    cited = {key for rule in rules for key in rule.sources}
    cited |= {key for one in knowledge().words.contested.values() for key in one.sources}
    texts = "\n".join(
        path.read_text(encoding="utf-8") for path in default_hooks_dir().rglob("*.toml")
    )
    named = {
        key for key in knowledge().citations if re.search(rf'source = "{re.escape(key)}"', texts)
    }
    assert set(knowledge().citations) - cited - named == set()
    assert {key for rule in rules for key in rule.overrides} == set(knowledge().overrides)


def test_words_on_cards_are_short_enough_for_a_summary() -> None:
    words = knowledge().words
    for table in (words.symptoms, words.evidence, words.labs):
        assert [text for text in table.values() if len(text) > 34] == []


def test_every_ingredient_is_short_enough_for_a_summary() -> None:
    ingredients = [name for name, drug in knowledge().terms.drugs.items() if drug.rxnorm]
    assert [name for name in ingredients if len(name) > 20] == []


BAD = """[bad]
value = 1
unit = "h"
source = "design"
where = "x"
evidence = "design"
why = "x"
"""
MISTAKES = {
    "a key that no rule knows": (
        VIEW,
        "[rules.PV-SYMP]\n",
        "[rules.PV-SYMP]\ncolor = 1\n",
        ["PV-SYMP", "color"],
    ),
    "a topic that is none": (
        VIEW,
        'topic = "sodiumEmergency"',
        'topic = "sodiumPanic"',
        ["PV-SYMP", "sodiumPanic", "knowledge/topics.toml"],
    ),
    "a source that is none": (
        VIEW,
        '"verbalis-2013"',
        '"verbalis-2031"',
        ["PV-SYMP", "verbalis-2031", "knowledge/citations.toml"],
    ),
    "an override that is none": (
        VIEW,
        '"already-managed"',
        '"whatever"',
        ["PV-SYMP", "whatever", "knowledge/override-reasons.toml"],
    ),
    "an indicator that is none": (
        VIEW,
        '"critical"',
        '"alarm"',
        ["PV-SYMP", "indicators", "allowed: critical, info, warning"],
    ),
    "HTML in a line": (
        WORDS,
        'treat-cause = "',
        'treat-cause = "<b>Now</b> ',
        ["[lines] treat-cause", "HTML"],
    ),
    "an empty line": (
        VIEW,
        'cause-later = "Look for the cause once stable."',
        'cause-later = " "',
        ["cause-later", "empty"],
    ),
    "a lonely dollar": (VIEW, "once stable.", "for 5 $.", ["cause-later", "$"]),
    "a summary too long": (
        VIEW,
        "possible emergency, assess now",
        "assess now " * 14,
        ["summary.main", "at most"],
    ),
    "a rule without its topic": (VIEW, 'topic = "sodiumEmergency"\n', "", ["PV-SYMP", "topic"]),
    "an outcome of which no rule warns": (
        "knowledge/history.toml",
        '"RATE-OVER", "RATE-NEAR"',
        '"RATE-OVR"',
        ["[warns.over-correction]", "RATE-OVR"],
    ),
    "a rule that no code has": (VIEW, "[rules.PV-SYMP", "[rules.PV-NEW", ["PV-NEW"]),
    "a prefetch key less": (
        SERVICES,
        'encounter = "Encounter/{{context.encounterId}}"\n',
        "",
        ["[prefetch]", "encounter"],
    ),
    "a code list that is none": (SERVICES, "code=$glucose", "code=$sugar", ["[prefetch] glucose"]),
    "a hook that we do not serve": (
        SERVICES,
        'hook = "order-select"',
        'hook = "order-made-up"',
        ["order-made-up", "HOOKS", "cds_service/pipeline.py"],
    ),
    "a rule on a hook that we do not serve": (
        ORDERS,
        'hooks = ["order-select", "order-sign"]',
        'hooks = ["order-select", "order-sign", "order-sgin"]',
        ["OS-HTS-OVER", "order-sgin", "HOOKS"],
    ),
    "a service that no rule speaks for": (
        ORDERS,
        'hooks = ["order-select", "order-sign"]',
        "hooks = []",
        ["hyponatremia-order-select", "no rule speaks", "orders.toml"],
    ),
    "a rule about orders on the hook of the chart": (
        ORDERS,
        'hooks = ["order-select", "order-sign"]',
        'hooks = ["order-select", "order-sign", "patient-view"]',
        ["OS-HTS-OVER", "patient-view"],
    ),
    "a rule that holds back none": (
        ORDERS,
        'holds_back = ["OS-HTS-ASX"',
        'holds_back = ["OS-HTS-AXS"',
        ["OS-HTS-OVER", "holds_back", "OS-HTS-AXS"],
    ),
    "a slot that is none": (
        VIEW,
        '\nslot = "rate"',
        '\nslot = "rates"',
        ["DQ-DELTA", "slot", "allowed: beside, order, rate, sodium"],
    ),
    "a variant without its slot": (
        VIEW,
        'slot = { below = "sodium", ',
        "slot = { ",
        ["DQ-PLAUS", "slot", "below"],
    ),
    "a number without its source": (
        NUMBERS,
        'source = "aasld-2021"\n',
        "",
        ["[severe_below]", "source"],
    ),
    "a number without a reason": (
        NUMBERS,
        'why = "below this: severe',
        'why = " "#',
        ["[severe_below]", "why"],
    ),
    "a number that is a word": (
        NUMBERS,
        "value = 120",
        'value = "low"',
        ["[severe_below]", "value", "number"],
    ),
    "a number for no profile": (
        NUMBERS,
        "[severe_below.profiles.european]",
        "[severe_below.profiles.swiss]",
        ["[severe_below]", "swiss", "allowed: aasld, european"],
    ),
    "a number more": (NUMBERS, "[severe_below]", f"{BAD}[severe_below]", ["'bad'"]),
    "a number less": (NUMBERS, "[plausible_to]", "[plausible_two]", ["plausible_to"]),
    "bands that overlap": (
        NUMBERS,
        "[moderate_below.profiles.european]\nvalue = 130",
        "[moderate_below.profiles.european]\nvalue = 125",
        ["european", "severe_below, moderate_below, mild_below", "125, 125, 135"],
    ),
    "a limit that forbids every rise": (
        NUMBERS,
        '[rate_limit_day]\nvalue = 8\nunit = "mmol/L"\nleast = 4',
        '[rate_limit_day]\nvalue = 0\nunit = "mmol/L"\nleast = 0',
        ["aasld", "rate_limit_day", "more than 0"],
    ),
    "a band below zero": (
        NUMBERS,
        "[severe_below]\nvalue = 120",
        "[severe_below]\nvalue = -5",
        ["[severe_below]", "-5", "between 110 and 145"],
    ),
    "a limit ten times too high": (
        NUMBERS,
        "[rate_limit_day]\nvalue = 8",
        "[rate_limit_day]\nvalue = 80",
        ["[rate_limit_day]", "80", "between 4 and 12"],
    ),
    "a profile's limit ten times too high": (
        NUMBERS,
        "[rate_limit_first_day.profiles.european]\nvalue = 10",
        "[rate_limit_first_day.profiles.european]\nvalue = 100",
        ["[rate_limit_first_day.profiles.european]", "100", "between 4 and 12"],
    ),
    "a profile's number without a source": (
        NUMBERS,
        '[severe_below.profiles.european]\nvalue = 125\nsource = "erbp-2014"\n',
        "[severe_below.profiles.european]\nvalue = 125\n",
        ["[severe_below]", "source", "profiles.european"],
    ),
    "a profile's number without its table": (
        NUMBERS,
        "[severe_below.profiles.european]\nvalue = 125\n",
        "[severe_below.profiles]\neuropean = 125\n[severe_below.x]\n",
        ["[severe_below]"],
    ),
    "a number in quotation marks": (
        NUMBERS,
        "value = 126",
        'value = "126"',
        ["[moderate_below]", "'value'", "quotation marks"],
    ),
    "a fluid's number in quotation marks": (
        "knowledge/fluids.toml",
        "value = 1.5",
        'value = "1.5"',
        ["hypertonic_from_percent", "quotation marks"],
    ),
    "a fluid's number that no fluid has": (
        "knowledge/fluids.toml",
        "value = 1.5",
        "value = 150",
        ["[numbers.hypertonic_from_percent]", "150", "between"],
    ),
    "a unit that is none": (
        NUMBERS,
        'unit = "mmol/L"',
        'unit = "mEq/L"',
        ["[severe_below]", "'mEq/L'", "knowledge/units.toml", "mg/dL"],
    ),
    "a flag that is none": (
        NUMBERS,
        'evidence = "secondary"',
        'evidence = "certain"',
        ["[severe_below]", "evidence", "allowed: design, secondary"],
    ),
    "a flag without its meaning": (WORDS, "\nsecondary = ", "\nother = ", ["evidence_flags"]),
    "a drug class without words": (
        "knowledge/sodium-drugs.toml",
        'cls = "ssri"',
        'cls = "sri"',
        ["sri", "knowledge/words.toml [drug_classes]"],
    ),
    "a topic with a hyphen": (
        "knowledge/topics.toml",
        "sodiumSevere =",
        "sodium-severe =",
        ["sodium-severe"],
    ),
    "a concept set with a misspelt problem": (
        "knowledge/concept-sets.toml",
        'members = ["eating-disorder", "withdrawal"]',
        'members = ["eating-disorders", "withdrawal"]',
        ["[seizures_by_bupropion]", "problem 'eating-disorders' is not known (define it in"],
    ),
    "a set of a table with a misspelt drug class": (
        "knowledge/concept-sets.toml",
        'members = ["ssri", "snri"]',
        'members = ["ssri", "snris"]',
        ["[strong_kinds.serotonin]", "drug class 'snris' is not known"],
    ),
    "a set of lines with a line that has another name": (
        "knowledge/concept-sets.toml",
        'members = ["single-bolus", "monitor-"',
        'members = ["single-bolus", "monitors-"',
        ["[carrying_lines]", "line 'monitors-' is not known (no key of a line in hooks/ begins"],
    ),
    "a concept set from nowhere": (
        "knowledge/concept-sets.toml",
        'source = "stopp-v3"',
        'source = "stopp-v9"',
        ["[stopp]", "source 'stopp-v9' is not known"],
    ),
    "a symptom without words": (
        "knowledge/concept-sets.toml",
        'members = ["confusion", "vomiting", "headache"',
        'members = ["pbc", "confusion", "vomiting", "headache"',
        ["words.toml: [symptoms] has no 'pbc'", "concept-sets.toml"],
    ),
    "evidence without words": (
        "knowledge/concept-sets.toml",
        'members = ["shock", "hypovolemic-shock"',
        'members = ["pbc", "shock", "hypovolemic-shock"',
        ["words.toml: [evidence] has no 'pbc'", "concept-sets.toml"],
    ),
    "a misspelt tier": (
        "knowledge/concept-sets.toml",
        'members = ["T1", "T2"]',
        'members = ["T1", "t2"]',
        ["[watched_tiers]", "tier 't2' is not known", "T1, T2, T3"],
    ),
    "a misspelt status": (
        "knowledge/concept-sets.toml",
        'members = ["active", ',
        'members = ["activ", ',
        ["[active_statuses]", "status 'activ' is not known", "order_statuses"],
    ),
    "a misspelt intent": (
        "knowledge/concept-sets.toml",
        'members = ["order", "plan"',
        'members = ["order", "plans"',
        ["[given_intents]", "intent 'plans' is not known", "order_intents"],
    ),
    "a misspelt status that is ignored": (
        "knowledge/orders.toml",
        'ignored_statuses = ["entered-in-error"',
        'ignored_statuses = ["entered-in-eror"',
        ["[reading]", "status 'entered-in-eror' is not known", "order_statuses"],
    ),
    "not TOML": ("knowledge/citations.toml", "[aasld-2021]", "[aasld-2021", ["line"]),
    "a condition with an unknown key": (
        "knowledge/conditions.toml",
        "title = ",
        "titel = ",
        ["titel"],
    ),
    "a laboratory test without codes": (
        "knowledge/labs.toml",
        "[sodium.loinc]",
        "[sodium.codes]",
        ["[sodium]"],
    ),
    "a code with units of its own that is not read": (
        "knowledge/labs.toml",
        "[bun.by_code]\n3091-6 = ",
        "[bun.by_code]\n3091-9 = ",
        ["[bun.by_code]", "'3091-9' is not in [bun.loinc]"],
    ),
    "a factor by code that is no number": (
        "knowledge/labs.toml",
        '"g/l" = "46.7"',
        '"g/l" = "46,7"',
        ["[bun.by_code] 3091-6", "'46,7' of 'g/l'"],
    ),
    "a unit by code that no result can have": (
        "knowledge/labs.toml",
        '"g/l" = "46.7"',
        '"g/L" = "46.7"',
        ["[bun.by_code] 3091-6", "lower case"],
    ),
    "an order without its source": ("knowledge/orders.toml", 'source = "', 'sauce = "', ["sauce"]),
    "an override reason without words": (
        "knowledge/override-reasons.toml",
        "display = ",
        "shown = ",
        ["shown"],
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "parts"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_stops_the_start_and_the_message_names_file_and_key(
    file: str, old: str, new: str, parts: list[str], hooks: Path
) -> None:
    path = hooks / file
    text = path.read_text(encoding="utf-8")
    assert old in text, "the test is out of date"
    count = -1 if old == "[rules.PV-SYMP" else 1
    path.write_text(text.replace(old, new, count), encoding="utf-8")
    result = CliRunner().invoke(check, ["--hooks", str(hooks)])
    assert isinstance(result.exception, KnowledgeError), result.output
    assert isinstance(result.exception, ConfigurationError), (
        "the command line ends with 78 on these"
    )
    message = str(result.exception)
    assert file in message or file.removesuffix(".toml") in message
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize(
    "name", ["order-sign.toml", "knowledge/drugs.toml", "more/words.toml", "extra.tml"]
)
def test_a_file_that_is_not_read_stops_the_start(name: str, hooks: Path) -> None:
    (hooks / name).parent.mkdir(exist_ok=True)
    (hooks / name).write_text("", encoding="utf-8")
    with pytest.raises(
        KnowledgeError, match=r"no such file is read; hooks/ may hold services\.toml"
    ):
        load_knowledge(hooks)


def test_older_versions_of_a_mounted_folder_are_not_read(hooks: Path) -> None:
    """Kubernetes keeps a ConfigMap's files below a folder whose name begins with a dot."""
    (hooks / "..data").mkdir()
    (hooks / "..data" / "thresholds.toml").write_text("", encoding="utf-8")
    load_knowledge(hooks)


def test_a_misspelt_name_in_python_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both problems of the bupropion seizure check, once misspelt, were never looked at again."""
    Problem = StrEnum("Problem", {"EATING_DISORDER": "eating-disorders"})  # noqa: N806
    monkeypatch.setattr(names, "Problem", Problem)
    with pytest.raises(KnowledgeError, match=r"conditions\.toml: 'eating-disorders' is missing"):
        load_knowledge(default_hooks_dir())


def _files() -> Iterator[str]:
    hooks = default_hooks_dir()
    for path in sorted(hooks.rglob("*.toml")):
        if path.name != "reviewed.toml":
            yield path.relative_to(hooks).as_posix()


@pytest.mark.parametrize("file", [n for n in _files() if "/" in n and not translation_of(n)])
def test_a_missing_file_stops_the_start(file: str, hooks: Path) -> None:
    (hooks / file).unlink()
    with pytest.raises(KnowledgeError, match=re.escape(file)):
        load_regulatory(hooks, load_knowledge(hooks))


@pytest.mark.parametrize("file", list(_files()))
def test_a_file_that_is_not_utf8_stops_the_start(file: str, hooks: Path) -> None:
    (hooks / file).write_bytes(b'title = "\xff"')
    with pytest.raises(KnowledgeError, match=re.escape(file)):
        load_regulatory(hooks, load_knowledge(hooks))


def test_a_folder_that_holds_no_knowledge_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="CDS_HOOKS_DIR"):
        load_knowledge(tmp_path)


def test_the_rules_that_the_pipeline_itself_speaks_have_words() -> None:
    for name, hook in HOOKS.items():
        (service,) = [s for s in knowledge().services.values() if s.hook == name]
        assert hook.unreadable in service.rules
