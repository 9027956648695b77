"""`cds-service client egress`: the registry as rules of a firewall, so that nothing else is let out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from cds_service.settings import settings_from_environment
from cds_service.trust.egress import Destination, Unusable, addresses_of, destinations
from cds_service.trust.registry import Registry

_APP = "hyponatremia-cds"
_NAME = f"{_APP}-registry"


@click.command("egress")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["names", "cilium", "networkpolicy"]),
    default="names",
    show_default=True,
    help="Host and port; a policy for Cilium by name; a NetworkPolicy by the addresses that the names have now.",
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Registry. Default: CDS_CLIENTS_FILE.",
)
def egress(kind: str, path: Path | None) -> None:
    """Print whom the service calls: FHIR servers and key sets of clients.toml, as rules to let out.

    Database and name server are not in it. A NetworkPolicy knows only addresses: make it again when a name moves
    (the same registry and addresses give the same text, so that `diff` shows a change). Exit code 1, and no policy,
    where a name has no address or one that the service refuses to call.
    """
    settings = settings_from_environment()
    found = path or settings.clients_file
    if found is None:
        raise click.UsageError("Name the registry with --file or CDS_CLIENTS_FILE.")
    registry = Registry.load(found, allow_http=settings.mode != "production")
    click.echo(_WRITERS[kind](destinations(registry)), nl=False)


def _names(wanted: Sequence[Destination]) -> str:
    return "".join(f"{d.host} {d.port}  # {', '.join(d.clients)}\n" for d in wanted)


def _cilium(wanted: Sequence[Destination]) -> str:
    """Cilium learns the addresses of a name from the answers of the name server, which it must see (rules.dns)."""
    rules = [
        "    - toEndpoints:\n"
        "        - matchLabels:\n"
        '            "k8s:io.kubernetes.pod.namespace": kube-system\n'
        '            "k8s:k8s-app": kube-dns\n'
        "      toPorts:\n"
        "        - ports:\n"
        '            - {port: "53", protocol: ANY}\n'
        "          rules:\n"
        "            dns:\n"
        '              - matchPattern: "*"\n'
    ]
    rules += [
        (
            f'    - toCIDR: ["{_network(d.address)}"]'
            if d.address
            else f'    - toFQDNs: [{{matchName: "{d.host}"}}]'
        )
        + f"  # {', '.join(d.clients)}\n"
        + f'      toPorts:\n        - ports:\n            - {{port: "{d.port}", protocol: TCP}}\n'
        for d in wanted
    ]
    return (
        f"{_HEAD}apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: {_NAME}\nspec:\n"
        f"  endpointSelector:\n    matchLabels:\n      app.kubernetes.io/name: {_APP}\n  egress:\n"
        + "".join(rules)
    )


def _network_policy(wanted: Sequence[Destination]) -> str:
    rules, problems = [], []
    for destination in wanted:
        try:
            rules.append(_rule(destination, addresses_of(destination)))
        except Unusable as problem:
            problems.append(str(problem))
    if problems:
        raise click.ClickException("no policy was made:\n  " + "\n  ".join(problems))
    return (
        f"{_HEAD}apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {_NAME}\nspec:\n"
        f"  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: {_APP}\n  policyTypes: [Egress]\n"
        + ("  egress:\n" + "".join(rules) if rules else "  egress: []\n")
    )


def _rule(destination: Destination, addresses: Sequence[str]) -> str:
    to = "".join(f'        - ipBlock: {{cidr: "{_network(address)}"}}\n' for address in addresses)
    port = f"      ports:\n        - {{port: {destination.port}, protocol: TCP}}\n"
    return f"    # {destination.host}: {', '.join(destination.clients)}\n    - to:\n{to}{port}"


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


_HEAD = "# Made by `cds-service client egress` from the registry of clients; do not edit.\n"
_WRITERS: dict[str, Callable[[Sequence[Destination]], str]] = {
    "names": _names,
    "cilium": _cilium,
    "networkpolicy": _network_policy,
}
