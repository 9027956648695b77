"""Who a bearer token says it is from: a claim to compare with the registry, never a proof."""

from __future__ import annotations

import base64
import binascii

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode

_LONGEST = 8192  # T-28
_PARTS = 3


def claimed_issuer(authorization: str | None) -> str | None:
    """The `iss` of a JWT in an Authorization header, unverified; None where there is none to read."""
    scheme, _, token = (authorization or "").partition(" ")
    parts = token.strip().split(".")
    if scheme.casefold() != "bearer" or len(token) > _LONGEST or len(parts) != _PARTS:
        return None
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = decode(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (BadRequest, binascii.Error, UnicodeEncodeError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None
