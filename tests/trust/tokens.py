"""An EHR's keys and tokens for tests: signed by hand, so that also what no library would sign can be sent."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://ehr.example/r4"
BASE = "https://cds.example"
VIEW = "hyponatremia-patient-view"
AUDIENCE = f"{BASE}/cds-services/{VIEW}"
LIFE_S = 3000  # some are made when tests are collected, and must be valid whenever theirs is run


@functools.cache
def private_key(kind: str) -> Any:
    """A private key made once for the whole run: an algorithm's name, with "/2" for another one."""
    name = kind.partition("/")[0]
    if name.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 1024 if kind.endswith("/weak") else 2048)
    curves: dict[str, ec.EllipticCurve] = {
        "ES256": ec.SECP256R1(),
        "ES384": ec.SECP384R1(),
        "ES512": ec.SECP521R1(),
    }
    return ec.generate_private_key(curves[name])


def public_jwk(kind: str = "ES384", **members: Any) -> dict[str, Any]:
    """Its public half as a JWK; a member given as None is left out."""
    key = private_key(kind).public_key()
    made = (
        ECAlgorithm.to_jwk(key, as_dict=True)
        if kind[0] == "E"
        else RSAAlgorithm.to_jwk(key, as_dict=True)
    )
    made = {name: value for name, value in made.items() if name != "key_ops"}
    named = {"kid": f"{kind}+/=", "alg": kind.partition("/")[0], "use": "sig"} | members
    return {**made, **{name: value for name, value in named.items() if value is not None}}


def part(value: object) -> str:
    """One part of a JWT."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def claims(now: float | None = None, **changed: Any) -> dict[str, Any]:
    """What an EHR says; a claim given as None is left out."""
    at = int(time.time() if now is None else now)
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": at,
        "exp": at + LIFE_S,
        "jti": uuid.uuid4().hex,
    } | changed
    return {name: value for name, value in said.items() if value is not None}


def token(kind: str = "ES384", header: dict[str, Any] | None = None, **changed: Any) -> str:
    """A signed token; changes of header and claims as in `claims`."""
    algorithm = kind.partition("/")[0]
    head = {"alg": algorithm, "typ": "JWT", "kid": f"{kind}+/="} | (header or {})
    message = part({k: v for k, v in head.items() if v is not None}) + "." + part(claims(**changed))
    signature = jwt.get_algorithm_by_name(algorithm).sign(message.encode(), private_key(kind))
    return f"{message}.{part(signature)}"


def forged(algorithm: str, secret: bytes = b"", **header: Any) -> str:
    """A token without a signature, or with one by a shared secret."""
    kid = {"kid": "ES384+/="}
    message = part({"alg": algorithm, "typ": "JWT", **kid, **header}) + "." + part(claims())
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(
        algorithm
    )
    return (
        f"{message}.{part(hmac.new(secret, message.encode(), digest).digest()) if digest else ''}"
    )


def written(folder: Path, more: str = "", jwks: list[dict[str, Any]] | None = None) -> Path:
    """A clients.toml with one client, `mercy`, and its keys in a file beside it."""
    (folder / "mercy.json").write_text(json.dumps({"keys": jwks or [public_jwk()]}))
    path = folder / "clients.toml"
    path.write_text(f'[clients.mercy]\nissuer = "{ISSUER}"\njwks_file = "mercy.json"\n{more}')
    return path
