"""What was answered is waited for here, however busy the machine is."""

from __future__ import annotations

import pytest

from cds_service.store import engine
from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def patient_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is slow, and not down, changes no answer; tests/store holds what a late one costs."""
    monkeypatch.setattr("cds_service.pipeline._LOOKUP_S", PATIENCE_S)
    monkeypatch.setattr("cds_service.store.feedback.FEEDBACK_S", PATIENCE_S)
    monkeypatch.setitem(engine._WIRE_LIMITS, "connect_timeout", int(PATIENCE_S))
