"""Why a server could not be called, in fixed words for the log: what the exceptions say holds URLs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from urllib3.exceptions import NewConnectionError

NO_CONNECTION = "no connection: no such name, nobody answers there, or the address is not allowed"
NO_TLS = "TLS: no agreement with the server"
BROKE_OFF = "the connection broke off, or what came is no HTTP"
_CERTIFICATE = "TLS: the certificate "
# OpenSSL's X509_V_ERR_...
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
_NO_AUTHORITY = (18, 19, 20, 21)


def cause_of(error: BaseException) -> str:
    """What lies at the bottom of an exception of requests or urllib3."""
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return _CERTIFICATE + _fault(one.verify_code)
        if isinstance(one, ssl.SSLError):
            return NO_TLS
        if isinstance(one, NewConnectionError):
            return NO_CONNECTION
    return BROKE_OFF


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it carries and what it came from, outermost first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and all(one is not known for known in found):
            found.append(one)
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    yield from found


def _fault(code: int) -> str:
    if code == _EXPIRED:
        return "has expired"
    if code == _NOT_YET:
        return "is not valid yet: perhaps our clock is wrong"
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return "is for another name"
    if code in _NO_AUTHORITY:
        return "is by an authority that we do not know: see CDS_CA_BUNDLE"
    return "is not accepted"
