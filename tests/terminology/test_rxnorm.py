"""A site's RxNorm release becomes an index: code-only orders are recognised then."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.errors import TerminologyError
from cds_service.knowledge.words import Fluids, Terms
from cds_service.records.rxnorm_files import import_release, read_index, release_date, write_index
from cds_service.terminology.codes import RXNORM
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.rxnorm import RxNormIndex
from cds_service.terminology.types import Coded, Coding, Product
from tests.rrf import files, zipped


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return zipped(tmp_path / "RxNorm_full_prescribe_10062025.zip")


@pytest.fixture
def index(terms: Terms, release: Path) -> RxNormIndex:
    return import_release(terms.drugs, release)


def test_the_walk_reaches_products_and_packs_of_shipped_ingredients_only(
    index: RxNormIndex,
) -> None:
    ingredients = {code: product.ingredients for code, product in index.products.items()}

    assert index.release == date(2025, 10, 6)
    assert all(
        ingredients[code] == ("sertraline",)
        for code in ("155137", "900001", "900002", "900003", "900004")
    )
    assert set(ingredients["900012"]) == {"hydrochlorothiazide", "lisinopril"}
    assert ingredients["900042"] == ("bendroflumethiazide",)
    assert not {"161", "900020", "900021", "36438", "900099"} & set(ingredients)


def test_orders_with_a_code_and_no_name_are_recognised(
    index: RxNormIndex, terms: Terms, fluids: Fluids
) -> None:
    resolver = DrugResolver(terms.drugs, fluids, products=index.products)

    def order(code: str) -> Product:
        return Product(concepts=(Coded(codings=(Coding(RXNORM, code),)),))

    combination = resolver.resolve(order("900012"))
    hypertonic = resolver.resolve(order("900031"))
    inhaled = resolver.resolve(order("900032"))

    assert [(d.name, d.evidence) for d in resolver.resolve(order("900003")).drugs] == [
        ("sertraline", "code")
    ]
    assert (combination.ingredient_count, combination.partners) == (2, ("lisinopril",))
    assert hypertonic.saline is not None
    assert hypertonic.route == "iv"
    assert (hypertonic.saline.kind, hypertonic.saline.volume_ml) == ("hypertonic", Decimal(250))
    assert inhaled.saline is None
    assert resolver.resolve(order("900021")).code_only


def test_a_folder_serves_as_well_as_a_zip_file(
    tmp_path: Path, terms: Terms, index: RxNormIndex
) -> None:
    folder = tmp_path / "unpacked"
    (folder / "rrf").mkdir(parents=True)
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "Readme_Full_Prescribe_10062025.txt").touch()

    assert import_release(terms.drugs, folder) == index


def test_the_index_comes_back_as_it_was_written(tmp_path: Path, index: RxNormIndex) -> None:
    path = tmp_path / "rxnorm-index.json"
    write_index(index, path)

    assert read_index(path) == index
    assert [p.name for p in tmp_path.glob("*.part")] == []


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"format": 2}', '{"format": 1, "release": "x", "products": {}}', "\x00"],
)
def test_anything_else_is_refused_with_the_way_out(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rxnorm-index.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(TerminologyError, match="import RxNorm again"):
        read_index(path)


def test_a_release_without_its_files_or_its_date_is_refused(tmp_path: Path, terms: Terms) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("no ZIP", encoding="utf-8")

    with pytest.raises(TerminologyError, match="date"):
        import_release(terms.drugs, tmp_path / "empty")
    with pytest.raises(TerminologyError, match=r"RXNCONSO\.RRF"):
        import_release(terms.drugs, tmp_path / "empty", date(2025, 10, 6))
    with pytest.raises(TerminologyError, match="neither a folder nor a ZIP"):
        import_release(terms.drugs, tmp_path / "note.txt", date(2025, 10, 6))
    assert release_date(Path("RxNorm_full_99992025.zip")) is None
