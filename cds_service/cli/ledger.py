"""Collects what `client test` and `client probe` find, as lines or as one JSON object."""

from __future__ import annotations

import click

from cds_service.cli.replay import print_json

_KEY = "cds_service.cli.ledger"


class Ledger:
    """Prints each finding at once, or keeps all of them for one JSON object at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._checks: list[dict[str, object]] = []
        self._notes: list[str] = []
        self._figures: dict[str, object] = {}

    def check(self, good: bool, text: str) -> bool:
        """Tells whether something is as it has to be; returns that."""
        self._checks.append({"good": good, "text": text})
        if not self._as_json:
            click.echo(("✓ " if good else "✗ ") + text)
        return good

    def note(self, text: str) -> None:
        """Tells something that is neither good nor bad."""
        self._notes.append(text.strip())
        if not self._as_json:
            click.echo(f"  {text}")

    def figure(self, name: str, value: object) -> None:
        """Keeps a value that only a program wants."""
        self._figures[name] = value

    def end(self, client: str, *, good: bool) -> None:
        """Prints the JSON object, and ends with exit code 1 unless all was good."""
        if self._as_json:
            found = {"client": client, "good": good, "checks": self._checks, "notes": self._notes}
            print_json(found | self._figures)
        if not good:
            raise SystemExit(1)


def open_ledger(*, as_json: bool) -> Ledger:
    """Returns a new ledger, which `ledger` gives until the command ends."""
    made = Ledger(as_json=as_json)
    click.get_current_context().meta[_KEY] = made
    return made


def ledger() -> Ledger:
    """Returns the ledger of the command that runs."""
    found: Ledger = click.get_current_context().meta[_KEY]
    return found
