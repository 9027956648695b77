"""Turns ids into keyed hashes: equal ids can be compared, but not traced back to a person."""

from __future__ import annotations

import hmac

_LENGTH = 32  # hex digits: 128 bits
_DRAWN = 8  # bytes


class Pseudonyms:
    """Makes hashes with the deployment's secret; without it they say nothing about the ids."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own, so that no hash here can equal one that goes out on a card.
        # Each hash begins from a copy: hmac.digest would begin with the key again and let another
        # thread go first, which costs a call more than the hash.
        self._keyed = hmac.new(hmac.digest(secret, b"pseudonyms", "sha256"), digestmod="sha256")
        self._arms = hmac.digest(secret, b"arms", "sha256")

    def of(self, *parts: str) -> str:
        """Returns the hash of these texts together; their order and borders matter."""
        text = "\x1f".join(f"{len(part)}:{part}" for part in parts)
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "replace"))
        return keyed.hexdigest()[:_LENGTH]

    def patient(self, tenant: str, base: str, patient_id: str) -> str:
        """Returns the hash of one patient of one FHIR server of one tenant."""
        return self.of("patient", tenant, base, patient_id)

    def user(self, tenant: str, base: str, user_id: str | None) -> str:
        """Returns the hash of one user; empty if the call names none."""
        return self.of("user", tenant, base, user_id) if user_id else ""

    def place(self, tenant: str, patient_id: str) -> float:
        """Returns the place of one patient between 0 and 1, which decides the arm of a trial.

        It is even over patients, always the same for one of them, and says nothing of the other
        hashes. The FHIR base is not in it, because one server may be called by several names.
        """
        text = f"{len(tenant)}:{tenant}\x1f{patient_id}".encode("utf-8", "replace")
        drawn = hmac.digest(self._arms, text, "sha256")[:_DRAWN]
        return int.from_bytes(drawn, "big") / float(1 << 8 * _DRAWN)
