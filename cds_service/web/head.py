"""Refuses the head of a request that two programs could read differently.

A proxy and a server that disagree about where a request ends, or whom it is for, let a stranger
hide one request in another. The server library refuses most such heads before we see them
(docs/security.md, T-77); what it lets through and shows is refused here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from granian.rsgi import Scope

# A name or an address, and perhaps a port: no user, no path, no list.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_FIRST_WITH_HOST = "1.1"  # HTTP/1.0 knows no Host header, and a load balancer may still ask so


def fault_of(scope: Scope) -> str:
    """Returns what is wrong with the head, in words for the caller; "" if it can be read."""
    hosts, codings = [], []
    for name, value in scope.headers.items():
        if name == "host":
            hosts.append(value)
        elif name == "transfer-encoding":
            codings.append(value)
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        return "The only Transfer-Encoding that this service reads is chunked, named once."
    if len(hosts) > 1 or (not hosts and scope.http_version == _FIRST_WITH_HOST):
        return "Send exactly one Host header."
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        return "The Host header is not the name of a host, with or without a port."
    if hosts and scope.authority and scope.authority.lower() != hosts[0].lower():
        return "The Host header and the request line name different hosts."
    return ""
