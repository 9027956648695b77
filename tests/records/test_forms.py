"""A search in another form asks for the same codes, once each, and within the limits."""

from __future__ import annotations

import pytest

from cds_service.records.searches import (
    AS_WRITTEN,
    Form,
    Memory,
    code_count,
    formed,
    plainer,
    sent_length,
    without_optional,
)


def search(codes: int) -> str:
    named = ",".join(f"http://loinc.org|{number}-1" for number in range(codes))
    return f"Observation?patient=7&code={named}&_sort=-date&_count=100"


def codes_of(asked: str) -> list[str]:
    return asked.partition("code=")[2].partition("&")[0].split(",")


@pytest.mark.parametrize("codes", [1, 2, 3, 35, 61])
@pytest.mark.parametrize("most", [1, 2, 9, 35, 1000])
@pytest.mark.parametrize("chars", [100, 400, 2000])
@pytest.mark.parametrize("plain", [False, True])
def test_the_parts_hold_every_code_once_within_both_limits(
    codes: int, most: int, chars: int, plain: bool
) -> None:
    parts = formed(search(codes), Form(plain=plain, codes=most), most_chars=chars)
    assert [code for part in parts for code in codes_of(part)] == codes_of(search(codes))
    for part in parts:
        assert code_count(part) <= most
        assert sent_length(part) <= chars or code_count(part) == 1
        assert part.startswith("Observation?patient=7&code=")
        assert ("_sort=-date" in part) != plain


@pytest.mark.parametrize("codes", [1, 2, 35, 61])
def test_plainer_forms_lose_no_code_and_come_to_an_end(codes: int) -> None:
    asked: tuple[str, ...] = (search(codes),)
    for _ in range(10):
        again = [plainer(one, 400) or (one,) for one in asked]
        asked = tuple(part for parts in again for part in parts)
        assert [code for part in asked for code in codes_of(part)] == codes_of(search(codes))
    assert all(code_count(part) == 1 for part in asked)
    assert all(plainer(part, 400) == () for part in asked)


def test_a_search_without_codes_or_options_has_no_plainer_form() -> None:
    assert plainer("Condition?patient=7", 500) == ()
    assert plainer("Condition?patient=7&_count=200", 500) == ("Condition?patient=7",)
    assert without_optional("MedicationRequest?patient=7&status=active,on-hold&_count=9") == (
        "MedicationRequest?patient=7"
    )


def test_the_memory_is_bounded_and_forgets() -> None:
    now = [0.0]
    memory = Memory(lambda: now[0])
    plain = Form(plain=True)
    assert memory.worked("sodium", plain, 400)
    assert not memory.worked("sodium", plain, 400), "the same again is no news"
    memory.worked("labs", Form(codes=30), 500)
    for number in range(1000):
        memory.worked(f"key{number}", plain, 400)
    assert len(memory.shown()) <= 64
    assert memory.shown()["labs"] == "at most 30 codes at once"
    now[0] = 61.0
    assert memory.form("labs") == AS_WRITTEN, "after an error of the server: a minute"
    assert memory.form("sodium") == plain
    now[0] = 601.0
    assert memory.form("sodium") == AS_WRITTEN
