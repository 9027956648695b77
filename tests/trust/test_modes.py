"""What each mode refuses to start with: exit code 78 and one line (docs/security.md, T-29, T-68)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import create_app
from cds_service.errors import ConfigurationError, RegistryError, SettingsError
from cds_service.settings import Settings
from cds_service.trust.keyset import SANDBOX_JWK
from cds_service.web.runtime import runtime_of
from tests.patience import PATIENCE_S
from tests.trust.tokens import ISSUER, written

GOOD = f'[clients.mercy]\nissuer = "{ISSUER}"\njwks_url = "https://ehr.example/jwks"\n'


def settings(folder: Path, **changed: Any) -> Settings:
    chosen: dict[str, Any] = {
        "mode": "production",
        "public_url": "https://cds.example",
        "clients_file": written(folder),
        "data_dir": folder / "data",
    }
    return Settings(**(chosen | changed))


def test_production_starts_with_what_it_needs(tmp_path: Path) -> None:
    assert create_app(settings(tmp_path)).test_client().get("/health").status_code == 200


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"clients_file": None}, "CDS_CLIENTS_FILE"),
        ({"public_url": ""}, "CDS_PUBLIC_URL"),
        ({"public_url": "http://cds.example"}, "CDS_PUBLIC_URL"),
        ({"public_url": "https://"}, "CDS_PUBLIC_URL"),
        ({"public_url": "https://cds.example/?for=ehr"}, "CDS_PUBLIC_URL"),
        ({"database_url": "sqlite://", "secret_file": Path("s")}, "CDS_DATABASE_URL"),
        ({"database_url": "sqlite:///:memory:", "secret_file": Path("s")}, "CDS_DATABASE_URL"),
        ({"ca_bundle": Path("nowhere.pem")}, "CDS_CA_BUNDLE"),
        ({"ca_bundle": Path(__file__)}, "CDS_CA_BUNDLE"),
        ({"terminology_base": "http://cds.example/fhir"}, "CDS_TERMINOLOGY_BASE"),
        ({"database_url": "postgresql://db/cds"}, "CDS_SECRET_FILE"),
        *(
            ({"database_url": f"postgresql://{url}", "secret_file": Path("s")}, "CDS_DATABASE_URL")
            for url in (
                "u:p@db/cds",
                "u:p@db/cds?sslmode=require",
                "u:p@db/cds?sslmode=verify-ca",
                "/cds?host=10.0.0.9",
                "localhost/cds?host=/run/postgresql,db",
                "localhost/cds?hostaddr=10.0.0.9",
            )
        ),
        ({"cors_origins": ("http://ehr.example",)}, "CDS_CORS_ORIGINS"),
        ({"cors_origins": ("*",)}, "CDS_CORS_ORIGINS"),
        ({"cors_origins": ("https://.*",)}, "CDS_CORS_ORIGINS"),
        ({"demo_public": True}, "CDS_DEMO_PUBLIC"),
        ({"mode": "development", "clients_file": None}, "CDS_CLIENTS_FILE"),
        ({"mode": "demo"}, "CDS_CLIENTS_FILE"),
        ({"mode": "demo", "clients_file": None, "host": "0.0.0.0"}, "CDS_HOST"),  # noqa: S104
    ],
)
def test_what_is_unsafe_does_not_start(tmp_path: Path, changed: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        create_app(settings(tmp_path, **changed))
    assert str(caught.value).startswith(named)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "u@127.0.0.1:1/cds",
        "u@localhost:1/cds",
        "/cds?host=/nowhere",
        "u@db.invalid:1/cds?sslmode=verify-full",
    ],
)
def test_a_database_that_is_here_or_checked_is_taken(tmp_path: Path, url: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 64)
    app = create_app(settings(tmp_path, database_url=f"postgresql://{url}", secret_file=secret))
    assert app.test_client().get("/ready").status_code == 200  # degraded: nothing answers there
    runtime_of(app).recorder.close(0)
    runtime_of(app).database.close()


def test_an_unchecked_database_is_refused_in_production_only(tmp_path: Path) -> None:
    app = create_app(
        settings(tmp_path, mode="development", database_url="postgresql://u@db.invalid:1/cds")
    )
    runtime_of(app).recorder.close(0)
    runtime_of(app).database.close()


def test_a_demo_beyond_this_machine_needs_its_flag(tmp_path: Path) -> None:
    shown = settings(tmp_path, mode="demo", clients_file=None, host="0.0.0.0", demo_public=True)  # noqa: S104
    assert create_app(shown)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no client"),
        ("[clients.mercy]\n", "clients.mercy: needs issuer"),
        ('[clients.mercy]\nissuer = "https://x"\n', "clients.mercy: needs issuer"),
        (GOOD + '[clients.anne]\nfhir_bases = ["https://x.example"]\n', "clients.anne"),
        (GOOD.replace("https://ehr.example/jwks", "http://ehr.example/jwks"), "jwks_url"),
        (GOOD + 'fhir_bases = ["http://ehr.example/r4"]\n', "fhir_bases"),
        (GOOD + 'cors_origins = ["http://ehr.example"]\n', "cors_origins"),
        (GOOD.replace(ISSUER, "https://sandbox.cds-hooks.org"), "issuer: the public sandbox"),
        (
            GOOD.replace(
                "https://ehr.example/jwks", "https://sandbox.cds-hooks.org/.well-known/jwks.json"
            ),
            "jwks_url: the",
        ),
        (GOOD + 'jwks_file = "x.json"\n', "one of jwks_url"),
        (GOOD + 'algorithms = ["HS256"]\n', "algorithms"),
        (GOOD + "algorithms = []\n", "algorithms"),
        (GOOD + 'disabled_rules = ["PV-MIDL"]\n', "disabled_rules"),
        (GOOD + "rate_limit = 0\n", "rate_limit"),
        ('[clients.mercy]\njwks_url = "https://ehr.example/jwks"\n', "issuer"),
        (f'[clients.mercy]\nissuer = "{ISSUER}"\njwks_file = "nowhere.json"\n', "jwks_file"),
        (GOOD + 'fhir_bases = ["https://x.example"]\n[clients.mercy.tenants]\na = []\n', "tenants"),
    ],
)
def test_production_refuses_a_registry_that_lets_somebody_in_unproven(
    tmp_path: Path, text: str, named: str
) -> None:
    chosen = settings(tmp_path)
    (tmp_path / "clients.toml").write_text(text)
    with pytest.raises(RegistryError, match=named):
        create_app(chosen)


def started(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    return subprocess.run(
        [sys.executable, "-m", "cds_service", "serve"],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=kept | environment,
    )  # fmt: skip


def test_t29_production_with_the_public_sandboxs_key_exits_with_78_and_one_line(
    tmp_path: Path,
) -> None:
    path = written(tmp_path)
    (tmp_path / "mercy.json").write_text(json.dumps({"keys": [dict(SANDBOX_JWK)]}))
    told = started(
        tmp_path,
        CDS_MODE="production",
        CDS_PUBLIC_URL="https://cds.example",
        CDS_CLIENTS_FILE=str(path),
        CDS_DATA_DIR=str(tmp_path / "data"),
    )
    assert told.returncode == 78
    assert "clients.mercy.jwks_file" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_production_never_reloads_into_an_unproven_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.trust.current.LOOK_EVERY_S", 0.0)
    client = create_app(settings(tmp_path)).test_client()
    (tmp_path / "clients.toml").write_text("")
    path = "/cds-services/hyponatremia-patient-view"
    assert client.post(path, json={}).status_code == 401


def test_a_settings_error_never_quotes_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_app(settings(tmp_path, database_url="postgresql://u:SENTINEL@db/cds"))
    assert "SENTINEL" not in str(caught.value)
