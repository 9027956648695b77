"""The settings of a deployment: a field for each CDS_... variable, read once at the start."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cds_service.errors import ConfigurationError, SettingsError
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir

Mode = Literal["demo", "development", "production"]
DEFAULT_PORT = 8642
_PREFIX = "CDS_"
_OF_COMMANDS = ("CDS_TEST_ACCESS_TOKEN",)  # read by one command, and no setting of the service
# An orchestrator sets these in every container beside a service that it calls "cds" or "cds-...".
_OF_AN_ORCHESTRATOR = re.compile(
    r"CDS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_EMPTY_HAS_A_MEANING = "empty: "
_EMPTY = "it is set and empty; give it a value, or unset it"


class Settings(BaseSettings):
    """All settings. `docs/settings.md` lists them with their defaults; a test keeps it current."""

    model_config = SettingsConfigDict(env_prefix="CDS_", frozen=True, extra="ignore")

    mode: Mode = Field("production", description="production, development or demo")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(
        DEFAULT_PORT, ge=0, le=65535, description="Port to listen on; 0 takes a free one"
    )
    public_url: str = Field(
        "", description="URL under which EHRs reach the service; empty: from host and port"
    )
    terminology_base: str = Field(
        "", description="Base of our code system URLs; empty: <public URL>/fhir"
    )
    hooks_dir: Path = Field(
        default_factory=default_hooks_dir, description="Folder of the knowledge files"
    )
    clients_file: Path | None = Field(None, description="Registry of CDS clients (clients.toml)")
    profile: str = Field("aasld", description="Guideline profile of clients that name none")
    deadline_ms: int = Field(
        1500, ge=300, le=5000, description="Time for one hook call with live reads"
    )
    database_url_file: Path | None = Field(
        None, description="File with the database URL, so that no environment holds its password"
    )
    database_url: str = Field(
        "", validate_default=True, description="SQLAlchemy URL; empty: SQLite below data_dir"
    )
    data_dir: Path = Field(Path("data"), description="Folder for the SQLite file and the secret")
    secret_file: Path | None = Field(
        None, description="File with the secret for card uuids; empty: made in data_dir"
    )
    max_body_bytes: int = Field(
        2_000_000, ge=10_000, description="Largest request body, also when decompressed"
    )
    fluid_restriction_resource: Literal["NutritionOrder", "ServiceRequest"] = Field(
        "NutritionOrder", description="Resource of the fluid-restriction suggestion"
    )
    ca_bundle: Path | None = Field(
        None, description="Certificates of a private authority that FHIR servers use"
    )
    rxnorm_index: Path | None = Field(
        None, description="Index of a site's RxNorm release, from `cds-service terminology import`"
    )
    local_codes: Path | None = Field(
        None,
        description="CSV of a site's own codes: system, code, and ingredient, analyte or problem",
    )
    require_signed: bool = Field(
        False, description="Refuse to start if a knowledge file is not signed, or changed since"
    )
    explain: bool = Field(
        False, description="Add why, and why not, to every answer as an extension"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Exact origins that browsers may call from, separated by commas; empty: none",
    )
    discovery_auth: Literal["open", "required"] = Field(
        "open", description="Whether discovery needs a token too"
    )
    proxies: int | None = Field(
        None,
        ge=0,
        le=5,
        description="Proxies in front, each of which adds the caller's address to X-Forwarded-For; "
        "empty: not known, and no address is held off for tokens that fail",
    )
    replay_strict: bool = Field(
        False, description="503 while the store of used tokens cannot be reached"
    )
    demo_public: bool = Field(
        False, description="Let a demo listen beyond this machine (--demo-public)"
    )
    suppression: bool = Field(
        True, description="An answered card stays away until the patient gets worse"
    )
    queue_size: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="Calls whose rows may wait for the database in one worker",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port for Prometheus; 0 serves no metrics"
    )
    metrics_host: str = Field("127.0.0.1", description="Address of the metrics port")
    metrics_dir: Path | None = Field(
        None, description="Folder for the workers' counts; empty: a temporary one"
    )
    log_level: Literal["info", "warning", "error"] = Field(
        "info",
        description="Lowest level of the lines in the log; `warning` leaves out the line of each "
        "call that went well",
    )
    otlp_url: str = Field(
        "",
        description="URL of an OpenTelemetry collector (OTLP over HTTP), such as "
        "http://127.0.0.1:4318; empty: no traces and metrics are sent. It needs the extra [otel]",
    )
    keep_issued_days: int = Field(
        400, ge=31, description="Days that issued cards are kept by `db prune`"
    )
    keep_feedback_days: int = Field(
        400, ge=31, description="Days that feedback is kept, without its comments"
    )
    keep_comments_days: int = Field(
        90, ge=0, description="Days that comments in feedback are kept; 0 never stores them"
    )
    keep_audit_days: int = Field(400, ge=1, description="Days that the audit of calls is kept")
    threads: int = Field(16, ge=2, le=256, description="Threads that run hook calls in one worker")
    drain_seconds: float = Field(
        6,
        ge=0,
        le=120,
        description="After SIGTERM, how long calls are still answered while /ready says 503; "
        "0: none",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: object, info: ValidationInfo) -> object:
        """Reads an empty value as the default, if the description says what empty means."""
        if not isinstance(value, str) or value.strip():
            return value
        field = cls.model_fields[str(info.field_name)]
        if _EMPTY_HAS_A_MEANING not in (field.description or ""):
            raise ValueError(_EMPTY)
        return field.default

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"use one of {', '.join(PROFILES)}")
        return value

    @field_validator("otlp_url")
    @classmethod
    def _of_a_collector(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("give an http or https URL without a query: http://127.0.0.1:4318")
        return value

    @field_validator("database_url_file")
    @classmethod
    def _holds_a_url(cls, value: Path | None) -> Path | None:
        if value is not None and not _written_in(value):
            raise ValueError("the file is empty")
        return value

    @field_validator("database_url", mode="before")
    @classmethod
    def _read_from_its_file(cls, value: object, info: ValidationInfo) -> object:
        """Returns the URL that CDS_DATABASE_URL_FILE holds, if that is set."""
        path = info.data.get("database_url_file")
        if path is None:
            return value
        if value:
            raise ValueError("give CDS_DATABASE_URL or CDS_DATABASE_URL_FILE, not both")
        return _written_in(path)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Reads a list separated by commas; the older form, a JSON list, is read too."""
        if not isinstance(value, str):
            return value
        if value.strip().startswith("["):
            return json.loads(value)
        return tuple(filter(None, map(str.strip, value.split(","))))

    @property
    def base_url(self) -> str:
        """The public URL without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def fhir_terminology(self) -> str:
        """Base of the URLs of our own code systems, without a trailing slash."""
        return (self.terminology_base or f"{self.base_url}/fhir").rstrip("/")


_FILES = ("clients_file", "ca_bundle", "rxnorm_index", "local_codes", "secret_file")


def _written_in(path: Path) -> str:
    """Returns the text of a file without the spaces around it; ValueError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError("the file cannot be read") from None


def settings_from_environment(**overrides: object) -> Settings:
    """Reads the CDS_... variables; SettingsError names each wrong or unknown one in one line.

    It never shows a value, which may be a secret.
    """
    problems = [_unknown(name, meant) for name, meant in unknown_variables(os.environ).items()]
    if problems:
        raise SettingsError("; ".join(problems))
    try:
        # pydantic checks the values that the command line gives.
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(map(_told, error.errors()))) from None


def refuse_missing_files(settings: Settings) -> None:
    """Raises SettingsError if a variable names a file or folder that is not there."""
    for name in _FILES:
        path: Path | None = getattr(settings, name)
        if path is not None:
            _refuse_no_file(name, path)
    _refuse_no_folder("hooks_dir", settings.hooks_dir)
    if _is_there("data_dir", settings.data_dir):
        _refuse_no_folder("data_dir", settings.data_dir)


def named_hooks_dir() -> Path | None:
    """Returns the folder that CDS_HOOKS_DIR names; None without it.

    Raises SettingsError if the folder is not there. It looks at no other variable.
    """
    named = [value for name, value in os.environ.items() if name.upper() == _variable("hooks_dir")]
    if not named:
        return None
    folder = Path(named[0])
    if not named[0].strip():
        raise SettingsError(f"{_variable('hooks_dir')}: {_EMPTY}")
    _refuse_no_folder("hooks_dir", folder)
    return folder


def _refuse_no_file(name: str, path: Path) -> None:
    there = _is_there(name, path)
    if not path.is_file():
        what = "is no file that can be read" if there else "does not exist"
        raise SettingsError(f"{_variable(name)}: {path} {what}")


def _refuse_no_folder(name: str, path: Path) -> None:
    there = _is_there(name, path)
    if not path.is_dir():
        what = "is no folder" if there else "does not exist"
        raise SettingsError(f"{_variable(name)}: {path} {what}")


def _is_there(name: str, path: Path) -> bool:
    """Returns whether a path exists; SettingsError if that cannot even be asked."""
    with folder_of(name, path):
        return path.exists()


@contextmanager
def folder_of(name: str, path: Path) -> Iterator[None]:
    """Turns what the system says of a path into a SettingsError that names the variable."""
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise SettingsError(f"{_variable(name)}: {path} cannot be used ({said})") from None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Puts the variable of a setting before what is wrong with the file that it names."""
    try:
        yield
    except ConfigurationError as error:
        raise type(error)(f"{_variable(name)}: {error}") from None


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the CDS_... variables that are no setting, each with the setting it is near to."""
    known = [_variable(name) for name in Settings.model_fields]
    unknown = sorted(
        name
        for name, value in environment.items()
        if name.upper().startswith(_PREFIX)
        and name.upper() not in (*known, *_OF_COMMANDS)
        and not _is_an_orchestrators(name, value)
    )
    return {name: "".join(get_close_matches(name.upper(), known, n=1)) for name in unknown}


def _is_an_orchestrators(name: str, value: str) -> bool:
    return bool(_OF_AN_ORCHESTRATOR.fullmatch(name) or _ADDRESS.match(value))


def _variable(name: object) -> str:
    return f"{_PREFIX}{name}".upper()


def _unknown(name: str, meant: str) -> str:
    advice = f"did you mean {meant}?" if meant else "docs/settings.md lists them all"
    return f"{name}: there is no such setting; {advice}"


def _told(error: ErrorDetails) -> str:
    """Returns one problem that pydantic found, in words that do not hold the value."""
    words = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{_variable(error['loc'][0])}: {words.partition(', unable')[0]}"
