"""`cds-service client` registers an EHR and tests its token without a running service."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import cli
from cds_service.cli.client import NewClient, client, entry_text
from cds_service.errors import RegistryError
from cds_service.protocol.limits import CardLimits
from cds_service.trust.registry import Registry
from tests.fhir_resources import sodium
from tests.picky_server import Asked, Picky, picky
from tests.trust.tokens import AUDIENCE, BASE, ISSUER, public_jwk, token, written


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = written(tmp_path)
    monkeypatch.setenv("CDS_CLIENTS_FILE", str(path))
    monkeypatch.setenv("CDS_PUBLIC_URL", BASE)
    return path


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(client, list(arguments), input=typed, catch_exceptions=True)


ANNE = (
    "add",
    "--name",
    "anne",
    "--issuer",
    "https://anne.example/r4",
    "--fhir-base",
    "https://anne.example/r4",
    "--vendor",
    "other",
)


def test_add_writes_an_entry_and_prints_what_the_analyst_types_in(registry: Path) -> None:
    registry.write_text("# ours\n" + registry.read_text())
    result = run(*ANNE, "--jwks-url", "https://anne.example/jwks", "--audience", "typed-in")
    assert result.exit_code == 0
    for line in (
        f"{BASE}/cds-services/hyponatremia-order-select",
        "https://anne.example/r4",
        "https://anne.example/jwks",
        "typed-in",
        "60 minutes",
        "1500 ms",
    ):
        assert line in result.output
    assert registry.read_text().startswith("# ours\n"), "comments of the site stay"
    mercy, anne = Registry.load(registry).clients
    assert (mercy.name, anne.name) == ("mercy", "anne")
    assert anne.credentials.jku == ("https://anne.example/jwks",)
    assert anne.fhir_bases == ("https://anne.example/r4",)


def test_add_prompts_for_values_that_are_not_given(registry: Path) -> None:
    typed = "anne\nhttps://anne.example/r4\n\nmercy.json\n"
    result = run("add", typed=typed)
    assert result.exit_code == 0, result.output
    anne = Registry.load(registry).clients[1]
    assert anne.credentials.usable
    assert anne.fhir_bases == ()
    assert anne.card_limits == CardLimits()


def test_what_cannot_be_asked_for_is_named_and_nothing_is_aborted(registry: Path) -> None:
    before = registry.read_bytes()
    result = run("add", "--name", "anne", "--issuer", "https://anne.example/r4")
    assert result.exit_code == 2
    assert "Aborted" not in result.output
    assert "give --jwks-url" in result.output
    assert registry.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Saint Anne", "use a-z, 0-9 and '-' only, as in saint-anne"),
        ("mercy", "there is a client of this name already; change its entry in clients.toml"),
    ],
)
def test_a_name_that_cannot_be_added_is_told_in_words(registry: Path, name: str, told: str) -> None:
    result = run(
        "add", "--name", name, "--issuer", "https://a.example", "--jwks-file", "mercy.json"
    )
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


def test_without_a_public_url_the_urls_are_said_to_be_of_this_machine(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDS_PUBLIC_URL")
    monkeypatch.setenv("CDS_MODE", "development")
    result = run(*ANNE, "--jwks-file", "mercy.json")
    assert "set CDS_PUBLIC_URL" in result.output


def test_a_client_of_epic_gets_the_table_of_epic_and_no_discovery(registry: Path) -> None:
    named = ("--issuer", "https://anne.example/r4", "--jwks-file", "mercy.json")
    added = run("add", "--name", "anne", *named, "--vendor", "epic")
    assert "discovery" not in added.output
    assert Registry.load(registry).clients[1].vendor == "epic"
    table = CliRunner().invoke(cli, ["prefetch-table", "--client", "anne"])
    assert "Prefetch Property Name" in table.output
    assert "docs/ehr/epic.md" in table.output


@pytest.mark.parametrize(("flags", "typed"), [(("--vendor", "epic"), "")])
def test_vendor_epic_sets_the_limits_of_epic(
    registry: Path, flags: tuple[str, ...], typed: str
) -> None:
    named = (
        "add",
        "--name",
        "anne",
        "--issuer",
        "https://anne.example/r4",
        "--jwks-file",
        "mercy.json",
    )
    result = run(*named, *flags, typed=typed)
    assert result.exit_code == 0, result.output
    assert Registry.load(registry).clients[1].card_limits == CardLimits(
        accepts_update=False, one_action_per_suggestion=True, selection_behavior_any_only=True
    )


@pytest.mark.parametrize(
    "change",
    [
        {"--name": "Anne Hospital"},
        {"--name": "mercy"},
        {"--name": 'x]\n[clients.evil]\nissuer = "x'},
        {"--issuer": ISSUER},
        {"--issuer": "https://sandbox.cds-hooks.org"},
        {"--fhir-base": "https://anne.example/r4?x=1"},
        {"--jwks-url": "file:///etc/passwd"},
    ],
)
def test_an_entry_that_would_break_the_registry_leaves_it_unchanged(
    registry: Path, change: dict[str, str]
) -> None:
    before = registry.read_bytes()
    given = (
        dict(zip(ANNE[1::2], ANNE[2::2], strict=True))
        | {"--jwks-url": "https://anne.example/jwks"}
        | change
    )
    result = run("add", *(part for pair in given.items() for part in pair))
    assert result.exit_code != 0
    assert registry.read_bytes() == before
    assert sorted(p.name for p in registry.parent.iterdir()) == ["clients.toml", "mercy.json"]
    if isinstance(result.exception, RegistryError):
        assert str(result.exception).startswith("clients.toml")


def test_the_first_client_creates_a_file_that_only_its_owner_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "etc" / "clients.toml"
    monkeypatch.setenv("CDS_CLIENTS_FILE", str(path))
    assert run(*ANNE, "--jwks-url", "https://anne.example/jwks").exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_typed_text_cannot_end_its_toml_string(tmp_path: Path) -> None:
    hostile = NewClient(
        name="anne",
        issuer='https://x"\nopen_access = true\n#',
        jwks_url="https://anne.example/jwks",
        jwks_file="",
        fhir_base="",
        audience="",
    )
    (tmp_path / "clients.toml").write_text(entry_text(hostile))
    with pytest.raises(RegistryError, match="issuer"):
        Registry.load(tmp_path / "clients.toml")


def test_client_test_says_that_a_good_token_would_pass(registry: Path) -> None:
    result = run("test", "mercy", "--token", token())
    assert result.exit_code == 0, result.output
    assert "ES384+/=" in result.output
    assert f"the token passes for {AUDIENCE}" in result.output


def test_a_token_is_read_from_standard_input(registry: Path) -> None:
    assert run("test", "mercy", "--token", "-", typed=token() + "\n").exit_code == 0


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: token(aud="https://x"), "aud"),
        (lambda: token(exp=1), "exp"),
        (lambda: token(jti=""), "jti"),
        (lambda: token(iss="https://x"), "iss"),
        (lambda: token("ES384/2", {"kid": "ES384+/="}), "signature"),
        (lambda: token("ES384/2"), "kid"),
        (lambda: token("RS384"), "kid"),
        (lambda: token("ES256"), "alg"),
        (lambda: "text", "three parts"),
    ],
)
def test_a_token_that_would_not_pass_is_explained(
    registry: Path, make: Callable[[], str], why: str
) -> None:
    said = make()  # now: a token that is made when tests are collected is too old in a long run
    result = run("test", "mercy", "--token", said)
    assert result.exit_code == 1
    assert "refused" in result.output
    assert why in result.output.partition("refused")[2].partition("\n")[0]
    assert said not in result.output


def test_a_refused_token_is_shown_beside_what_is_accepted(registry: Path) -> None:
    said = token(aud="https://typed.example/wrong")
    shown = run("test", "mercy", "--token", said).output
    for line in ("https://typed.example/wrong", AUDIENCE, ISSUER, "ES384", "CDS_PUBLIC_URL"):
        assert line in shown
    assert f"{datetime.now(UTC):%Y-%m-%d}" in shown, "the times of the token"
    assert said.rpartition(".")[2] not in shown, "no signature"


def test_the_probe_tells_a_private_address_and_how_much_the_rules_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")
    with picky(RECORDS, lambda asked: None) as server:
        file = live_entry(tmp_path, server)
        asked = ("probe", "mercy", "--file", file, "--patient", "p1", "--access-token", "t")
        good = run(*asked)
        Path(file).write_text(Path(file).read_text().replace("allow_private = true", ""))
        private = run(*asked)
    assert good.exit_code == 0, good.output
    assert "The rules can use 2 sodium results (0 not" in good.output
    assert "117" not in good.output
    assert private.exit_code == 1
    assert "sodium, glucose" in private.output
    assert ": 0 resources: no connection: its address is private, and the" in private.output
    assert private.output.count("its address is private") == 1, "one cause, one line"


def test_a_private_address_is_told_before_the_first_read(tmp_path: Path) -> None:
    file = written(tmp_path, 'fhir_bases = ["https://10.1.2.3/r4"]\n')
    asked = ("test", "mercy", "--file", str(file))
    refused = run(*asked)
    file.write_text(file.read_text() + "allow_private = true\n")
    allowed = run(*asked)
    assert refused.exit_code == 1
    assert "✗ 10.1.2.3: has the address 10.1.2.3" in refused.output
    assert "without allow_private" in refused.output
    assert allowed.exit_code == 0, allowed.output


@pytest.mark.parametrize("form", ["Bearer {}", "Authorization: Bearer {}", " bearer  {}\n"])
def test_a_token_may_be_copied_with_its_header(registry: Path, form: str) -> None:
    result = run("test", "mercy", "--token", form.format(token()))
    assert "✓ the token passes" in result.output, result.output


def test_the_registry_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDS_CLIENTS_FILE", raising=False)
    result = run("add", typed="mercy\nhttps://mercy.example/r4\nhttps://mercy.example/jwks\n")
    assert result.exit_code == 2
    assert "--file clients.toml, or set CDS_CLIENTS_FILE" in " ".join(result.output.split())
    assert "Short name" not in result.output, "four answers would have been lost"


def test_a_server_that_wants_a_token_names_both_ways_out(tmp_path: Path) -> None:
    file = written(tmp_path, 'fhir_bases = ["https://fhir.mercy.example/r4"]\n')
    result = run("probe", "mercy", "--file", str(file), "--patient", "p1")
    assert result.exit_code == 1
    assert "--access-token, or open_access = true" in result.output


def test_the_token_of_another_client_does_not_pass_for_this_one(registry: Path) -> None:
    (registry.parent / "anne.json").write_text(
        json.dumps({"keys": [public_jwk("ES384/2", alg="ES384")]})
    )
    more = '\n[clients.anne]\nissuer = "https://anne.example"\njwks_file = "anne.json"\n'
    registry.write_text(registry.read_text() + more)
    result = run("test", "anne", "--token", token())
    assert result.exit_code == 1
    assert "clients.mercy" in result.output


def test_a_key_that_is_left_out_is_shown_and_so_is_a_slash_of_the_audience(registry: Path) -> None:
    (registry.parent / "anne.json").write_text(
        json.dumps({"keys": [public_jwk("ES384/2", kid=7), public_jwk("ES384/2")]})
    )
    more = '\n[clients.anne]\nissuer = "https://anne.example"\njwks_file = "anne.json"\n'
    registry.write_text(registry.read_text() + more)
    said = token("ES384/2", iss="https://anne.example", aud=f"{AUDIENCE}/")
    result = run("test", "anne", "--token", said)
    assert result.exit_code == 0, result.output
    assert "left out: key 1: without 'kid'" in result.output
    assert "slash at the end" in result.output


def test_a_client_without_keys_or_with_unreachable_keys_does_not_pass(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")  # production does not take it at all
    registry.write_text(
        '[clients.a]\n[clients.b]\nissuer = "x"\njwks_url = "http://127.0.0.1:9/jwks"\n'
    )
    for name, why in (("a", "no keys"), ("b", "no usable key set")):
        result = run("test", name)
        assert result.exit_code == 1
        assert why in result.output


def test_an_unknown_client_gets_a_list_of_the_known_ones(registry: Path) -> None:
    result = run("test", "nobody")
    assert result.exit_code == 2
    assert "mercy" in result.output


RECORDS = (
    {"resourceType": "Patient", "id": "p1", "birthDate": "1950-01-01"},
    sodium("117"),
    sodium("131", 20),
)


def live_entry(folder: Path, server: Picky) -> str:
    path = folder / "live.toml"
    path.write_text(
        f'[clients.mercy]\nissuer = "{ISSUER}"\nkeys = [{json_as_toml(public_jwk())}]\n'
        f'fhir_bases = ["{server.base}"]\nallow_private = true\n'
    )
    return str(path)


def json_as_toml(value: dict[str, str]) -> str:
    return "{" + ", ".join(f'{name} = "{text}"' for name, text in value.items()) + "}"


def test_test_shows_what_the_fhir_server_gives_and_in_which_form_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")

    def refuses(asked: Asked) -> int | None:
        return 400 if "_sort" in asked.parameters or asked.codes > 35 else None

    with picky(RECORDS, refuses) as server:
        file = live_entry(tmp_path, server)
        result = run("test", "mercy", "--file", file, "--patient", "p1", "--access-token", "t")
        assert result.exit_code == 0, result.output
        assert "✓ sodium: 2 resources, asked without _sort, _count, _include and status" in (
            result.output
        )
        assert "codes at once" in result.output
        assert "117" not in result.output
        assert {asked.headers["Authorization"] for asked in server.asked} == {"Bearer t"}


def test_test_names_the_status_of_a_search_that_the_fhir_server_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")
    with picky(RECORDS, lambda asked: 403 if asked.kind == "Condition" else None) as server:
        file = live_entry(tmp_path, server)
        refused = run("test", "mercy", "--file", file, "--patient", "p1", "--access-token", "t")
        no_token = run("test", "mercy", "--file", file, "--patient", "p1")
    assert refused.exit_code == no_token.exit_code == 1
    assert (
        "✗ conditions: 0 resources: refused, status 403: its token needs the scope "
        "patient/Condition.read (.rs), or system/Condition.read (.rs)\n" in refused.output
    )
    assert "✗ its FHIR server wants a token: give --access-token" in no_token.output


LOCAL = {
    "code": {"coding": [{"system": "urn:lab", "code": "2951-2", "display": "Sodium SENTINEL"}]},
}


def _probed(folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str, status: int = 0) -> Result:
    """Probes a server with a sodium of a code that nothing knows, and some failing searches."""
    monkeypatch.setenv("CDS_MODE", "development")
    records = (RECORDS[0], RECORDS[1], {**sodium("119", 20), **LOCAL, "id": "local"})

    def fails(asked: Asked) -> int | None:
        return status if status and asked.kind == "Observation" else None

    with picky(records, fails) as server:
        file = live_entry(folder, server)
        return run("probe", "mercy", "--file", file, "--patient", "p1", *more)


def test_the_probe_names_the_code_of_a_result_that_no_rule_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _probed(tmp_path, monkeypatch, "--access-token", "t").output
    assert "    not used: urn:lab|2951-2 (1): its code is not known." in found
    assert "119" not in found
    assert "SENTINEL" not in found


@pytest.mark.parametrize("status", [404, 500, 403, 401])
def test_the_probe_says_each_cause_once_and_for_all_its_keys(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _probed(tmp_path, monkeypatch, "--access-token", "t", status=status).output
    told = [line for line in found.splitlines() if line.startswith("✗") and str(status) in line]
    assert len(told) == 1, found
    assert told[0].count(str(status)) == 1
    assert told[0].startswith("✗ sodium, glucose, labs, ")
    assert ("patient/Observation.read (.rs), or system/" in told[0]) == (status == 403)


def test_the_scope_has_the_name_that_the_guide_of_its_vendor_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")
    with picky(RECORDS, lambda asked: 403 if asked.kind == "Condition" else None) as server:
        file = Path(live_entry(tmp_path, server))
        file.write_text(file.read_text() + 'vendor = "epic"\n')
        asked = ("probe", "mercy", "--file", str(file), "--patient", "p1", "--access-token", "t")
        found = run(*asked).output
    assert "needs the scope Condition.Search (Problems) (R4), Condition.Search (Enc" in found


def test_the_access_token_is_read_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")
    with picky(RECORDS, lambda asked: None) as server:
        file = live_entry(tmp_path, server)
        asked = ("probe", "mercy", "--file", file, "--patient", "p1", "--access-token", "-")
        assert run(*asked, typed="Bearer typed-in\n").exit_code == 0
        assert {one.headers["Authorization"] for one in server.asked} == {"Bearer typed-in"}


@pytest.mark.parametrize("command", ["test", "probe"])
def test_the_variable_of_the_access_token_is_in_the_help(command: str) -> None:
    assert "CDS_TEST_ACCESS_TOKEN" in run(command, "--help").output


def test_the_probe_prints_one_json_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _probed(tmp_path, monkeypatch, "--access-token", "t", "--json")
    found = json.loads(result.output)
    assert result.exit_code == 0
    assert found["good"]
    assert found["client"] == "mercy"
    assert found["sources"]["sodium"]["resources"] == 2
    assert found["dropped"] == [{"code": "urn:lab|2951-2", "reason": "code", "number": 1}]
    refused = _probed(tmp_path, monkeypatch, "--access-token", "t", "--json", status=403)
    assert refused.exit_code == 1
    source = json.loads(refused.output)["sources"]["sodium"]
    assert (source["cause"], source["status"], source["good"]) == ("token-refused", 403, False)


def test_client_test_prints_one_json_object(registry: Path) -> None:
    good = run("test", "mercy", "--token", token(), "--json")
    bad = run("test", "mercy", "--token", token(exp=1), "--json")
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert json.loads(good.output)["good"] is True
    told = [check for check in json.loads(bad.output)["checks"] if not check["good"]]
    assert "the token is refused" in told[0]["text"]


@pytest.mark.parametrize("named", [True, False], ids=["--file", "CDS_CLIENTS_FILE"])
def test_the_commands_that_add_prints_run_as_printed(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MODE", "development")
    file = tmp_path / "a folder" / "clients.toml"
    monkeypatch.delenv("CDS_CLIENTS_FILE", raising=False)
    if not named:
        monkeypatch.setenv("CDS_CLIENTS_FILE", str(file))
    more = ("--file", str(file)) if named else ()
    shown = run(*ANNE, "--jwks-url", "https://anne.example/jwks", *more).output
    printed = re.findall(r"cds-service ((?:client|prefetch-table) .*)", shown)
    assert len(printed) == 3
    for line in printed:
        command = shlex.split(re.sub(r"<[^>]*>", "x", line))
        told = CliRunner().invoke(cli, [*command, *(["--help"] if command[0] == "client" else [])])
        assert told.exit_code == 0, told.output
        assert ("--file" in command) == named
        assert not named or command[command.index("--file") + 1] == str(file)
