"""Names out of hooks/ that Python uses are checked, so that a renamed class cannot silence a rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

import cds_service
from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.names import Analyte, DrugClass, DrugName, Problem, check_names


def test_every_name_that_python_uses_is_known_to_the_hooks() -> None:
    check_names(load_knowledge(default_hooks_dir()))


@pytest.mark.parametrize(
    "name", [Analyte.EGFR, DrugClass.VAPTAN, DrugName.CONIVAPTAN, Problem.COMA]
)
def test_a_name_that_the_hooks_lost_is_refused_with_its_file(
    name: Analyte | DrugClass | DrugName | Problem,
) -> None:
    known = load_knowledge(default_hooks_dir())
    terms, words = known.terms, known.words
    lost = replace(
        known,
        terms=replace(
            terms,
            labs={k: v for k, v in terms.labs.items() if k != name},
            drugs={k: v for k, v in terms.drugs.items() if k != name},
            concepts={k: v for k, v in terms.concepts.items() if k != name},
        ),
        words=replace(
            words, drug_classes={k: v for k, v in words.drug_classes.items() if k != name}
        ),
    )
    with pytest.raises(KnowledgeError, match=rf"\.toml.*'{name}' is missing"):
        check_names(lost)


def test_every_name_is_used_by_python() -> None:
    package = Path(cds_service.__file__).parent
    files = [file for file in package.rglob("*.py") if file.name != "names.py"]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    members = [member for names in (Analyte, DrugClass, DrugName, Problem) for member in names]
    assert [m for m in members if f"{type(m).__name__}.{m.name}" not in code] == []
