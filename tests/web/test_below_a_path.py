"""Behind a proxy at https://host/cds/ pages, style sheets and links stay below /cds/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.feedback.deployments import close

PAGES = ("/", "/basis", "/basis/PV-MOD", "/basis/numbers", "/clinical-decisions", "/reference")


def deployment(folder: Path, public_url: str) -> Flask:
    clients = folder / "clients.toml"
    clients.write_text("[clients.mercy]\nfhir_bases = ['https://fhir.mercy.example/r4']\n")
    return create_app(
        Settings(mode="development", clients_file=clients, data_dir=folder, public_url=public_url)
    )


def links(client: FlaskClient, page: str) -> list[str]:
    """The addresses of this server that a page names; the proxy takes /cds away before a call."""
    answer = client.get(page)
    assert answer.status_code == 200, page
    return re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.get_data(as_text=True))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_is_below_the_path_and_answers(page: str, tmp_path: Path) -> None:
    app = deployment(tmp_path, "https://host.example/cds")
    client = app.test_client()
    found = links(client, page)
    assert found
    for link in {one.partition("#")[0] for one in found}:
        assert link.startswith("/cds/"), f"{page}: {link} leaves the path"
    for link in [one.partition("#")[0] for one in found][:12]:
        with client.get(link.removeprefix("/cds")) as answer:
            assert answer.status_code == 200, link
    close(app)


def test_without_a_path_links_are_as_before(tmp_path: Path) -> None:
    app = deployment(tmp_path, "https://host.example")
    assert "/basis" in links(app.test_client(), "/")
    close(app)
