"""Turns ids into keyed hashes: equal ids can be compared, but not traced back to a person."""

from __future__ import annotations

import hmac

_LENGTH = 32  # hex digits: 128 bits


class Pseudonyms:
    """Makes hashes with the deployment's secret; without it they say nothing about the ids."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own, so that no hash here can equal one that goes out on a card.
        self._key = hmac.digest(secret, b"pseudonyms", "sha256")

    def of(self, *parts: str) -> str:
        """Returns the hash of these texts together; their order and borders matter."""
        text = "\x1f".join(f"{len(part)}:{part}" for part in parts)
        digest = hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")
        return digest.hex()[:_LENGTH]

    def patient(self, tenant: str, base: str, patient_id: str) -> str:
        """Returns the hash of one patient of one FHIR server of one tenant."""
        return self.of("patient", tenant, base, patient_id)

    def user(self, tenant: str, base: str, user_id: str | None) -> str:
        """Returns the hash of one user; empty if the call names none."""
        return self.of("user", tenant, base, user_id) if user_id else ""
