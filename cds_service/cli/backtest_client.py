"""The client of the registry that a backtest answers as."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click
from msgspec.structs import asdict, replace

from cds_service.cli.manners import did_you_mean
from cds_service.errors import RegistryError
from cds_service.knowledge.languages import ENGLISH
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.trust.client import NO_CREDENTIALS, Client
from cds_service.trust.modes import refuse_unknown_names
from cds_service.trust.registry import Registry

CLIENTS = click.option(
    "--clients",
    "clients_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The registry. Default: CDS_CLIENTS_FILE.",
)


def named_client(name: str, path: Path | None, hooks: Path | None) -> Client:
    """Returns a client of a registry; RegistryError if it is not there."""
    if path is None:
        raise RegistryError(
            f"client '{name}': name the registry with --clients or CDS_CLIENTS_FILE."
        )
    registry = Registry.load(path, allow_http=True)
    known = load_knowledge(hooks or default_hooks_dir())
    refuse_unknown_names(registry, known.rules, (ENGLISH, *known.languages))
    clients = {one.name: one for one in registry.clients}
    if name not in clients:
        meant = did_you_mean(name, clients)
        raise RegistryError(f"{path.name}: there is no client '{name}'{meant}")
    return clients[name]


def entry_hash(client: Client) -> str:
    """Returns a hash of a client's entry, which is the same in each process."""
    members = asdict(replace(client, credentials=NO_CREDENTIALS))
    told = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in members.items()
    }
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
