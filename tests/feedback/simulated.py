"""A simulated year of cards and feedback, made without any patient: for the report, its plans and its plots."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cds_service.store.engine import Database
from cds_service.store.statements import insert_new
from cds_service.store.tables import FEEDBACK, ISSUED, TALLY

RULES = (
    # rule, service, share of cards, accepted of answered
    ("PV-MILD", "hyponatremia-patient-view", 0.30, 0.18),
    ("PV-MILD-SYMP", "hyponatremia-patient-view", 0.12, 0.41),
    ("PV-MOD", "hyponatremia-patient-view", 0.12, 0.47),
    ("PV-SEV", "hyponatremia-patient-view", 0.05, 0.71),
    ("RATE", "hyponatremia-patient-view", 0.05, 0.63),
    ("PV-DRUGCHK", "hyponatremia-patient-view", 0.08, 0.33),
    ("OS-LOW", "hyponatremia-order-select", 0.14, 0.28),
    ("OS-HTS-MILD", "hyponatremia-order-select", 0.04, 0.55),
    ("OS-FR", "hyponatremia-order-select", 0.06, 0.44),
    ("OS-COMBO", "hyponatremia-order-select", 0.04, 0.12),
)
REASONS = (
    "chronic-stable",
    "already-managed",
    "specialist-plan",
    "benefit-outweighs",
    "result-inaccurate",
    "other",
)
SYSTEM = "http://127.0.0.1:8642/fhir/CodeSystem/hyponatremia-override"


def fill(
    database: Database, tenant: str, *, cards: int, answers: int, until: datetime, days: int = 364
) -> None:
    """That many issued cards and answers, evenly over the days before `until`; the same every time."""
    dice = random.Random(6)
    weights = [rule[2] for rule in RULES]
    issued: list[dict[str, Any]] = []
    feedback: list[dict[str, Any]] = []
    for n in range(cards):
        at = until - timedelta(days=days) * (n / cards) - timedelta(seconds=dice.randrange(3600))
        rule, service, _, accepted = dice.choices(RULES, weights)[0]
        card = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        issued.append(_issued(tenant, card, at, (rule, service), n))
        if len(feedback) < answers and dice.random() < answers / cards * 1.02:
            feedback.append(_feedback(dice, tenant, card, at, accepted))
    with database.transaction() as connection:
        for rows in _batches(issued):
            connection.execute(insert_new(connection, ISSUED), rows)
        for rows in _batches(feedback):
            connection.execute(insert_new(connection, FEEDBACK), rows)
        connection.execute(insert_new(connection, TALLY), _tallies(issued, dice))


def _issued(tenant: str, card: str, at: datetime, rule: tuple[str, str], n: int) -> dict[str, Any]:
    return {
        "tenant": tenant, "call": f"{n:032x}", "card": card, "issued_at": at, "service": rule[1],
        "rule": rule[0], "profile": "aasld" if n % 5 else "european", "topic": "sodiumMild", "indicator": "warning",
        "rules": f"{rule[0]}:main", "patient_hash": f"{n % 20_000:032x}", "user_hash": f"{n % 300:032x}",
        "drugs_hash": "", "sodium": "131", "band": "mild", "symptom_hashes": "", "result_hash": f"{n:032x}",
        "suggestions": [], "knowledge": "0" * 64,
    }  # fmt: skip


def _feedback(
    dice: random.Random, tenant: str, card: str, at: datetime, accepted: float
) -> dict[str, Any]:
    acted = at + timedelta(seconds=dice.lognormvariate(4.0, 1.4))
    outcome = "accepted" if dice.random() < accepted else "overridden"
    content: dict[str, Any] = {"suggestions": ["s"]} if outcome == "accepted" else {}
    if outcome == "overridden" and dice.random() < 0.8:
        content = {
            "reason": {"code": dice.choices(REASONS, (30, 25, 15, 15, 10, 5))[0], "system": SYSTEM}
        }
    return {
        "tenant": tenant, "card": card, "digest": f"{dice.getrandbits(256):064x}", "service": "s",
        "outcome": outcome, "outcome_at": acted, "received_at": acted, "content": content,
    }  # fmt: skip


def _tallies(issued: list[dict[str, Any]], dice: random.Random) -> list[dict[str, Any]]:
    counts: dict[tuple[str, date, str, str, str], int] = {}
    for row in issued:
        key = (row["tenant"], row["issued_at"].date(), row["service"], row["rule"], row["profile"])
        counts[key] = counts.get(key, 0) + 1
    names = ("tenant", "day", "service", "rule", "profile")
    return [
        dict(zip(names, key, strict=True))
        | {
            "returned": n,
            "fired": n + dice.randrange(n + 1),
            "suppressed": dice.randrange(n + 1) // 3,
        }
        for key, n in counts.items()
    ]


def _batches(rows: list[dict[str, Any]], size: int = 5000) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def midnight(day: date) -> datetime:
    """The beginning of a day, UTC."""
    return datetime.combine(day, time(), UTC)
