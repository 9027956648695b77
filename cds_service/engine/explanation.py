"""Why, and why not: what a tester or an analyst needs most if there is no card. No patient data.

The same object is the response extension and the output of `cds-service explain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cds_service.engine.cards import Phrases
from cds_service.engine.finding import Finding, Outcome

EXTENSION_NAME = "org.hyponatremia-cds.explanation"


def explanation(
    phrases: Phrases,
    outcomes: Iterable[Outcome],
    *,
    returned: Iterable[Finding],
    suppressed: Iterable[Finding],
    reason: str,
    head: Mapping[str, Any],
    record: Mapping[str, Any],
    with_values: bool,
) -> dict[str, Any]:
    """Returns the rules that fired, and for each other rule the first condition that was not met.

    `head` comes first and `record` before the silent rules; empty members are left out. Values of
    the patient are in it only `with_values`, which is for the command line.
    """
    fired, silent = [], []
    for outcome in outcomes:
        if isinstance(outcome, Finding):
            fired.append(outcome.rule)
        else:
            because = phrases.silence(outcome, with_values=with_values)
            silent.append({"rule": outcome.rule, "because": because})
    members: dict[str, Any] = {
        **head,
        "returned": [finding.rule for finding in returned],
        "suppressed": [finding.rule for finding in suppressed],
        "fired": fired,
        "reason": reason,
        **record,
        "silent": silent,
    }
    return {name: value for name, value in members.items() if value not in ({}, [], "")}
