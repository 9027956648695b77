"""Decides which URLs and which addresses the service may call (T-01..T-09).

A URL that comes in a request, a Bundle or a reference is never fetched as it came. It is taken
apart by the same parser that urllib3 fetches with, compared with a registered base, and put
together anew from the base. A URL that parsers could read in different ways is refused before it
is parsed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

LONGEST_URL = 512  # without the query; a registered base is far shorter
LONGEST_QUERY = 8192  # next links carry a server's paging state, or all our codes again

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Printable ASCII without the blank, the backslash and "#": we fetch nothing by a fragment.
_PLAIN = re.compile(r"[!\"$-\[\]-~]+", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# No "%" (an encoded dot or slash), no ";" ("/..;/" is ".." to Tomcat), no "@" (userinfo).
_PATH = re.compile(r"(?:/[A-Za-z0-9._~$+,=:-]+)*/?")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z](?:[a-z0-9_-]*[a-z0-9_])?")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata service of most clouds
        "192.0.0.192/32",  # metadata: Oracle Cloud
        "100.100.100.200/32",  # metadata: Alibaba Cloud
        "168.63.129.16/32",  # Azure's platform address, globally routed on paper
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::/32",  # metadata: AWS
        "fd20:ce::254/128",  # metadata: Google Cloud
        "ff00::/8",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_MASK = 0xFFFFFFFF


class _Place(Struct, frozen=True):
    """Scheme, host and port of a URL, and its path without a trailing slash."""

    origin: str
    path: str
    query: str | None


def canonical_base(url: object) -> str | None:
    """Returns the one spelling of a FHIR base URL, or None if the service may never call it.

    That spelling has scheme and host in lower case, no default port, no trailing slash, no query.
    """
    if not isinstance(url, str) or len(url) > LONGEST_URL:
        return None
    return _canonical(url)


@lru_cache(maxsize=256)
def _canonical(url: str) -> str | None:
    # Remembered: a deployment has a few bases, and each call names one of them several times.
    place = _take_apart(url)
    if place is None or place.query is not None:
        return None
    return place.origin + place.path


def resolve_under(base: str, link: object, also_known_as: Sequence[str] = ()) -> str | None:
    """Returns the URL that a reference or a next link means, or None if it is not below `base`.

    `base` is in canonical form. Relative links are relative to the base, as in FHIR; an absolute
    path stays on the origin of the base. A link below one of the other names of the same server is
    a link below the base: its path and query are taken over. The result is built from the base,
    never copied from the link, so that no other server is called.
    """
    home = _take_apart(base)
    if home is None or not isinstance(link, str) or not link or link.startswith("//"):
        return None
    if _SCHEME.match(link):
        place = _take_apart(link)
    elif link.startswith("/"):
        place = _take_apart(home.origin + link)
    else:
        place = _take_apart(base + link if link.startswith("?") else f"{base}/{link}")
    if place is None:
        return None
    names = [home, *filter(None, map(_take_apart, also_known_as))]
    rest = next((rest for name in names if (rest := _rest_below(name, place)) is not None), None)
    if rest is None:
        return None
    return home.origin + home.path + rest + (f"?{place.query}" if place.query else "")


def _rest_below(name: _Place, place: _Place) -> str | None:
    """Returns the path of a place after that of a base, or None if it is not below the base."""
    if place.origin != name.origin:
        return None
    if place.path != name.path and not place.path.startswith(name.path + "/"):
        return None
    return place.path[len(name.path) :]


def address_allowed(address: str, *, allow_private: bool) -> bool:
    """Returns True if the service may open a connection to this IP address (T-05).

    Link-local, multicast, unspecified and cloud metadata addresses are never allowed; loopback and
    private ones only if the client's entry allows them. An IPv4 address inside an IPv6 address
    counts as that IPv4 address.
    """
    try:
        ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if any(ip.version == network.version and ip in network for network in _NEVER):
        return False
    return ip.is_global or allow_private


def _take_apart(url: str) -> _Place | None:
    head = url.partition("?")[0]
    if len(head) > LONGEST_URL or len(url) - len(head) > LONGEST_QUERY or not _PLAIN.fullmatch(url):
        return None
    if "@" in head or "%" in head or _has_dot_segment(head):
        return None
    try:
        parsed = parse_url(url)
    except LocationParseError:
        return None
    origin = _origin(parsed)
    path = parsed.path or ""
    if origin is None or not _PATH.fullmatch(path):
        return None
    return _Place(origin=origin, path=path.rstrip("/"), query=parsed.query)


def _has_dot_segment(head: str) -> bool:
    return any(segment in (".", "..") for segment in head.split("/"))


def _origin(parsed: Url) -> str | None:
    scheme, host, port = parsed.scheme, parsed.host, parsed.port
    if scheme not in _DEFAULT_PORTS or not host or parsed.auth is not None or not _is_host(host):
        return None
    if port is None or port == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}" if port else None


def _is_host(host: str) -> bool:
    """Returns True for a DNS name or an IP address in its usual spelling, not for 0x7f.1."""
    if _NAME.fullmatch(host):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _unwrapped(ip: _Address) -> _Address:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & _IPV4_MASK)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
