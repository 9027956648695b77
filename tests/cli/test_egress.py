"""`cds-service client egress` prints the registry as firewall rules that allow nothing else."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from cds_service.cli import cli

REGISTRY = """
[clients.mercy]
issuer = "https://fhir.mercy.example/r4"
jwks_url = "https://keys.mercy.example/jwks.json"
jku = ["https://elsewhere.example/jwks"]
fhir_bases = ["https://fhir.mercy.example/r4", "https://fhir.mercy.example:9443/r4"]
cors_origins = ["https://page.mercy.example"]

[clients.oracle]
issuer = "https://cds-hooks.oracle.example"
jwks_url = "https://keys.mercy.example/other"

[clients.oracle.tenants]
one = ["https://fhir.oracle.example/r4/one"]
two = ["https://fhir.oracle.example/r4/two"]
"""
CALLED = {
    ("fhir.mercy.example", 443),
    ("fhir.mercy.example", 9443),
    ("fhir.oracle.example", 443),
    ("keys.mercy.example", 443),
}

Names = Callable[[dict[str, list[str]]], None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Makes the name server answer these addresses, and nothing else."""

    def answer(known: dict[str, list[str]]) -> None:
        def look_up(
            host: str, port: int, **_: Any
        ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in known[host]
            ]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return answer


def run(folder: Path, kind: str, registry: str = REGISTRY) -> Result:
    path = folder / "clients.toml"
    path.write_text(registry)
    return CliRunner().invoke(cli, ["client", "egress", "--format", kind, "--file", str(path)])


def test_the_list_has_each_host_that_is_called_once_and_no_host_that_is_only_compared(
    tmp_path: Path,
) -> None:
    lines = run(tmp_path, "names").output.splitlines()
    assert {(line.split()[0], int(line.split()[1])) for line in lines} == CALLED
    assert len(lines) == len(CALLED)
    assert "keys.mercy.example 443  # mercy, oracle" in lines


def test_a_policy_by_name_lets_out_the_same_and_the_name_server(tmp_path: Path) -> None:
    policy = msgspec.yaml.decode(run(tmp_path, "cilium").output)
    assert (policy["kind"], policy["apiVersion"]) == ("CiliumNetworkPolicy", "cilium.io/v2")
    dns, *rules = policy["spec"]["egress"]
    assert dns["toPorts"][0]["rules"]["dns"]
    assert {
        (r["toFQDNs"][0]["matchName"], int(r["toPorts"][0]["ports"][0]["port"])) for r in rules
    } == CALLED


def test_a_policy_by_address_has_every_address_of_every_name(tmp_path: Path, names: Names) -> None:
    names(
        {
            "fhir.mercy.example": ["9.9.9.9", "9.9.9.10"],
            "fhir.oracle.example": ["2620:fe::9"],
            "keys.mercy.example": ["8.8.8.8"],
        }
    )
    policy = msgspec.yaml.decode(run(tmp_path, "networkpolicy").output)
    rules = policy["spec"]["egress"]
    let_out = {(t["ipBlock"]["cidr"], r["ports"][0]["port"]) for r in rules for t in r["to"]}
    assert let_out == {
        ("9.9.9.9/32", 443),
        ("9.9.9.10/32", 443),
        ("9.9.9.9/32", 9443),
        ("9.9.9.10/32", 9443),
        ("2620:fe::9/128", 443),
        ("8.8.8.8/32", 443),
    }
    assert policy["spec"]["podSelector"] == {
        "matchLabels": {"app.kubernetes.io/name": "hyponatremia-cds"}
    }


def test_the_same_registry_gives_the_same_text_for_any_order_of_addresses(
    tmp_path: Path, names: Names
) -> None:
    texts = set()
    for addresses in (["9.9.9.9", "9.9.9.10"], ["9.9.9.10", "9.9.9.9"]):
        names({host: addresses for host, _ in CALLED})
        texts.add(run(tmp_path, "networkpolicy").output)
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "never calls"),
        ("10.1.2.3", "without allow_private"),
        ("127.0.0.1", "without allow_private"),
        ("fd00:ec2::254", "never calls"),
        ("100.100.100.200", "never calls"),
    ],
)
def test_an_address_that_the_service_refuses_is_in_no_policy(
    address: str, why: str, tmp_path: Path, names: Names
) -> None:
    names({host: ["9.9.9.9", address] for host, _ in CALLED})
    made = run(tmp_path, "networkpolicy")
    assert made.exit_code == 1
    assert why in made.output
    assert "kind:" not in made.output


def test_no_policy_allows_the_metadata_service_even_with_private_addresses(
    tmp_path: Path, names: Names
) -> None:
    private = REGISTRY.replace("[clients.mercy]", "[clients.mercy]\nallow_private = true")
    names({host: ["169.254.169.254"] for host, _ in CALLED})
    assert run(tmp_path, "networkpolicy", private).exit_code == 1


def test_a_name_without_address_is_named_and_no_policy_is_printed(
    tmp_path: Path, names: Names
) -> None:
    names({"fhir.mercy.example": ["9.9.9.9"], "fhir.oracle.example": ["9.9.9.9"]})
    made = run(tmp_path, "networkpolicy")
    assert (made.exit_code, "keys.mercy.example: no address found" in made.output) == (1, True)
    assert "kind:" not in made.output


@pytest.mark.parametrize("kind", ["names", "cilium", "networkpolicy"])
def test_clients_that_are_never_called_let_nothing_out(kind: str, tmp_path: Path) -> None:
    result = run(tmp_path, kind, "[clients.mercy]\n").output
    if kind == "names":
        assert result == ""
        return
    egress = msgspec.yaml.decode(result)["spec"]["egress"]
    assert [rule for rule in egress if "toEndpoints" not in rule] == []


def test_an_address_in_the_registry_needs_no_name_server(tmp_path: Path, names: Names) -> None:
    names({})
    entry = "[clients.m]\nfhir_bases = ['https://10.1.2.3:8443/r4', 'https://[fd12::7]/r4']\nallow_private = true\n"
    policy = msgspec.yaml.decode(run(tmp_path, "networkpolicy", entry).output)
    found = [
        ipaddress.ip_network(t["ipBlock"]["cidr"])
        for r in policy["spec"]["egress"]
        for t in r["to"]
    ]
    assert [str(network) for network in found] == ["10.1.2.3/32", "fd12::7/128"]
    by_name = msgspec.yaml.decode(run(tmp_path, "cilium", entry).output)
    assert [rule["toCIDR"] for rule in by_name["spec"]["egress"][1:]] == [
        ["10.1.2.3/32"],
        ["fd12::7/128"],
    ]


def test_the_servers_are_printed_as_json(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(REGISTRY)
    asked = ["client", "egress", "--file", str(path), "--json"]
    rows = msgspec.json.decode(CliRunner().invoke(cli, asked).output)
    assert {(row["host"], row["port"]) for row in rows} == CALLED
    assert rows[0]["clients"] == ["mercy"]
    wrong = CliRunner().invoke(cli, [*asked, "--format", "cilium"])
    assert wrong.exit_code == 2
