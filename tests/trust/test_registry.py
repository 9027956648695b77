"""clients.toml: what it may say, which client a call belongs to, and how a change takes effect."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from cds_service.errors import RegistryError
from cds_service.trust.client import Defaults, ServerHabits
from cds_service.trust.current import CurrentRegistry
from cds_service.trust.registry import SANDBOX_ISSUER, Registry, claimed_issuer
from tests.trust.tokens import ISSUER, part, token

FULL = """
[clients.mercy]
fhir_bases = ["https://FHIR.mercy.example:443/r4/A/"]
issuer = "https://fhir.mercy.example/r4/A"
prefetch_aliases = { sodium = ["-na", "na"] }
extra_sources = ["NutritionOrder"]
profile = "european"
deadline_ms = 800
time_zone = "America/Chicago"
explain_missing_data = true
allow_private = true

[clients.saint-anne]
fhir_bases = ["https://fhir.anne.example/r4"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "clients.toml"
    path.write_text(text)
    return path


def test_a_full_entry_is_read(tmp_path: Path) -> None:
    client = Registry.load(written(tmp_path, FULL)).clients[0]
    assert client.fhir_bases == ("https://fhir.mercy.example/r4/A",)
    assert client.prefetch_aliases == {"sodium": ("-na", "na")}
    assert client.time_zone == ZoneInfo("America/Chicago")
    assert (client.name, client.profile, client.deadline_ms) == ("mercy", "european", 800)
    assert (client.explain_missing_data, client.allow_private, client.anonymous) == (
        True,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[clients.mercy]\nfhir_base = []", "fhir_base"),
        ("[client.mercy]", "client"),
        ("[clients.mercy]\ndeadline_ms = 299", "deadline_ms"),
        ("[clients.mercy]\ndeadline_ms = 5001", "deadline_ms"),
        ('[clients.mercy]\ndeadline_ms = "800"', "deadline_ms"),
        ('[clients.mercy]\ntime_zone = "Chicago"', "time_zone"),
        ('[clients.mercy]\ntime_zone = "../../etc/passwd"', "time_zone"),
        ('[clients.mercy]\nprofile = "mine"', "profile"),
        ('[clients.mercy]\nextra_sources = ["Observation"]', "extra_sources"),
        ('[clients.mercy]\nfhir_bases = "https://x.example"', "fhir_bases"),
        ('[clients.mercy]\nfhir_bases = ["https://x.example/a/../b"]', "fhir_bases"),
        ('[clients.mercy]\nfhir_bases = ["http://x.example/fhir"]', "fhir_bases"),
        ('[clients.mercy]\nsearch = "put"', "search"),
        ("[clients.mercy]\nmax_codes = 0", "max_codes"),
        ('[clients.mercy]\nmax_codes = "35"', "max_codes"),
        ('[clients.mercy]\ncategory = "laboratory&_count=1"', "category"),
        ("[clients.mercy]\ncategory = true", "category"),
        ('[clients.mercy]\nnull_means = "nothing"', "null_means"),
        ('[clients.mercy]\nalso_known_as = ["https://x.example/r4?a=b"]', "also_known_as"),
        ('[clients.mercy]\nalso_known_as = ["https://x.example/r4"]', "fhir_bases"),
        (
            '[clients.mercy]\nfhir_bases = ["https://a.example", "https://b.example"]\n'
            'also_known_as = ["https://x.example/r4"]',
            "also_known_as",
        ),
        (
            '[clients.mercy]\nalso_known_as = ["https://x.example/r4"]\n[clients.mercy.tenants]\n'
            'a = ["https://a.example"]\nb = ["https://b.example"]',
            "also_known_as",
        ),
        ('[clients."Mercy Hospital"]', "clients"),
        ("[clients.mercy", "clients.toml"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(RegistryError) as caught:
        Registry.load(written(tmp_path, text))
    assert str(caught.value).startswith("clients.toml: ")
    assert named in str(caught.value)


def test_the_habits_of_a_server_are_read_and_its_other_names_stand_for_its_base(
    tmp_path: Path,
) -> None:
    text = """
    [clients.mercy]
    fhir_bases = ["https://x.example/r4"]
    search = "post"
    max_codes = 35
    category = "laboratory"
    also_known_as = ["http://Inner.example:8080/ehr/"]
    null_means = "unknown"
    """
    client = Registry.load(written(tmp_path, text)).clients[0]
    assert client.habits == ServerHabits(
        search="post",
        max_codes=35,
        category="laboratory",
        also_known_as=("http://inner.example:8080/ehr",),
        null_means="unknown",
    )
    for name in ("https://x.example/r4/", "http://inner.example:8080/ehr"):
        assert client.base_for(name) == "https://x.example/r4"
    assert client.base_for("http://inner.example:8081/ehr") is None
    assert client.names_of("https://x.example/r4")[1] == "http://inner.example:8080/ehr"
    assert client.names_of(None) == ()


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"clients\.toml"):
        Registry.load(tmp_path / "clients.toml")
    (tmp_path / "clients.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RegistryError, match=r"clients\.toml"):
        Registry.load(tmp_path / "clients.toml")


def test_http_is_allowed_where_the_mode_allows_it(tmp_path: Path) -> None:
    path = written(tmp_path, '[clients.local]\nfhir_bases = ["http://127.0.0.1:8080/fhir"]')
    assert Registry.load(path, allow_http=True).clients[0].fhir_bases == (
        "http://127.0.0.1:8080/fhir",
    )


def test_two_clients_with_one_base_need_different_issuers(tmp_path: Path) -> None:
    entry = '[clients.{}]\nfhir_bases = ["https://x.example"]\nissuer = "{}"\n'
    with pytest.raises(RegistryError, match=r"clients\.b"):
        Registry.load(written(tmp_path, entry.format("a", "i") + entry.format("b", "i")))
    registry = Registry.load(written(tmp_path, entry.format("a", "i") + entry.format("b", "j")))
    assert registry.client_for("https://x.example/", "j").name == "b"


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("https://fhir.mercy.example/r4/A", "mercy"),
        ("HTTPS://fhir.MERCY.example:443/r4/A/", "mercy"),
        ("https://fhir.anne.example/r4", "saint-anne"),
        ("https://fhir.mercy.example/r4/B", "anonymous"),
        ("https://fhir.mercy.example/r4/A/../A", "anonymous"),
        ("not a url", "anonymous"),
        (None, "anonymous"),
    ],
)
def test_a_client_is_found_by_its_registered_base(
    tmp_path: Path, server: str | None, name: str
) -> None:
    registry = Registry.load(written(tmp_path, FULL))
    client = registry.client_for(server, None)
    assert client.name == name
    assert client.base_for(server) == (None if name == "anonymous" else client.fhir_bases[0])


def test_without_a_registry_nothing_may_be_read() -> None:
    client = Registry.empty().client_for("https://fhir.mercy.example/r4/A", SANDBOX_ISSUER)
    assert client.anonymous
    assert client.base_for("https://fhir.mercy.example/r4/A") is None
    assert "clients.toml" in client.refusal


def test_the_demo_reads_its_own_server_and_those_named_on_the_command_line() -> None:
    registry = Registry.demo("http://127.0.0.1:8642/demo/fhir", "https://r4.example/fhir/")
    client = registry.client_for("https://r4.example/fhir", None)
    assert client.anonymous
    assert client.base_for("https://r4.example/fhir") == "https://r4.example/fhir"
    assert client.base_for("http://127.0.0.1:8642/demo/fhir/") == "http://127.0.0.1:8642/demo/fhir"
    assert client.base_for("http://127.0.0.1:8080/fhir") is None
    assert "--fhir-base" in client.refusal


def test_the_demo_explains_missing_data_to_the_public_sandbox_only() -> None:
    registry = Registry.demo("http://127.0.0.1:8642/demo/fhir")
    assert registry.client_for(None, SANDBOX_ISSUER).explain_missing_data
    assert not registry.client_for(None, "https://other.example").explain_missing_data
    assert not registry.client_for(None, None).explain_missing_data


def test_a_named_base_that_is_no_plain_url_stops_the_demo() -> None:
    with pytest.raises(RegistryError, match="--fhir-base"):
        Registry.demo("https://r4.example/fhir?x=1")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


CHANGES = itertools.count(1)


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    changed = next(CHANGES)
    os.utime(path, ns=(changed, changed))


def test_a_change_takes_effect_within_two_seconds_and_is_reported(tmp_path: Path) -> None:
    path, said, clock = written(tmp_path, FULL), list[str](), Clock()
    holder = CurrentRegistry(path, report=said.append, clock=clock, wall=clock)
    before = holder.current()
    rewrite(path, FULL.replace("800", "900"))
    assert holder.current() is before
    for clock.now in (1.0, 2.0):
        now = holder.current()
    assert now.clients[0].deadline_ms == 900
    assert before.clients[0].deadline_ms == 800
    assert len(said) == 1


def test_a_broken_or_removed_file_keeps_the_old_registry_and_says_so_once(tmp_path: Path) -> None:
    path, said, clock = written(tmp_path, FULL), list[str](), Clock()
    holder = CurrentRegistry(path, report=said.append, clock=clock, wall=clock)
    before = holder.current()
    rewrite(path, FULL.replace("800", "80"))
    holder.current()
    clock.now = 1.0
    holder.current()
    for clock.now in (2.0, 3.0, 4.0):
        assert holder.current() == replace(before, outdated=True)
    assert len(said) == 1
    assert "deadline_ms" in said[0]
    path.unlink()
    for clock.now in (5.0, 6.0):
        holder.current()
    assert holder.current() == replace(before, outdated=True)
    assert len(said) == 2
    rewrite(path, FULL.replace("800", "900"))
    for clock.now in (7.0, 8.0):
        holder.current()
    assert holder.current().clients[0].deadline_ms == 900
    assert not holder.current().outdated


def test_a_file_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    path, said, clock = written(tmp_path, FULL), list[str](), Clock()
    holder = CurrentRegistry(path, report=said.append, clock=clock, wall=clock)
    whole = FULL + '\n[clients.anne]\nfhir_bases = ["https://fhir.ruth.example/r4"]\n'
    for clock.now in (1.0, 2.0, 3.0):
        rewrite(path, f"# {clock.now}")  # sound, and without a client
        assert len(holder.current().clients) == 2
    rewrite(path, whole)
    for clock.now in (4.0, 5.0):
        now = holder.current()
    assert [client.name for client in now.clients] == ["mercy", "saint-anne", "anne"]
    assert len(said) == 1


def test_the_first_call_after_a_pause_meets_the_file_that_is_there(tmp_path: Path) -> None:
    path, said, clock = written(tmp_path, FULL), list[str](), Clock()

    def an_hour_later() -> float:
        return path.stat().st_ctime + 3600

    holder = CurrentRegistry(path, report=said.append, clock=clock, wall=an_hour_later)
    rewrite(path, FULL.partition("[clients.saint-anne]")[0])
    clock.now = 3600.0
    assert [client.name for client in holder.current().clients] == ["mercy"]
    assert len(said) == 1


def emptied(path: Path) -> None:
    path.write_text("")


def deeply_nested(path: Path) -> None:
    path.write_text("a = " + "[" * 100_000)


def a_number_of_5000_digits(path: Path) -> None:
    path.write_text("a = " + "9" * 5000)


def not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def half_a_line(path: Path) -> None:
    path.write_text(FULL[: len(FULL) // 2] + '"')


def too_large(path: Path) -> None:
    path.write_text("#" * 5_000_000)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [
    emptied,
    deeply_nested,
    a_number_of_5000_digits,
    not_text,
    half_a_line,
    too_large,
    a_pipe,
    a_folder,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_becomes_of_the_file_the_old_registry_stays_in_force(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path, said, clock = written(tmp_path, FULL), list[str](), Clock()
    holder = CurrentRegistry(path, report=said.append, clock=clock, wall=clock)
    before = holder.current()
    damage(path)
    for clock.now in (1.0, 2.0, 3.0):
        now = holder.current()
    assert now == replace(before, outdated=True)
    assert len(said) == 1
    assert len(said[0]) < 400


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_stops_the_start_in_words(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = written(tmp_path, FULL)
    damage(path)
    with pytest.raises(RegistryError, match=r"clients\.toml"):
        CurrentRegistry(path, report=lambda text: None)


def test_what_a_client_does_not_say_comes_from_the_settings(tmp_path: Path) -> None:
    path = written(tmp_path, FULL + "\n[clients.anne]\n")
    usual = Defaults(profile="european", deadline_ms=2500)
    registry = Registry.load(path, defaults=usual)
    mercy, _, anne = registry.clients
    assert (mercy.deadline_ms, anne.profile, anne.deadline_ms) == (800, "european", 2500)
    assert registry.anonymous.profile == "european"
    assert Registry.empty(usual).anonymous.deadline_ms == 2500
    assert Registry.demo(defaults=usual).anonymous_by_issuer[SANDBOX_ISSUER].profile == "european"


def test_a_file_that_is_broken_from_the_start_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(RegistryError):
        CurrentRegistry(written(tmp_path, "[clients.mercy]\nx = 1"), report=lambda text: None)


@pytest.mark.parametrize(
    ("header", "issuer"),
    [
        (f"Bearer {token()}", ISSUER),
        (f"bearer {token()}", ISSUER),
        (None, None),
        (f"Basic {token()}", None),
        ("Bearer only.two", None),
        (f"Bearer a.{part(b'no JSON')}.c", None),
        ("Bearer a.%%%.c", None),
        ("Bearer a.é.c", None),
        (f"Bearer a.{part(['a list'])}.c", None),
        (f"Bearer a.{part({'iss': 7})}.c", None),
        (f"Bearer a.{part({'iss': 'x' * 9000})}.c", None),
    ],
)
def test_an_odd_token_never_breaks_a_call_that_needs_none(
    header: str | None, issuer: str | None
) -> None:
    """Without keys in the registry (development, demo) the issuer only chooses between clients."""
    assert claimed_issuer(header) == issuer
