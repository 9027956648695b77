"""F26: orders of hemodialysis in several languages, and what only sounds like one."""

from __future__ import annotations

from functools import cache

import pytest

from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.terminology.types import Coded
from cds_service.terminology.vocabulary import Vocabulary, vocabulary

SESSIONS = (
    *(
        "Hemodialysis 4 h, dialysate sodium 138",
        "CRRT",
        "CVVHDF, replacement fluid 140",
        "SLED 8 h",
    ),
    *("Continuous veno-venous hemofiltration", "Dialysis today", "Nephrology consult for dialysis"),
    *("Hämodialyse", "Nierenersatzverfahren", "Hémodialyse", "Épuration extra-rénale continue"),
    *("Hemodiálisis", "Terapia de reemplazo renal continua", "Emodiafiltrazione", "Hemodiálise"),
    *("Nierfunctievervangende therapie", "Hemodialys", "Hæmodialyse", "Hemodializa", "血液透析"),
    *("持続的血液濾過透析", "连续性肾脏替代治疗"),
)
OTHERS = (
    *("Peritoneal dialysis", "Dialyse péritonéale", "Dializa otrzewnowa", "腹膜透析"),
    *("Tunneled dialysis catheter placement", "Dialysis diet", "Sodium, dialysate", "No dialysis"),
)


@cache
def words() -> Vocabulary:
    knowledge = load_knowledge(default_hooks_dir())
    return vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders)


def is_session(text: str) -> bool:
    return "dialysis-session" in words().procedures([Coded(codings=(), text=text)]).concepts


@pytest.mark.parametrize("text", SESSIONS)
def test_f26_an_order_of_hemodialysis_is_known_by_its_words(text: str) -> None:
    assert is_session(text)


@pytest.mark.parametrize("text", OTHERS)
def test_f26_another_order_about_dialysis_is_none(text: str) -> None:
    assert not is_session(text)
