"""The registered client as which the chart page may sign; its key lives as long as the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from msgspec import Struct

from cds_service.trust.keyset import KeySet, key_set

_KID = "test-ehr"


class TestEhr(Struct, frozen=True):
    """A key pair, made anew at each start of a demo."""

    __test__ = False  # pytest takes it for tests by its name

    private: Mapping[str, Any]  # as a JWK, for the page

    @property
    def public(self) -> KeySet:
        """The key by which its tokens are checked."""
        return key_set([{k: v for k, v in self.private.items() if k not in ("d", "key_ops")}])


def new_test_ehr() -> TestEhr:
    """Returns a client with a fresh key for ES384."""
    jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True)
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y", "d")}
    return TestEhr(members | {"kid": _KID, "alg": "ES384", "use": "sig"})
