"""Patients, users and results as keyed hashes: alike can be told from unlike, nobody can be found again."""

from __future__ import annotations

import hmac

_LENGTH = 32  # hex digits: 128 bits


class Pseudonyms:
    """Hashes under the deployment's secret; without that secret they tell nothing."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own, so that no hash here can equal one that goes out on a card.
        key = hmac.digest(secret, b"pseudonyms", "sha256")
        self._keyed = hmac.new(
            key, digestmod="sha256"
        )  # the key is worked in once; each hash starts from a copy

    def of(self, *parts: str) -> str:
        """The hash of these texts together; their order and borders matter."""
        told = "\x1f".join(f"{len(part)}:{part}" for part in parts)
        keyed = self._keyed.copy()
        keyed.update(told.encode("utf-8", "replace"))
        return keyed.hexdigest()[:_LENGTH]

    def patient(self, tenant: str, base: str, patient_id: str) -> str:
        """One patient of one FHIR server of one tenant."""
        return self.of("patient", tenant, base, patient_id)

    def user(self, tenant: str, base: str, user_id: str | None) -> str:
        """One user; empty where the call named none."""
        return self.of("user", tenant, base, user_id) if user_id else ""
