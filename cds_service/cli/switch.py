"""`cds-service off` and `on`: the red switch for a rule, or for all cards, on all nodes at once."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
import msgspec

from cds_service.cli.db import open_database
from cds_service.cli.manners import did_you_mean
from cds_service.cli.replay import print_json
from cds_service.errors import ConfigurationError
from cds_service.knowledge.load import load_knowledge
from cds_service.pipeline import HOOKS
from cds_service.settings import Settings
from cds_service.store.switches import ALL, EVERYBODY, Switched, SwitchTable
from cds_service.trust.registry import Registry

_LONGEST_REASON = 500
CLIENT = click.option("--client", default=EVERYBODY, help="Only for this client of clients.toml.")
REASON = click.option("--reason", default="", help="Why; it is kept. Name no patient.")


@click.command("off")
@click.argument("rule", required=False)
@CLIENT
@REASON
@click.option("--list", "only_list", is_flag=True, help="List what is off, and stop.")
@click.option("--history", is_flag=True, help="List every change, oldest first, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def off(
    rule: str | None, client: str, reason: str, only_list: bool, history: bool, as_json: bool
) -> None:
    """Switch a rule off, or all cards.

    RULE is the id of a rule such as OS-HTS-MILD, or "all". It takes effect on all nodes within
    seconds, without a restart, and stays until `cds-service on`. The database keeps who switched
    it, when and why.

    A card of a rule that is off is not shown; with "all" no rule is asked and no record is read.
    /health and `cds-service off --list` say what is off.

    \b
    Examples:
      cds-service off OS-HTS-MILD --reason "wrong limit, see ticket 4711"
      cds-service off all --client mercy
      cds-service off --list
    """
    if only_list or history:
        _, database = open_database()
        table = SwitchTable(database)
        _show(table.history() if history else table.off_now(), as_json=as_json)
        return
    if rule is None:
        raise click.UsageError('Name a rule, or "all"; --list shows what is off.')
    _switch(rule, client, reason, off=True)


@click.command("on")
@click.argument("rule")
@CLIENT
@REASON
def on(rule: str, client: str, reason: str) -> None:
    """Undo `cds-service off`.

    RULE and --client are those that were switched off; `cds-service off --list` shows them.
    """
    _switch(rule, client, reason, off=False)


def _switch(rule: str, client: str, reason: str, *, off: bool) -> None:
    settings, database = open_database()
    table = SwitchTable(database)
    before = table.off_now()
    if off:
        _refuse_unknown(rule, client, settings)
    elif not any((one.rule, one.client) == (rule, client) for one in before):
        raise click.BadParameter(
            f"it is not off{_for(client)}; off is: {_named(before)}", param_hint="RULE"
        )
    table.add(
        Switched(
            rule=rule,
            client=client,
            off=off,
            at=datetime.now(UTC),
            reason=reason[:_LONGEST_REASON],
            by=f"{getpass.getuser()} on {platform.node()}",
        )
    )
    what = "All cards are" if rule == ALL else f"{rule} is"
    click.echo(f"{what} {'off' if off else 'on again'}{_for(client)}, on all nodes within seconds.")
    click.echo(f"Off now: {_named(table.off_now())}.")


def _refuse_unknown(rule: str, client: str, settings: Settings) -> None:
    rules = load_knowledge(settings.hooks_dir).rules
    if rule in {hook.unreadable for hook in HOOKS.values()}:
        raise click.BadParameter(
            f'{rule} says what could not be checked, and silence would hide that; use "all".',
            param_hint="RULE",
        )
    if rule not in (ALL, *rules):
        raise click.BadParameter(
            f"there is no such rule{did_you_mean(rule.upper(), (ALL, *rules))}", param_hint="RULE"
        )
    known = _clients(settings)
    if client and known and client not in known:
        raise click.BadParameter(
            f"there is no such client{did_you_mean(client, known)}", param_hint="--client"
        )


def _clients(settings: Settings) -> Sequence[str]:
    """Returns the names of the registry; none if there is no sound one on this machine."""
    if settings.clients_file is None:
        return ()
    try:
        return [one.name for one in Registry.load(settings.clients_file, allow_http=True).clients]
    except ConfigurationError:
        return ()


def _show(switched: Sequence[Switched], *, as_json: bool) -> None:
    if as_json:
        print_json([msgspec.to_builtins(one) for one in switched])
        return
    if not switched:
        click.echo("Nothing is off.")
    for one in switched:
        state = "off" if one.off else "on"
        whom = one.client or "all clients"
        line = f"{one.at:%Y-%m-%d %H:%M} UTC  {state:<3}  {one.rule}  {whom}  by {one.by}"
        click.echo(line + (f"  ({one.reason})" if one.reason else ""))


def _for(client: str) -> str:
    return f" for {client}" if client else " for all clients"


def _named(switched: Iterable[Switched]) -> str:
    return "; ".join(f"{one.rule}{_for(one.client)}" for one in switched) or "nothing"
