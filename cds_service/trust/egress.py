"""Lists the servers that the service calls for its clients: what a firewall has to let out."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from cds_service.trust.client import Client
from cds_service.trust.guard import address_allowed
from cds_service.trust.registry import Registry

_PORTS = {"http": 80, "https": 443}

# Takes host and port, returns the addresses; raises OSError if there are none.
Resolver = Callable[[str, int], Iterable[str]]


class Unusable(Exception):
    """A destination that cannot, or must not, be in a policy of addresses; the text says why."""


class Destination(Struct, frozen=True, order=True):
    """One host and port, and the clients that need it.

    `host` is a name, or an IP address without brackets.
    """

    host: str
    port: int
    clients: tuple[str, ...] = ()
    allow_private: bool = False  # for at least one of them

    @property
    def address(self) -> str:
        """The host if it is an IP address; empty if it is a name."""
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            return ""


def destinations(registry: Registry) -> tuple[Destination, ...]:
    """Returns every FHIR server and published key set, each host and port once, in order."""
    clients_of: dict[tuple[str, int], list[Client]] = {}
    for client in registry.clients:
        for url in _urls(client):
            parts = urlsplit(url)  # the guard has checked registered URLs
            place = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
            clients_of.setdefault(place, []).append(client)
    return tuple(
        Destination(
            host=host,
            port=port,
            clients=tuple(sorted({client.name for client in clients})),
            allow_private=any(client.allow_private for client in clients),
        )
        for (host, port), clients in sorted(clients_of.items(), key=lambda item: item[0])
    )


def _urls(client: Client) -> Iterable[str]:
    """Yields every URL that is called for this client."""
    yield from client.fhir_bases
    for bases in client.credentials.tenants.values():
        yield from bases
    if client.credentials.jwks_url:
        yield client.credentials.jwks_url
    if client.smart is not None:
        yield from client.smart.authorization_servers


def look_up(host: str, port: int) -> Iterable[str]:
    """Returns the addresses of a name, as the resolver of this machine knows them."""
    return {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}


def addresses_of(destination: Destination, resolver: Resolver = look_up) -> tuple[str, ...]:
    """Returns its present addresses, IPv4 first.

    Raises Unusable if it has no address, or one that the service would refuse to call.
    """
    addresses = [destination.address]
    if not destination.address:
        try:
            addresses = list(resolver(destination.host, destination.port))
        except OSError:
            addresses = []
    if not addresses:
        raise Unusable(f"{destination.host}: no address found")
    for address in addresses:
        if not address_allowed(address, allow_private=destination.allow_private):
            condition = "" if destination.allow_private else " without allow_private"
            raise Unusable(
                f"{destination.host}: has the address {address}, which the service never calls"
                + condition
            )
    ordered = sorted(map(ipaddress.ip_address, addresses), key=lambda one: (one.version, one))
    return tuple(str(address) for address in ordered)
