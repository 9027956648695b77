"""Whom the service calls for the clients of a registry, and nobody else: what a firewall has to let out."""

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


class Destination(Struct, frozen=True, order=True):
    """One host and port, and the clients that need it. `host` is a name, or an IP address without brackets."""

    host: str
    port: int
    clients: tuple[str, ...] = ()
    allow_private: bool = False  # for at least one of them

    @property
    def address(self) -> str:
        """The host where it is an IP address; empty where it is a name."""
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            return ""


# Host and port -> its addresses; OSError where there are none.
Resolver = Callable[[str, int], Iterable[str]]


def destinations(registry: Registry) -> tuple[Destination, ...]:
    """Every FHIR server and every published key set of the registry, each host and port once, in order."""
    found: dict[tuple[str, int], list[Client]] = {}
    for client in registry.clients:
        for url in _urls(client):
            parts = urlsplit(url)  # registered URLs were checked by the guard
            found.setdefault((parts.hostname or "", parts.port or _PORTS[parts.scheme]), []).append(
                client
            )
    return tuple(
        Destination(
            host,
            port,
            tuple(sorted({c.name for c in clients})),
            any(c.allow_private for c in clients),
        )
        for (host, port), clients in sorted(found.items(), key=lambda item: item[0])
    )


def _urls(client: Client) -> Iterable[str]:
    yield from client.fhir_bases
    for bases in client.credentials.tenants.values():
        yield from bases
    if client.credentials.jwks_url:
        yield client.credentials.jwks_url


def look_up(host: str, port: int) -> Iterable[str]:
    """The addresses of a name as this machine's resolver knows them."""
    return {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}


class Unusable(Exception):
    """A destination that must not, or cannot, stand in a policy of addresses; the text says why."""


def addresses_of(destination: Destination, resolver: Resolver = look_up) -> tuple[str, ...]:
    """Its addresses now, IPv4 first. Unusable where it has none, or one that the service would refuse to call."""
    try:
        found = (
            [destination.address]
            if destination.address
            else list(resolver(destination.host, destination.port))
        )
    except OSError:
        found = []
    if not found:
        raise Unusable(f"{destination.host}: no address found")
    refused = [a for a in found if not address_allowed(a, allow_private=destination.allow_private)]
    if refused:
        raise Unusable(
            f"{destination.host}: has the address {refused[0]}, which the service never calls"
            + ("" if destination.allow_private else " without allow_private")
        )
    return tuple(
        str(a) for a in sorted(map(ipaddress.ip_address, found), key=lambda a: (a.version, a))
    )
