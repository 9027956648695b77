"""Words out of a record cannot become markup, links or hidden text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds_service.engine.cards import LIMIT, defuse

_RENDER = MarkdownIt("gfm-like")


@pytest.mark.parametrize(
    ("hostile", "inert"),
    [
        ("Sertraline 50 mg", "Sertraline 50 mg"),
        ("Ringer's acetate 1000 ml", "Ringer\u2019s acetate 1000 ml"),
        ("solution d\u2019Hartmann", "solution d\u2019Hartmann"),
        ("\u2018Ringer\u2019 'acetate' 5' x'", "Ringer acetate 5 x"),
        ("<script>alert(1)</script>", "script alert(1) /script"),
        ("[x](javascript:alert(1))", "x (javascript alert(1))"),
        ("see https://evil.example/x", "see //evil.example/x"),
        ("www.evil.example", ".evil.example"),
        ("mail me@evil.example", "mail me evil.example"),
        ("one\n# two", "one two"),
        ("a\u202eb\u200bc", "abc"),
        ("~~struck~~ *bold* _it_ `code`", "struck bold it code"),
        ("Natrium 5 µg/L ä", "Natrium 5 μg/L ä"),
    ],
)
def test_markup_and_links_are_taken_apart(hostile: str, inert: str) -> None:
    assert defuse(hostile) == inert


@given(st.text(max_size=300))
def test_no_text_whatever_renders_as_anything_but_itself(text: str) -> None:
    said = defuse(text)
    assert len(said) <= LIMIT
    assert "\n" not in said
    assert not any(unicodedata.category(c) == "Cf" for c in said)
    html = _RENDER.render(f"matched by name: '{said}' end")
    assert html.count("<") == 2, html  # the paragraph, and nothing else
